//! The part `network`: a machine with a card, and this host at the other end.
//!
//! A guest's busybox fetches a file from a server here, and compares it with its own; then it
//! serves that file, to several of curl at a time, who compare it here; datagrams of all lengths
//! are echoed. Our own server on asynchronous I/O serves files beside it (`own`). A port at which
//! nobody listens refuses. At the end nothing is left on anybody's bill. Then Debian's own servers
//! are asked ([`servers`]).

mod own;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Extent, Verdict, servers, services};
use crate::commands::stage::{Beside, Stage};
use crate::home;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::kernel;
use crate::machine::network::{self, Published};
use crate::machine::size::Cores;

/// The file that goes over the network: both ends have it.
const FILE: &str = "/bin/busybox";
/// In which the machine has ended, and in which its server answers.
const LIMIT: Duration = Duration::from_secs(240);
const PATIENCE: Duration = Duration::from_secs(150);
/// Fetches at a time, and how often.
const TOGETHER: usize = 4;
const ROUNDS: usize = 2;
/// Lengths of datagrams.
const LENGTHS: [usize; 5] = [0, 1, 512, 1471, 1472];
/// The ports in the machine: of the server, of the echo, and one at which nobody listens.
const WEB: u16 = 80;
const ECHO: u16 = 53;
const NOBODY: u16 = 81;

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Verdict::NotRun("curl is not installed".into());
    }
    if !Path::new(FILE).is_file() {
        return Verdict::NotRun(format!("{FILE} is not installed"));
    }
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    match all(&stage).and_then(|note| with_servers(&stage, &note)) {
        Ok(note) => Verdict::Good(note),
        Err(why) => Verdict::Bad(why),
    }
}

/// The same with Debian's servers, where this host has them: what is left out is said.
fn with_servers(stage: &Stage, note: &str) -> Result<String, String> {
    match servers::absent() {
        Some(server) => Ok(format!("{note}; left out, the host has no {server}")),
        None => servers::run(stage).map(|seen| format!("{note}; {seen}")),
    }
}

/// A port of this host's that nobody has.
pub fn free(datagrams: bool) -> Result<u16, String> {
    let any = ("127.0.0.1", 0);
    let address = if datagrams {
        UdpSocket::bind(any).and_then(|socket| socket.local_addr())
    } else {
        TcpListener::bind(any).and_then(|socket| socket.local_addr())
    };
    address.map(|address| address.port()).map_err(|error| error.to_string())
}

/// Serves the file to whoever asks, until it is told to end.
fn serve(listener: &TcpListener, file: &[u8], ends: &AtomicBool) {
    while let Ok((mut stream, _)) = listener.accept() {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let mut request = [0; 2048];
        let _ = stream.read(&mut request);
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(file);
    }
}

/// How the configurations of this part's machines begin: two cores, fair.
pub(super) const HEAD: &str = "<schedulerconfig>\n<machine memory=\"256 MiB\"/>\n\
    <cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>\n\
    <cpumultiplexor tag=\"cpumux1\" core=\"1\" algorithm=\"propshare.wfq\"/>\n\
    <resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\"> \
    <cpumultiplexor tag=\"cpumux0\"/> <cpumultiplexor tag=\"cpumux1\"/> \
    </resourcescheduler>\n";

fn configuration(server: u16) -> String {
    let script = format!(
        "busybox wget -q -O /got http://10.0.2.2:{server}/file; \
         busybox cmp /got {FILE} || exit 1; echo client: the same; busybox rm /got; \
         busybox httpd -f -p {WEB} -h /bin &amp; P=$!; {} &amp; W=$!; /bin/net echo {ECHO}; \
         kill $P $W; wait; echo server: ended",
        own::command()
    );
    format!(
        "{HEAD}<activity name=\"web\" share=\"100\"/>\n<service activity=\"web\"> <program> {FILE} </program> <argument> sh </argument> \
         <argument> -c </argument> <argument> {script} </argument> </service>\n\
         </schedulerconfig>\n"
    )
}

fn all(stage: &Stage) -> Result<String, String> {
    // Who looks does so from the beginning, and a build takes minutes.
    let root = home::root().map_err(|error| error.to_string())?;
    services::build(&root).map_err(|error| error.to_string())?;
    kernel::build(&root).map_err(|error| error.to_string())?;
    let file = std::fs::read(FILE).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let server = listener.local_addr().map_err(|error| error.to_string())?.port();
    let published = [
        Published { datagrams: false, host: free(false)?, guest: WEB },
        Published { datagrams: true, host: free(true)?, guest: ECHO },
        Published { datagrams: false, host: free(false)?, guest: NOBODY },
        Published { datagrams: false, host: free(false)?, guest: own::PORT },
    ];
    let devices: Vec<_> = network::arguments(&published)
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let words: Vec<_> = network::words().collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let files = own::files();
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
    let beside = Beside {
        host: &[FILE],
        devices: &devices,
        words: &words,
        files: &files,
        ..Beside::default()
    };
    let ends = Arc::new(AtomicBool::new(false));
    let [web, echo, nobody, ours] = published.map(|published| published.host);
    let (console, seen) = thread::scope(|scope| {
        let (ends, file) = (&ends, &file[..]);
        let served = scope.spawn(move || serve(&listener, file, ends));
        let looks = scope.spawn(move || {
            let seen = look(web, echo, nobody, file);
            let seen = seen.and_then(|fetched| Ok((fetched, own::look(ours)?)));
            // Whatever was seen: the machine is to end.
            say_end(echo);
            seen.map(|(fetched, (note, hangs))| (fetched, note, Some(hangs)))
        });
        let console = stage.run_with(&configuration(server), &["net", "web"], LIMIT, beside);
        ends.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(("127.0.0.1", server));
        let seen = looks.join().unwrap_or_else(|_| Err("who looks at it has panicked".into()));
        let _ = served.join();
        (console, seen)
    });
    let console = console.map_err(|failure| failure.to_string())?;
    let mut wrong = wrong(&console);
    // The connection that hangs was there until the machine had ended.
    let (fetched, note, _hangs) = seen.unwrap_or_else(|why| {
        wrong.push(why);
        (0, String::new(), None)
    });
    if !wrong.is_empty() {
        return Err(format!("{}\n{console}", wrong.join("\n")));
    }
    let size = file.len();
    Ok(format!(
        "{size} bytes fetched by the guest, and {fetched} times from it, {TOGETHER} at a time, \
         the same; {note}; {} datagrams echoed; a closed port refuses; nothing is left",
        LENGTHS.len()
    ))
}

/// Fetches the file from the machine with curl: whether it is the same.
fn fetch(port: u16, file: &[u8]) -> Result<bool, String> {
    let address = format!("http://127.0.0.1:{port}/busybox");
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--max-time", "60", &address])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.stdout.is_empty() {
        return Err(format!("curl: {}", output.status));
    }
    Ok(output.stdout == file)
}

/// What the host sees of the machine: how often it has fetched the file.
fn look(web: u16, echo: u16, nobody: u16, file: &[u8]) -> Result<usize, String> {
    let until = Instant::now() + PATIENCE;
    // The first answer is when the server is there.
    let mut first = fetch(web, file);
    while first.is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(500));
        first = fetch(web, file);
    }
    if !first? {
        return Err("the first file fetched is not the same".into());
    }
    let mut fetched = 1;
    for _ in 0..ROUNDS {
        let results: Vec<_> = thread::scope(|scope| {
            let all: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(|| fetch(web, file))).collect();
            all.into_iter().map(|one| one.join()).collect()
        });
        for result in results {
            match result {
                Ok(Ok(true)) => fetched += 1,
                Ok(Ok(false)) => return Err("a file fetched with others is not the same".into()),
                Ok(Err(why)) => return Err(why),
                Err(_) => return Err("a fetch has panicked".into()),
            }
        }
    }
    echoed(echo)?;
    if fetch(nobody, file).is_ok() {
        return Err("somebody answers at a port at which nobody listens".into());
    }
    Ok(fetched)
}

/// Datagrams come back as they were.
fn echoed(port: u16) -> Result<(), String> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let limit = Some(Duration::from_secs(5));
    socket.set_read_timeout(limit).map_err(|error| error.to_string())?;
    for length in LENGTHS {
        let sent: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        let mut back = [0; 2048];
        // Datagrams may be lost: three are enough.
        let came = (0..3).any(|_| {
            let _ = socket.send_to(&sent, ("127.0.0.1", port));
            socket.recv(&mut back).is_ok_and(|came| back.get(..came) == Some(&sent[..]))
        });
        if !came {
            return Err(format!("a datagram of {length} bytes does not come back"));
        }
    }
    Ok(())
}

/// Tells the echo to end.
fn say_end(port: u16) {
    if let Ok(socket) = UdpSocket::bind(("127.0.0.1", 0)) {
        for _ in 0..3 {
            let _ = socket.send_to(b"end", ("127.0.0.1", port));
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// What is not as it must be.
fn wrong(console: &str) -> Vec<String> {
    let lines = || console.lines().map(str::trim);
    let mut wrong = Vec::new();
    let counted = format!("net: {} datagrams", LENGTHS.len());
    for said in [
        "client: the same",
        "server: ended",
        "memory: ledger whole",
        "objects: none left",
        "network: 0 packets on their way, 0 sockets left",
        &counted,
    ] {
        if !lines().any(|line| line == said) {
            wrong.push(format!("nobody says '{said}'"));
        }
    }
    let bad =
        |line: &&str| ["LOST", "LEFT", "WRONG", "cut off"].iter().any(|never| line.contains(never));
    wrong.extend(lines().filter(bad).map(String::from));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let text = configuration(12_345);
        assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
    }
}
