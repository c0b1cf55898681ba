//! `exec`: runs a program in a running machine as an activity, with its input and output here.
//!
//! The machine's monitor has the kernel begin `/vortex/exec` in that activity; that connects to
//! this command, which tells it the program. So what the program says and hears passes nobody
//! else's process, and is on its activity's bill. The messages are described there
//! (`services/exec`).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::set::refused;
use crate::args::Exec;
use crate::failure::Failure;
use crate::home;
use crate::machine::network::HOST;
use crate::running::{self, Secret};
use crate::watch::Monitor;

/// In which the process is there: an activity of a small share on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// In which who connects says who it is, and how often it is looked.
const TOKEN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// The longest message that is heard.
const LONGEST: usize = 1 << 20;
/// What is read of standard input at a time.
const PIECE: usize = 16 << 10;

/// Runs it to its end; its exit code is this command's.
pub fn run(arguments: &Exec) -> Result<ExitCode, Failure> {
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let secret = found.secret()?;
    let token = Secret::new().map_err(Failure::NoChance)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::NoPort)?;
    let here = listener.local_addr().map_err(Failure::NoPort)?.port();
    let fields = [
        ("activity", arguments.activity.as_bytes()),
        ("host", &*format!("{HOST}:{here}").into_bytes()),
        ("token", token.text().as_bytes()),
    ];
    Monitor::at(port).order("/exec", &secret, &fields).map_err(refused)?;
    let lost = |error: io::Error| Failure::ExecLost(error.to_string());
    let mut program = wait(&listener, &token).map_err(lost)?.ok_or(Failure::NotBegun(PATIENCE))?;
    // Who comes later, because the order was given twice, finds nobody.
    drop(listener);
    let words: Vec<u8> =
        arguments.program.iter().flat_map(|word| word.bytes().chain([0])).collect();
    say(&mut program, b'a', &words).map_err(lost)?;
    let input = program.try_clone().map_err(lost)?;
    thread::spawn(move || feed(input));
    let code = attend(&mut program, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(code))
}

/// Waits for the one that has the token.
fn wait(listener: &TcpListener, token: &Secret) -> io::Result<Option<TcpStream>> {
    listener.set_nonblocking(true)?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Some(stream) = known(stream, token) {
                    return Ok(Some(stream));
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The connection, if who has made it says the token.
fn known(mut stream: TcpStream, token: &Secret) -> Option<TcpStream> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(TOKEN)).ok()?;
    let mut said = vec![0; token.text().len() + 1];
    stream.read_exact(&mut said).ok()?;
    stream.set_read_timeout(None).ok()?;
    stream.set_nodelay(true).ok()?;
    (said.strip_suffix(b"\n")? == token.text().as_bytes()).then_some(stream)
}

fn say(to: &mut TcpStream, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
    to.write_all(&[&[kind], &length.to_le_bytes()[..], bytes].concat())
}

/// Hands on what is typed here; its end, too.
fn feed(mut program: TcpStream) {
    let mut piece = [0; PIECE];
    loop {
        let length = match io::stdin().read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let bytes = piece.get(..length).unwrap_or_default();
        if say(&mut program, b'i', bytes).is_err() || length == 0 {
            return;
        }
    }
}

/// Shows what the program says, to its end: its exit code.
fn attend(
    program: &mut impl Read,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> Result<u8, Failure> {
    let lost = |error: io::Error| Failure::ExecLost(error.to_string());
    loop {
        let mut head = [0; 5];
        program.read_exact(&mut head).map_err(lost)?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(lost(ErrorKind::InvalidData.into()));
        }
        let mut bytes = vec![0; length];
        program.read_exact(&mut bytes).map_err(lost)?;
        match kind {
            // Who reads it no more does not want the rest; the program ends as it will.
            b'o' => drop(out.write_all(&bytes).and_then(|()| out.flush())),
            b'r' => drop(errors.write_all(&bytes)),
            b'x' => {
                let code = bytes.try_into().map_or(1, i32::from_le_bytes);
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            b'f' => {
                let why = String::from_utf8_lossy(&bytes).into_owned();
                return Err(Failure::ExecFailed(why));
            }
            _ => return Err(lost(ErrorKind::InvalidData.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attended(messages: &[(u8, &[u8])]) -> (Result<u8, Failure>, Vec<u8>, Vec<u8>) {
        let mut all = Vec::new();
        for (kind, bytes) in messages {
            all.push(*kind);
            all.extend((bytes.len() as u32).to_le_bytes());
            all.extend(*bytes);
        }
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        (attend(&mut &all[..], &mut out, &mut errors), out, errors)
    }

    #[test]
    fn what_it_says_is_shown_and_its_code_told() {
        let ended = (b'x', &7_i32.to_le_bytes()[..]);
        let (code, out, errors) = attended(&[(b'o', b"a"), (b'r', b"b"), (b'o', b"c"), ended]);
        assert_eq!((code.unwrap(), &out[..], &errors[..]), (7, &b"ac"[..], &b"b"[..]));
        let failed = attended(&[(b'f', b"no such file")]).0;
        assert!(matches!(failed, Err(Failure::ExecFailed(why)) if why == "no such file"));
        // The machine has ended, or who is there is nobody's runner.
        for wrong in [&[(b'o', &b"a"[..])][..], &[(b'?', b"")], &[]] {
            assert!(matches!(attended(wrong).0, Err(Failure::ExecLost(_))));
        }
    }

    #[test]
    fn only_who_has_the_token_is_told_the_program() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (token, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        let connect = |said: String| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            stream
        };
        let mut wrong = connect(format!("{}\n", other.text()));
        let right = connect(format!("{}\nx", token.text()));
        let mut found = wait(&listener, &token).unwrap().unwrap();
        assert_eq!(found.peer_addr().unwrap(), right.local_addr().unwrap());
        let mut next = [0];
        found.read_exact(&mut next).unwrap();
        assert_eq!(&next, b"x", "nothing behind it is lost");
        assert_eq!(wrong.read(&mut next).unwrap(), 0);
    }
}
