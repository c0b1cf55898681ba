//! `exec`: runs a program in a running machine as an activity, with its input and output here.
//!
//! The machine's monitor has the kernel begin `/vortex/exec` in that activity; that connects to
//! this command, which tells it the program. So what the program says and hears passes nobody
//! else's process, and is on its activity's bill. The messages are the runner's own file
//! (`services/exec`): so they are the same on both sides.

#[path = "../../../services/exec/src/frame.rs"]
mod frame;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use self::frame::{AHEAD, LONGEST, PIECE, hear, say};
use super::set::refused;
use crate::args::Exec;
use crate::failure::Failure;
use crate::home;
use crate::running::{self, Secret};
use crate::watch::Monitor;

/// In which the process is there: an activity of a small share on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// In which who connects has said who it is, and how often it is looked.
const TOKEN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// So many are heard at once; others wait to be accepted.
const CANDIDATES: usize = 64;
/// As a shell has it for a program that SIGPIPE ends.
const UNREAD: u8 = 141;

/// Runs it to its end; its exit code is this command's.
pub fn run(arguments: &Exec) -> Result<ExitCode, Failure> {
    let words: Vec<u8> =
        arguments.program.iter().flat_map(|word| word.bytes().chain([0])).collect();
    if words.len() > LONGEST {
        return Err(Failure::LongProgram { bytes: words.len(), most: LONGEST });
    }
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let secret = found.secret()?;
    let token = Secret::new().map_err(Failure::NoChance)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::NoPort)?;
    let here = listener.local_addr().map_err(Failure::NoPort)?.port();
    let fields = [
        ("activity", arguments.activity.as_bytes()),
        ("host", &*format!("{}:{here}", found.about.host).into_bytes()),
        ("token", token.text().as_bytes()),
    ];
    Monitor::at(port).order("/exec", &secret, &fields).map_err(refused)?;
    let lost = |error: io::Error| Failure::ExecLost(error.to_string());
    let mut program = wait(&listener, &token).map_err(lost)?.ok_or(Failure::NotBegun(PATIENCE))?;
    // Who comes later, because the order was given twice, finds nobody.
    drop(listener);
    say(&mut program, b'a', &words).map_err(lost)?;
    let input = program.try_clone().map_err(lost)?;
    let (took, taken) = mpsc::channel();
    thread::spawn(move || feed(&mut io::stdin(), input, &taken));
    let code = attend(&mut program, &took, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(code))
}

/// Who has connected, and what it has said of the token.
struct Candidate {
    stream: TcpStream,
    since: Instant,
    said: Vec<u8>,
}

/// What is known of who has connected.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    NotYet,
    Right,
    Wrong,
}

impl Candidate {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, since: Instant::now(), said: Vec::new() })
    }

    /// Hears what there is of the token, and nothing behind it.
    fn look(&mut self, token: &Secret, now: Instant) -> Known {
        let length = token.text().len() + 1;
        if now.saturating_duration_since(self.since) >= TOKEN {
            return Known::Wrong;
        }
        loop {
            let mut piece = vec![0; length - self.said.len()];
            match self.stream.read(&mut piece) {
                Ok(0) => return Known::Wrong,
                Ok(read) => self.said.extend(piece.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Known::NotYet,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Known::Wrong,
            }
            if self.said.len() == length {
                return match self.said.strip_suffix(b"\n") == Some(token.text().as_bytes()) {
                    true => Known::Right,
                    false => Known::Wrong,
                };
            }
        }
    }
}

/// Waits for the one that has the token. All are looked at together: who says nothing keeps
/// nobody waiting.
fn wait(listener: &TcpListener, token: &Secret) -> io::Result<Option<TcpStream>> {
    listener.set_nonblocking(true)?;
    let began = Instant::now();
    let mut candidates: Vec<Candidate> = Vec::new();
    while began.elapsed() < PATIENCE {
        while candidates.len() < CANDIDATES {
            match listener.accept() {
                Ok((stream, _)) => candidates.extend(Candidate::new(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Who has gone again is nobody's error.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        let now = Instant::now();
        for mut candidate in std::mem::take(&mut candidates) {
            match candidate.look(token, now) {
                Known::Right => {
                    candidate.stream.set_nonblocking(false)?;
                    candidate.stream.set_nodelay(true)?;
                    return Ok(Some(candidate.stream));
                }
                Known::NotYet => candidates.push(candidate),
                Known::Wrong => {}
            }
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}

/// Hands on what is typed here; its end, too. As much as may be on its way, and then more as it
/// is taken.
fn feed(from: &mut impl Read, mut program: impl Write, taken: &Receiver<()>) {
    let mut piece = [0; PIECE];
    let mut ahead = 0;
    loop {
        let length = match from.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        match ahead < AHEAD {
            true => ahead += 1,
            // One is on its way in the place of one that was taken.
            false if taken.recv().is_err() => return,
            false => {}
        }
        let bytes = piece.get(..length).unwrap_or_default();
        if say(&mut program, b'i', bytes).is_err() || length == 0 {
            return;
        }
    }
}

/// Shows what the program says, to its end: its exit code. Where nobody reads that any more, the
/// caller is to end the connection, and the program with it.
fn attend(
    program: &mut impl Read,
    took: &Sender<()>,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> Result<u8, Failure> {
    let lost = |error: io::Error| Failure::ExecLost(error.to_string());
    loop {
        let (kind, bytes) = hear(program).map_err(lost)?;
        let shown = match kind {
            b'o' => out.write_all(&bytes).and_then(|()| out.flush()),
            b'r' => errors.write_all(&bytes),
            b'w' => {
                // Whoever hands on what is typed may have come to its end.
                let _ = took.send(());
                Ok(())
            }
            b'x' => {
                let code = bytes.try_into().map_or(1, i32::from_le_bytes);
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            b'f' => {
                let why = String::from_utf8_lossy(&bytes).into_owned();
                return Err(Failure::ExecFailed(why));
            }
            _ => return Err(lost(ErrorKind::InvalidData.into())),
        };
        match shown {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(UNREAD),
            Err(error) => return Err(Failure::NotShown(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attended(messages: &[(u8, &[u8])]) -> (Result<u8, Failure>, Vec<u8>, Vec<u8>) {
        let mut all = Vec::new();
        for (kind, bytes) in messages {
            say(&mut all, *kind, bytes).unwrap();
        }
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        (attend(&mut &all[..], &mpsc::channel().0, &mut out, &mut errors), out, errors)
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

    #[test]
    fn who_says_nothing_keeps_nobody_waiting() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let token = Secret::new().unwrap();
        let silent: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut right = TcpStream::connect(address).unwrap();
        let text = format!("{}\n", token.text());
        let (first, rest) = text.as_bytes().split_at(5);
        right.write_all(first).unwrap();
        let (rest, mut later) = (rest.to_vec(), right.try_clone().unwrap());
        let slow = thread::spawn(move || {
            thread::sleep(10 * LOOK);
            later.write_all(&rest).unwrap();
        });
        let began = Instant::now();
        let found = wait(&listener, &token).unwrap().unwrap();
        assert_eq!(found.peer_addr().unwrap(), right.local_addr().unwrap());
        assert!(began.elapsed() < TOKEN, "{:?}", began.elapsed());
        slow.join().unwrap();
        drop(silent);
    }

    #[test]
    fn a_byte_now_and_then_does_not_keep_a_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let token = Secret::new().unwrap();
        let mut candidate = Candidate::new(listener.accept().unwrap().0).unwrap();
        let since = candidate.since;
        for byte in &token.text().as_bytes()[..3] {
            slow.write_all(&[*byte]).unwrap();
            assert_eq!(candidate.look(&token, since + TOKEN - LOOK), Known::NotYet);
        }
        slow.write_all(b"x").unwrap();
        assert_eq!(candidate.look(&token, since + TOKEN), Known::Wrong);
    }

    #[test]
    fn no_more_is_on_its_way_than_may_be() {
        let typed = vec![1; (AHEAD + 2) * PIECE];
        let (took, taken) = mpsc::channel();
        let mut said = Vec::new();
        took.send(()).unwrap();
        drop(took);
        feed(&mut &typed[..], &mut said, &taken);
        assert_eq!(said.len(), (AHEAD + 1) * (5 + PIECE));
        // With all that is taken, to its end.
        let (took, taken) = mpsc::channel();
        (0..3).for_each(|_| took.send(()).unwrap());
        said.clear();
        feed(&mut &typed[..], &mut said, &taken);
        assert_eq!(said.len(), (AHEAD + 2) * (5 + PIECE) + 5);
    }

    /// Takes nothing.
    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn output_that_is_not_shown_is_no_success() {
        let ended = (b'x', &0_i32.to_le_bytes()[..]);
        for kind in [b'o', b'r'] {
            let mut all = Vec::new();
            for (kind, bytes) in [(kind, &b"a"[..]), ended] {
                say(&mut all, kind, bytes).unwrap();
            }
            let shown = |why| {
                let (out, errors) = (&mut Closed(why), &mut Closed(why));
                attend(&mut &all[..], &mpsc::channel().0, out, errors)
            };
            assert_eq!(shown(ErrorKind::BrokenPipe).unwrap(), UNREAD);
            let full = shown(ErrorKind::StorageFull);
            assert!(matches!(full, Err(Failure::NotShown(_))), "{full:?}");
        }
    }
}
