//! Runs a program for `./vortex exec`: `exec 10.0.2.2:PORT`, begun in the program's activity.
//!
//! It connects to the command on the host, says the token that its environment has
//! (`VORTEX_TOKEN`), so that the command knows it from whoever else may connect, and is told the
//! program. What that says, and how it ends, goes to the host as it comes, and what is typed
//! there comes here: all of it by this process and its child, on their activity's bill.
//!
//! A message is a byte that says what it is, its length in four bytes, little-endian, and that
//! many bytes:
//!
//! ```text
//! from the host   a  the program and its arguments, a zero behind each: first, and once
//!                 i  input; none at all is its end
//! to the host     o  output     r  errors' output
//!                 x  it has ended: the exit code, four bytes
//!                 f  it cannot be started: why
//! ```
//!
//! Where the host ends the connection, the program is killed.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

const USAGE: &str = "usage: VORTEX_TOKEN=TOKEN exec ADDRESS:PORT";
const TOKEN: &str = "VORTEX_TOKEN";
/// What the program finds in its environment.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")];
/// The longest message that the host may send.
const LONGEST: usize = 1 << 20;
/// What is read of the program's output at a time.
const PIECE: usize = 4 << 10;
/// How long its last output may take; a process that it left behind may hold it for ever.
const REST: Duration = Duration::from_secs(1);

/// The connection, for whoever has something to say.
type Host = Arc<Mutex<TcpStream>>;

/// Says something in one message.
fn say(host: &Host, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let message = [&[kind], &length.to_le_bytes()[..], bytes].concat();
    host.lock().unwrap_or_else(PoisonError::into_inner).write_all(&message)
}

/// The next message.
fn hear(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}

/// The words in these bytes, each with a zero behind it.
fn words(bytes: &[u8]) -> Vec<OsString> {
    let Some(text) = bytes.strip_suffix(&[0]) else { return Vec::new() };
    text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// As a shell has it: a signal is told as 128 and its number.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Passes on what comes, until the end or until nobody hears it.
fn pass(mut from: impl Read, host: &Host, kind: u8) {
    let mut piece = [0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                let bytes = piece.get(..length).unwrap_or_default();
                if say(host, kind, bytes).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Hands on what is typed; at the connection's end the program ends.
fn feed(mut host: TcpStream, input: ChildStdin, program: u32) {
    let mut input = Some(input);
    while let Ok((kind, bytes)) = hear(&mut host) {
        if kind != b'i' {
            continue;
        }
        // Its end, or nobody reads it any more: what follows is not wanted.
        if bytes.is_empty() || input.as_mut().is_none_or(|to| to.write_all(&bytes).is_err()) {
            input = None;
        }
    }
    // Nobody waits for it any more. Where it has just ended this process is about to, and a number
    // is not given to another so soon.
    if let Ok(program) = i32::try_from(program) {
        let _ = vortex_guest::sig::kill(program, libc::SIGKILL);
    }
}

fn serve(mut host: TcpStream) -> io::Result<ExitCode> {
    let (kind, bytes) = hear(&mut host)?;
    let words = words(&bytes);
    let (b'a', [program, arguments @ ..]) = (kind, &words[..]) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let reader = host.try_clone()?;
    let host: Host = Arc::new(Mutex::new(host));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(ENVIRONMENT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&host, b'f', error.to_string().as_bytes())?;
            return Ok(ExitCode::from(127));
        }
    };
    let status = attend(&mut child, reader, &host)?;
    say(&host, b'x', &code(status).to_le_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Passes on what it says and hears, to its end.
fn attend(child: &mut Child, reader: TcpStream, host: &Host) -> io::Result<ExitStatus> {
    let program = child.id();
    if let Some(input) = child.stdin.take() {
        thread::Builder::new().spawn(move || feed(reader, input, program))?;
    }
    let (passed, all) = mpsc::channel();
    let mut outputs = 0;
    let out = child.stdout.take().map(|from| (Box::new(from) as Box<dyn Read + Send>, b'o'));
    let errors = child.stderr.take().map(|from| (Box::new(from) as Box<dyn Read + Send>, b'r'));
    for (from, kind) in [out, errors].into_iter().flatten() {
        let (host, passed) = (host.clone(), passed.clone());
        thread::Builder::new().spawn(move || {
            pass(from, &host, kind);
            // Who waited for it may have gone on.
            let _ = passed.send(());
        })?;
        outputs += 1;
    }
    let status = child.wait()?;
    for _ in 0..outputs {
        let _ = all.recv_timeout(REST);
    }
    Ok(status)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(address), Ok(token)) = (words.first(), std::env::var(TOKEN)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let served = TcpStream::connect(address).and_then(|mut host| {
        host.write_all(format!("{token}\n").as_bytes())?;
        serve(host)
    });
    match served {
        Ok(code) => code,
        Err(error) => {
            eprintln!("exec: the host at {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the host is told of a program that is told this.
    fn told(program: &[u8], input: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || serve(TcpStream::connect(address).unwrap()));
        let (host, _) = listener.accept().unwrap();
        let mut reader = host.try_clone().unwrap();
        let host = Arc::new(Mutex::new(host));
        say(&host, b'a', program).unwrap();
        for bytes in input {
            // It may have ended before it read that.
            let _ = say(&host, b'i', bytes);
        }
        // The thread that hears this end keeps the connection open as long as its process lasts.
        let mut all = Vec::new();
        while all.last().is_none_or(|(kind, _)| !b"xf".contains(kind)) {
            all.push(hear(&mut reader).unwrap());
        }
        served.join().unwrap().unwrap();
        all
    }

    #[test]
    fn output_input_and_the_ending_are_passed_on() {
        let script = b"/bin/sh\0-c\0cat; echo bad >&2; exit 7\0";
        let all = told(script, &[b"one ", b"two", b""]);
        let said = |kind| {
            let own = all.iter().filter(|(of, _)| *of == kind);
            own.flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>()
        };
        assert_eq!(said(b'o'), b"one two");
        assert_eq!(said(b'r'), b"bad\n");
        assert_eq!(all.last(), Some(&(b'x', 7_i32.to_le_bytes().to_vec())));
        let killed = told(b"/bin/sh\0-c\0kill -9 $$\0", &[]);
        assert_eq!(killed, [(b'x', 137_i32.to_le_bytes().to_vec())]);
        let none = told(b"/no/such/program\0", &[]);
        assert_eq!((none.len(), none[0].0), (1, b'f'));
    }

    #[test]
    fn a_program_that_nobody_waits_for_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || serve(TcpStream::connect(address).unwrap()));
        let (host, _) = listener.accept().unwrap();
        let host = Arc::new(Mutex::new(host));
        say(&host, b'a', b"/bin/sleep\x00600\0").unwrap();
        drop(host);
        // That it cannot tell how the program has ended is an error, or goes unheard.
        let _ = served.join().unwrap();
    }
}
