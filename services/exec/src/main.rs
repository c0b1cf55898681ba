//! Runs a program for `./vortex exec`: `exec 10.0.2.2:PORT`, begun in the program's activity.
//!
//! It connects to the command on the host, says the token that its environment has
//! (`VORTEX_TOKEN`), so that the command knows it from whoever else may connect, and is told the
//! program. What that says, and how it ends, goes to the host as it comes, and what is typed
//! there comes here: all of it by this process and its child, on their activity's bill.
//!
//! The messages are in `frame.rs`.
//!
//! Where the host ends the connection, the program is killed, with all of its process group.

mod frame;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use frame::{AHEAD, PIECE, hear};
use vortex_guest::{pipe, sig};

const USAGE: &str = "usage: VORTEX_TOKEN=TOKEN exec ADDRESS:PORT";
const TOKEN: &str = "VORTEX_TOKEN";
/// What the program finds in its environment.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")];
/// For so many milliseconds nothing comes of its outputs any more when it has ended, before they
/// are given up: a process that it left behind may hold them for ever.
const REST: i32 = 1_000;

/// The connection, for whoever has something to say.
type Host = Arc<Mutex<TcpStream>>;

/// Says something in one message.
fn say(host: &Host, kind: u8, bytes: &[u8]) -> io::Result<()> {
    frame::say(&mut *host.lock().unwrap_or_else(PoisonError::into_inner), kind, bytes)
}

/// The program and what it begins.
struct Group {
    leader: u32,
    /// It has ended, and the host is told: what it left behind may stay.
    over: AtomicBool,
}

impl Group {
    /// Nobody waits for it any more. The leader may have ended: its number is not given to
    /// another group while there is somebody in this one.
    fn kill(&self) {
        if let (false, Ok(leader)) = (self.over.load(Ordering::SeqCst), i32::try_from(self.leader))
        {
            let _ = sig::kill(-leader, libc::SIGKILL);
        }
    }
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

/// What the program says, and as which message the host is told.
struct Output {
    from: File,
    kind: u8,
}

/// Passes on what comes, until the end of all outputs and of the program, which is the end of
/// `ends`. After that they are given up where nothing has come for [`REST`]; how long it takes to
/// say something does not count.
fn pass(
    mut outputs: Vec<Output>,
    ends: &PipeReader,
    say: &mut dyn FnMut(u8, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = [0; PIECE];
    let mut ended = false;
    while !ended || !outputs.is_empty() {
        let mut entries: Vec<_> = outputs
            .iter()
            .map(|output| pipe::entry(output.from.as_raw_fd(), libc::POLLIN))
            .collect();
        if !ended {
            entries.push(pipe::entry(ends.as_raw_fd(), libc::POLLIN));
        }
        match pipe::poll(&mut entries, if ended { REST } else { -1 }) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.0 == libc::EINTR => continue,
            Err(error) => return Err(io::Error::from_raw_os_error(error.0)),
        }
        let mut ready = entries.iter().map(|entry| entry.revents != 0);
        let mut open = Vec::new();
        for mut output in outputs {
            if ready.next() != Some(true) {
                open.push(output);
                continue;
            }
            match output.from.read(&mut piece) {
                Ok(length @ 1..) => say(output.kind, piece.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => continue,
            }
            open.push(output);
        }
        outputs = open;
        ended |= ready.next() == Some(true);
    }
    Ok(())
}

/// Hears what is typed, to the connection's end. It does not wait for the program to take it: so
/// that end is seen, whatever the program does.
fn listen(mut host: TcpStream, typed: &SyncSender<Vec<u8>>) {
    while let Ok((kind, bytes)) = hear(&mut host) {
        // More than may be on its way says nobody who knows the messages.
        if kind == b'i' && matches!(typed.try_send(bytes), Err(TrySendError::Full(_))) {
            return;
        }
    }
}

/// Hands on what is typed.
fn feed(input: ChildStdin, typed: &Receiver<Vec<u8>>, host: &Host) {
    let mut input = Some(input);
    while let Ok(bytes) = typed.recv() {
        // Its end, or nobody reads it any more: what follows is not wanted.
        if bytes.is_empty() || input.as_mut().is_none_or(|to| to.write_all(&bytes).is_err()) {
            input = None;
        }
        if say(host, b'w', &[]).is_err() {
            return;
        }
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
    command.process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&host, b'f', error.to_string().as_bytes())?;
            return Ok(ExitCode::from(127));
        }
    };
    let group = Arc::new(Group { leader: child.id(), over: AtomicBool::new(false) });
    let told = attend(child, reader, &host, &group).and_then(|status| {
        group.over.store(true, Ordering::SeqCst);
        say(&host, b'x', &code(status).to_le_bytes())
    });
    if told.is_err() {
        group.kill();
    }
    told.map(|()| ExitCode::SUCCESS)
}

/// Passes on what it says and hears, to its end.
fn attend(
    mut child: Child,
    reader: TcpStream,
    host: &Host,
    group: &Arc<Group>,
) -> io::Result<ExitStatus> {
    let out = child.stdout.take().map(|from| (OwnedFd::from(from), b'o'));
    let errors = child.stderr.take().map(|from| (OwnedFd::from(from), b'r'));
    let outputs = [out, errors].into_iter().flatten();
    let outputs = outputs.map(|(from, kind)| Output { from: from.into(), kind }).collect();
    if let Some(input) = child.stdin.take() {
        let (typed, to_type) = mpsc::sync_channel(AHEAD);
        let (host, group) = (host.clone(), group.clone());
        thread::Builder::new().spawn(move || feed(input, &to_type, &host))?;
        thread::Builder::new().spawn(move || {
            listen(reader, &typed);
            group.kill();
        })?;
    }
    let (ends, end) = io::pipe()?;
    let waiting = thread::Builder::new().spawn(move || {
        let status = child.wait();
        drop(end);
        status
    })?;
    pass(outputs, &ends, &mut |kind, bytes| say(host, kind, bytes))?;
    waiting.join().map_err(|_| io::Error::other("nobody waits for the program"))?
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
    use std::time::{Duration, Instant};

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
    fn what_is_left_is_passed_on_as_long_as_something_comes() {
        // Each comes in time after the one before, the last long after the program's end.
        let late = b"/bin/sh\0-c\0(for i in 1 2 3; do sleep 0.7; echo $i; done) & exit 3\0";
        let all = told(late, &[]);
        let out: Vec<u8> =
            all.iter().filter(|(of, _)| *of == b'o').flat_map(|m| m.1.clone()).collect();
        assert_eq!(out, b"1\n2\n3\n");
        assert_eq!(all.last(), Some(&(b'x', 3_i32.to_le_bytes().to_vec())));
        // Who holds an output and says nothing is not waited for.
        let began = Instant::now();
        let quiet = told(b"/bin/sh\0-c\0sleep 30 & exit 4\0", &[]);
        assert_eq!(quiet, [(b'x', 4_i32.to_le_bytes().to_vec())]);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn time_in_which_the_host_takes_nothing_does_not_count() {
        let (from, mut to) = io::pipe().unwrap();
        to.write_all(&[7; 4 * PIECE]).unwrap();
        drop(to);
        let (ends, end) = io::pipe().unwrap();
        drop(end);
        let mut passed = 0;
        let output = Output { from: OwnedFd::from(from).into(), kind: b'o' };
        pass(vec![output], &ends, &mut |_, bytes| {
            if passed == 0 {
                thread::sleep(Duration::from_millis(REST as u64 + 500));
            }
            passed += bytes.len();
            Ok(())
        })
        .unwrap();
        assert_eq!(passed, 4 * PIECE);
    }

    /// A connection to who serves it, and what comes of that.
    fn served() -> (TcpStream, Receiver<io::Result<ExitCode>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (done, result) = mpsc::channel();
        thread::spawn(move || done.send(serve(TcpStream::connect(address).unwrap())));
        (listener.accept().unwrap().0, result)
    }

    #[test]
    fn a_program_that_nobody_waits_for_ends() {
        let patience = Duration::from_secs(20);
        let (mut host, result) = served();
        frame::say(&mut host, b'a', b"/bin/sleep\x00600\0").unwrap();
        // It takes none of it.
        for _ in 0..AHEAD {
            frame::say(&mut host, b'i', &[0; 64 << 10]).unwrap();
        }
        // All that it hears of it stands still by then.
        thread::sleep(Duration::from_millis(300));
        drop(host);
        // That it cannot tell how the program has ended is an error, or goes unheard.
        let _ = result.recv_timeout(patience).expect("it still waits for the program");
    }

    /// Whether a process is there, and has not ended.
    fn runs(process: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{process}/stat"));
        status.is_ok_and(|text| text.rsplit(')').next().is_some_and(|s| !s.starts_with(" Z")))
    }

    #[test]
    fn what_the_program_has_begun_ends_with_it() {
        for script in ["sleep 600 & echo $!; wait", "sleep 600 & echo $!; exec sleep 600"] {
            let (mut host, result) = served();
            let words = ["/bin/sh", "-c", script].map(|word| format!("{word}\0")).concat();
            frame::say(&mut host, b'a', words.as_bytes()).unwrap();
            let (kind, said) = hear(&mut host).unwrap();
            assert_eq!(kind, b'o');
            let process = String::from_utf8(said).unwrap().trim().to_owned();
            assert!(runs(&process));
            drop(host);
            let _ = result.recv_timeout(Duration::from_secs(20)).expect("it still waits");
            let began = Instant::now();
            while runs(&process) {
                assert!(began.elapsed() < Duration::from_secs(20), "{script}: it runs on");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn what_a_leader_that_has_ended_has_begun_ends_or_stays() {
        let mut leader = Command::new("/bin/sh");
        leader.args(["-c", "sleep 600 & echo $!"]).process_group(0).stdout(Stdio::piped());
        let mut leader = leader.spawn().unwrap();
        let mut said = [0; 16];
        let length = leader.stdout.take().unwrap().read(&mut said).unwrap();
        let process = String::from_utf8_lossy(&said[..length]).trim().to_owned();
        leader.wait().unwrap();
        let group = Group { leader: leader.id(), over: AtomicBool::new(true) };
        group.kill();
        thread::sleep(Duration::from_millis(50));
        assert!(runs(&process), "the host was told that the program has ended");
        group.over.store(false, Ordering::SeqCst);
        group.kill();
        let began = Instant::now();
        while runs(&process) {
            assert!(began.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(10));
        }
    }
}
