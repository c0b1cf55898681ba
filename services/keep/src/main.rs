//! Runs a service, and begins it again when it has ended (`restart` in a configuration):
//! `keep --restart always --name web -- /bin/busybox httpd -f`.
//!
//! What the service says, on its standard output and error, comes a line at a time with its
//! name before it, and so does how it ended: whoever reads the machine's console knows whose
//! line is whose. It waits before it begins the service again, longer from time to time as
//! long as the service does not last, so that one that cannot run costs little. All of it
//! is done by a process of the service's own activity.

use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str =
    "usage: keep --restart never|on-failure|always --name NAME -- PROGRAM ARGUMENTS…";
/// How long it waits at first, and at most.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(30);
/// A service that has run so long has lasted.
const LASTED: Duration = Duration::from_secs(30);
/// How long what a service said last may take to be passed on. A process that it left behind
/// may hold its output for ever.
const REST: Duration = Duration::from_secs(1);
/// A longer line is cut into lines of this length.
const LINE: usize = 1024;

/// When a service is begun again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Again {
    Never,
    OnFailure,
    Always,
}

#[derive(Debug, PartialEq, Eq)]
struct Order {
    again: Again,
    name: String,
    program: Vec<String>,
}

/// What the arguments say; nothing where they say it wrongly.
fn order(words: &[String]) -> Option<Order> {
    let (restart, again, name, label, dashes, program) = match words {
        [a, b, c, d, e, program @ ..] => (a, b, c, d, e, program),
        _ => return None,
    };
    let right = restart == "--restart" && name == "--name" && dashes == "--";
    let again = match again.as_str() {
        "never" => Again::Never,
        "on-failure" => Again::OnFailure,
        "always" => Again::Always,
        _ => return None,
    };
    (right && !program.is_empty()).then(|| Order {
        again,
        name: label.clone(),
        program: program.to_vec(),
    })
}

/// A line on the console, in one write.
fn say(name: &str, text: &[u8]) {
    let line = [b"[", name.as_bytes(), b"] ", text, b"\n"].concat();
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

/// Passes on what the service says, until nobody can say anything more.
fn pass(name: &str, from: PipeReader) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let (end, used) = match from.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(bytes) => match bytes.iter().position(|byte| *byte == b'\n') {
                Some(place) => {
                    line.extend(&bytes[..place]);
                    (true, place + 1)
                }
                None => {
                    line.extend(bytes);
                    (false, bytes.len())
                }
            },
        };
        from.consume(used);
        while end && !line.is_empty() || line.len() >= LINE {
            let rest = line.split_off(line.len().min(LINE));
            say(name, line.trim_ascii_end());
            line = rest;
        }
    }
    if !line.is_empty() {
        say(name, &line);
    }
}

/// Runs the service once, to its end. What it said has been passed on then.
fn once(order: &Order) -> io::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    let name = order.name.clone();
    let (passed, all) = mpsc::channel();
    thread::spawn(move || {
        pass(&name, reader);
        // Who waited for it may have gone on.
        let _ = passed.send(());
    });
    let [program, arguments @ ..] = &order.program[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command.args(arguments).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // Its ends of the pipe are the child's alone now.
    drop(command);
    let status = child.wait()?;
    // Before its ending is told, or this process ends with what was not passed on yet.
    let _ = all.recv_timeout(REST);
    Ok(status)
}

/// How long to wait after a service that ran this long, having waited this long before.
fn pause(before: Duration, ran: Duration) -> Duration {
    if ran >= LASTED { FIRST } else { (before * 2).min(LAST) }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (_, Some(signal)) => format!("ended by signal {signal}"),
        _ => "ended".into(),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(order) = order(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut wait = FIRST / 2;
    loop {
        let began = Instant::now();
        let (what, good, code) = match once(&order) {
            Ok(status) => (ending(status), status.success(), status.code()),
            Err(error) => (format!("cannot be started: {error}"), false, Some(127)),
        };
        let again = match order.again {
            Again::Never => false,
            Again::OnFailure => !good,
            Again::Always => true,
        };
        if !again {
            say(&order.name, what.as_bytes());
            let code = code.and_then(|code| u8::try_from(code).ok());
            return ExitCode::from(code.unwrap_or(1));
        }
        wait = pause(wait, began.elapsed());
        say(&order.name, format!("{what}; again in {} ms", wait.as_millis()).as_bytes());
        thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(String::from).collect()
    }

    #[test]
    fn the_order_is_read_or_refused() {
        let read = order(&words("--restart on-failure --name web -- /bin/x -f"));
        let wanted = Order {
            again: Again::OnFailure,
            name: "web".into(),
            program: vec!["/bin/x".into(), "-f".into()],
        };
        assert_eq!(read, Some(wanted));
        for wrong in ["", "--restart always --name web --", "--restart x --name web -- /bin/x"] {
            assert_eq!(order(&words(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn who_leaves_others_at_its_output_is_not_waited_for() {
        let line = "--restart never --name x -- /bin/sh -c";
        let order =
            order(&words(line).into_iter().chain(["sleep 20 &".into()]).collect::<Vec<_>>());
        let began = Instant::now();
        assert!(once(&order.unwrap()).unwrap().success());
        let took = began.elapsed();
        assert!(took >= REST && took < REST * 10, "{took:?}");
    }

    #[test]
    fn who_does_not_last_is_waited_for_longer() {
        let short = Duration::from_millis(5);
        let mut waits = vec![FIRST / 2];
        for _ in 0..12 {
            waits.push(pause(waits[waits.len() - 1], short));
        }
        assert_eq!(waits[1], FIRST);
        assert!(waits.is_sorted() && waits[12] == LAST);
        assert_eq!(pause(LAST, LASTED), FIRST);
    }
}
