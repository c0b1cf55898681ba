//! Our own web server, on asynchronous I/O (`services/web`), as clients on this host see it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The port in the machine, the folder that is served, and how long it is patient, in seconds.
pub const PORT: u16 = 82;
pub const FOLDER: &str = "/srv";
pub const PATIENCE: u32 = 5;
/// Lengths of the files, about the pieces in which they are moved.
const LENGTHS: [usize; 6] = [0, 1, 65_535, 65_536, 65_537, 1_000_003];
/// In which it answers.
const SOON: Duration = Duration::from_secs(20);
/// Clients at a time.
const TOGETHER: usize = 6;
/// How much later than its patience's end a connection may be left.
const LATER: u64 = 10;

/// What is in a file of this length.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251 + length) as u8).collect()
}

/// The files, at their paths.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let each = LENGTHS.into_iter().map(|length| (format!("{FOLDER}/{length}"), bytes(length)));
    each.chain([(format!("{FOLDER}/inner/index.html"), b"inside\n".to_vec())]).collect()
}

/// What starts it.
pub fn command() -> String {
    format!("/bin/web --port {PORT} --root {FOLDER} --patience {PATIENCE}")
}

fn curl(words: &[&str]) -> Result<Output, String> {
    Command::new("curl")
        .args(["--silent", "--max-time", "60"])
        .args(words)
        .stderr(Stdio::null())
        .output()
        .map_err(|error| error.to_string())
}

/// Whether a file comes whole.
fn fetch(port: u16, length: usize) -> Result<(), String> {
    let output = curl(&["--fail", &format!("http://127.0.0.1:{port}/{length}")])?;
    if !output.status.success() {
        return Err(format!("own server, {length} bytes: curl: {}", output.status));
    }
    if output.stdout == bytes(length) {
        Ok(())
    } else {
        Err(format!("own server: a file of {length} bytes is not the same"))
    }
}

/// Looks at all of it: a note, and a connection that has asked and does not read, so that the
/// server ends with operations under way.
pub fn look(port: u16) -> Result<(String, TcpStream), String> {
    // It is begun beside the one that answered already.
    let until = Instant::now() + SOON;
    while fetch(port, 1).is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(200));
    }
    LENGTHS.into_iter().try_for_each(|length| fetch(port, length))?;
    refused(port)?;
    stays(port)?;
    let connect = || TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string());
    // One that says nothing holds nobody up.
    let (slow, begin) = (connect()?, Instant::now());
    let came: Result<(), String> = thread::scope(|scope| {
        let each = |place: usize| LENGTHS.into_iter().cycle().skip(place).take(LENGTHS.len());
        let all: Vec<_> = (0..TOGETHER)
            .map(|place| scope.spawn(move || each(place).try_for_each(|it| fetch(port, it))))
            .collect();
        let mut all = all.into_iter().map(|one| one.join());
        all.try_for_each(|one| one.unwrap_or_else(|_| Err("a fetch has panicked".into())))
    });
    came?;
    left(slow, begin)?;
    let mut hangs = connect()?;
    let request = b"GET /1000003 HTTP/1.1\r\nHost: here\r\n\r\n".repeat(8);
    hangs.write_all(&request).map_err(|error| error.to_string())?;
    let note =
        format!("files of {} lengths by our own server, {TOGETHER} at a time", LENGTHS.len());
    Ok((note, hangs))
}

/// What is not to be had is refused.
fn refused(port: u16) -> Result<(), String> {
    for (path, more, status) in [
        ("none", "--get", "404"),
        ("1/below", "--get", "404"),
        ("", "--get", "403"),
        ("inner", "--get", "200"),
        ("../etc/vortex.xml", "--path-as-is", "403"),
        ("inner/%2e%2e/1", "--path-as-is", "403"),
        ("%00", "--get", "400"),
        ("1", "--head", "200"),
        ("1", "-dx", "405"),
    ] {
        let address = format!("http://127.0.0.1:{port}/{path}");
        let output =
            curl(&["--output", "/dev/null", "--write-out", "%{http_code}", more, &address])?;
        let came = String::from_utf8_lossy(&output.stdout);
        if came != status {
            return Err(format!("own server: /{path} ({more}): {came}, not {status}"));
        }
    }
    Ok(())
}

/// One connection serves for several files, one after the other.
fn stays(port: u16) -> Result<(), String> {
    let addresses: Vec<_> =
        LENGTHS.iter().map(|length| format!("http://127.0.0.1:{port}/{length}")).collect();
    let mut words = vec!["--write-out", "[%{num_connects}]"];
    words.extend(addresses.iter().map(String::as_str));
    let output = curl(&words)?;
    let mut wanted = Vec::new();
    for (place, length) in LENGTHS.into_iter().enumerate() {
        wanted.extend(bytes(length));
        wanted.extend(format!("[{}]", u8::from(place == 0)).bytes());
    }
    if output.stdout == wanted {
        Ok(())
    } else {
        Err("own server: files by one connection are not the same, or it did not stay".into())
    }
}

/// A connection that has said nothing is ended, in time.
fn left(mut slow: TcpStream, begin: Instant) -> Result<(), String> {
    let limit = Duration::from_secs(u64::from(PATIENCE) + LATER);
    slow.set_read_timeout(Some(limit)).map_err(|error| error.to_string())?;
    // An end or a reset: either tells.
    match slow.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => return Err(format!("own server: who says nothing is not left: {other:?}")),
    }
    let took = begin.elapsed();
    if took > limit {
        Err(format!("own server: who says nothing is left after {took:?}"))
    } else {
        Ok(())
    }
}
