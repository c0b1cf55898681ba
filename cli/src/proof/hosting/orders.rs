//! Orders to the machine that is hosted: shares that are changed under load, and who is refused.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use vortex_abi::performance::Sample;

use super::{Hosting, said, until, vortex};
use crate::running::{Found, Secret};
use crate::watch::figures::between;
use crate::watch::{Monitor, Unheard};

/// What a site does that is asked for it: compute, longer than it is looked at.
pub const SPIN: &str = "#!/bin/sh\necho Content-type: text/plain\necho\n\
    timeout 40 sh -c 'while :; do :; done'\n";
/// Changes: the words after `set`, and what part the first is to have then of what the two
/// sites have. They begin at 108 and 72.
const CHANGES: [(&[&str], f64); 4] = [
    (&[], 108.0 / 180.0),
    (&["second", "cpu", "324"], 108.0 / 432.0),
    (&["first", "all", "972"], 972.0 / 1296.0),
    (&["second", "all", "972"], 972.0 / 1944.0),
];
/// What is changed of schedulers: the words after `set`, and how the answer begins.
const SCHEDULERS: [(&[&str], &str); 4] = [
    (&["cpu", "--policy", "propshare.stride"], "cpu: policy propshare.stride."),
    (&["tcp", "--policy", "reserve.mclock", "--param", "burst=8000"], "tcp: policy reserve.mclock"),
    (&["second", "tcp", "--limit", "90 %"], "second at tcp: limit 90 %."),
    (&["tcp", "--share", "150"], "tcp: share 150."),
];
/// What is refused then, with which code, and why: 1 for what what holds does not let be, 2 for what
/// cannot be an order.
const REFUSED: [(&[&str], i32, &str); 4] = [
    // By its way this order has come.
    (&["watch", "tcp", "--limit", "0.5 %"], 1, "By 'watch' orders come"),
    (&["infrastructure", "tcp", "--limit", "0.01 %"], 1, "By 'infrastructure' orders come"),
    (&["tcp", "--policy", "propshare.wfq"], 1, "'second' has a limit there"),
    (&["second", "tcp", "--limit", "90"], 2, "a part of the time"),
];
/// How far off that it may be, with whatever else runs on the host.
const WITHIN: f64 = 0.03;
/// How long each is looked at, and how long what was before may last.
const LOOK: Duration = Duration::from_secs(3);
const SETTLED: Duration = Duration::from_millis(500);

/// Has both sites compute, and changes their shares.
pub fn shares(found: &Found, sites: [u16; 2]) -> Result<String, String> {
    let name = found.about.process.to_string();
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let load = |site: u16| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60"]);
        curl.arg(format!("http://127.0.0.1:{site}/cgi-bin/spin"));
        curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        curl.spawn().map(Hosting).map_err(said)
    };
    let _load = [load(sites[0])?, load(sites[1])?];
    let mut monitor = Monitor::at(port);
    let mut farthest: f64 = 0.0;
    for (words, wanted) in CHANGES {
        if !words.is_empty() {
            let set = [&["set"], words, &["--machine", &name]].concat();
            let text = vortex(&set).map_err(|why| format!("{set:?}: {why}"))?;
            if !text.contains(&format!("{} has a share of {}", words[0], words[2])) {
                return Err(format!("'set' says:\n{text}"));
            }
        }
        thread::sleep(SETTLED);
        let first = sample(&mut monitor)?;
        thread::sleep(LOOK);
        let figures = between(Some(&first), &sample(&mut monitor)?);
        let (own, other) = (figures.cycles("first") as f64, figures.cycles("second") as f64);
        let (busy, part) = ((own + other) / figures.elapsed() as f64, own / (own + other));
        if busy < 0.5 {
            return Err(format!("the sites compute only {busy:.2} of the time"));
        }
        let off = (part - wanted).abs();
        farthest = farthest.max(off);
        if off > WITHIN {
            return Err(format!("after {words:?} the first has {part:.3}, not {wanted:.3}"));
        }
    }
    // Other policies, with the shares as they are.
    for (words, answer) in SCHEDULERS {
        let set = [&["set"], words, &["--machine", &name]].concat();
        let text = vortex(&set).map_err(|why| format!("{set:?}: {why}"))?;
        if !text.starts_with(answer) {
            return Err(format!("{words:?}: '{answer}' does not begin\n{text}"));
        }
    }
    for (words, code, why) in REFUSED {
        let (said, ended) = set(&name, words)?;
        if ended != Some(code) || !said.contains(why) {
            return Err(format!("{words:?} ends with {ended:?}, not {code}, and says: {said}"));
        }
    }
    // What holds is shown.
    let text = until(|| vortex(&["top", "--once", "--machine", &name]), "first ")?;
    for part in ["Set apart\n", " 90 % ", "Schedulers that are not as in the file\n", "mclock"] {
        if !text.contains(part) {
            return Err(format!("'{part}' is not in what 'top' says:\n{text}"));
        }
    }
    thread::sleep(SETTLED);
    let first = sample(&mut monitor)?;
    thread::sleep(LOOK);
    let figures = between(Some(&first), &sample(&mut monitor)?);
    let (own, other) = (figures.cycles("first") as f64, figures.cycles("second") as f64);
    let off = (own / (own + other) - 0.5).abs();
    farthest = farthest.max(off);
    if off > WITHIN {
        return Err(format!("with another policy the first is {off:.3} off its half"));
    }
    // Once may not do, on a machine that has much to do.
    let text = until(|| vortex(&["top", "--once", "--machine", &name]), "first ")?;
    // 972 each beside 120 of the others.
    match text
        .lines()
        .find(|line| line.trim_start().starts_with("first "))
        .is_some_and(|l| l.contains("47.1 %"))
    {
        true => Ok(format!(
            "3 shares and 2 policies set under load, {:.1} points off at most",
            100.0 * farthest
        )),
        false => Err(format!("'top' does not have the new shares:\n{text}")),
    }
}

/// What `set` says where it is refused, and with which code it ends.
fn set(name: &str, words: &[&str]) -> Result<(String, Option<i32>), String> {
    let this = std::env::current_exe().map_err(said)?;
    let mut command = Command::new(this);
    command.arg("set").args(words).args(["--machine", name]).stdin(Stdio::null());
    let output = command.output().map_err(said)?;
    Ok((String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code()))
}

/// What `exec` does: its output, its errors and its code.
fn exec(name: &str, words: &[&str], input: &str) -> Result<(String, String, Option<i32>), String> {
    let this = std::env::current_exe().map_err(said)?;
    let mut command = Command::new(this);
    command.args(["exec", "--machine", name]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(said)?;
    let mut to = child.stdin.take().ok_or("it has no input")?;
    to.write_all(input.as_bytes()).map_err(said)?;
    drop(to);
    let output = child.wait_with_output().map_err(said)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr), output.status.code()))
}

/// Ends a command whose program takes none of its input, and looks whether that ends too.
fn ended_with_the_command(name: &str) -> Result<(), String> {
    let this = std::env::current_exe().map_err(said)?;
    let mut command = Command::new(this);
    command.args(["exec", "--machine", name, "second", "--", "/bin/busybox", "sh", "-c"]);
    command.arg("sleep 600 & echo $!; wait");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Hosting(command.spawn().map_err(said)?);
    let (to, from) = (child.0.stdin.take(), child.0.stdout.take());
    let (mut to, mut from) = to.zip(from).ok_or("it has no input and output")?;
    thread::spawn(move || to.write_all(&[b'y'; 1 << 20]));
    let mut line = [0; 16];
    let length = from.read(&mut line).map_err(said)?;
    let process = String::from_utf8_lossy(line.get(..length).unwrap_or_default()).into_owned();
    let process: u32 = process.trim().parse().map_err(said)?;
    // Its input stands still by then.
    thread::sleep(SETTLED);
    child.0.kill().map_err(said)?;
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 {process} || exit 0; sleep 1; done; exit 1"
    );
    let sh = ["second", "--", "/bin/busybox", "sh", "-c", &*script];
    match exec(name, &sh, "")? {
        (_, _, Some(0)) => Ok(()),
        all => Err(format!("a program outlives the command: {all:?}")),
    }
}

/// Programs are run in activities, on their bills and within their limits.
pub fn programs(found: &Found) -> Result<String, String> {
    let name = found.about.process.to_string();
    let sh = |activity, script| [activity, "--", "/bin/busybox", "sh", "-c", script];
    let all =
        exec(&name, &sh("second", "read line; echo \"got $line\"; echo bad >&2; exit 7"), "it\n")?;
    if all != ("got it\n".into(), "bad\n".into(), Some(7)) {
        return Err(format!("output, errors and code of a program are {all:?}"));
    }
    // More of both than is on its way at once, and a word from who outlives the program.
    let script = "wc -c; head -c 200000 /dev/zero | tr '\\0' x; (sleep 0.5; echo late) & exit 3";
    let (out, errors, code) = exec(&name, &sh("second", script), &"y".repeat(300_000))?;
    let wanted = format!("300000\n{}late\n", "x".repeat(200_000));
    if out != wanted || code != Some(3) {
        let (length, end) = (out.len(), out.get(out.len().saturating_sub(40)..));
        return Err(format!(
            "of a program that says and hears much there are {length} bytes to {end:?}, {errors:?}, \
             {code:?}"
        ));
    }
    // A program that takes no input, and what it has begun, end with the command.
    ended_with_the_command(&name)?;
    let all = exec(&name, &["first", "--", "/bin/none"], "")?;
    if all.2 != Some(127) || !all.1.contains("cannot be started") {
        return Err(format!("of a program that is not there it says {all:?}"));
    }
    let all = exec(&name, &sh("nobody", "true"), "")?;
    if all.2 != Some(2) || !all.1.contains("there are infrastructure, first, second") {
        return Err(format!("of an activity that is not there it says {all:?}"));
    }
    // Its one process is the one that would begin the program.
    let all = exec(&name, &sh("small", "true"), "")?;
    if all.2 == Some(0) || !all.1.contains("cannot be started") {
        return Err(format!("beyond its activity's limit it says {all:?}"));
    }
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let mut monitor = Monitor::at(port);
    let before = sample(&mut monitor)?;
    let all = exec(&name, &sh("second", "timeout 4 sh -c 'while :; do :; done'"), "")?;
    let figures = between(Some(&before), &sample(&mut monitor)?);
    let part = figures.cycles("second") as f64 / figures.used() as f64;
    // Beside it the monitor has told figures, and nobody else had anything to do.
    match part > 0.7 && figures.cycles("second") > figures.elapsed() / 4 {
        true => Ok("programs run in activities, on their bills".into()),
        false => {
            Err(format!("of what a program used {part:.2} is on its activity's bill: {all:?}"))
        }
    }
}

/// A sample, from a machine that has much to do.
fn sample(monitor: &mut Monitor) -> Result<Sample, String> {
    let mut last = String::new();
    for _ in 0..5 {
        match monitor.sample() {
            Ok(sample) => return Ok(sample),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// Who has another secret, and what there is not.
pub fn refused(found: &Found) -> Result<(), String> {
    let name = found.about.process.to_string();
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let other = Secret::new().map_err(said)?;
    let fields: [(&str, &[u8]); 3] =
        [("activity", b"first"), ("resource", b"all"), ("share", b"1")];
    match Monitor::at(port).order("/set", &other, &fields) {
        Err(Unheard::Said(403, _)) => {}
        wrong => return Err(format!("with another secret the monitor says {wrong:?}")),
    }
    for (words, part) in [
        (&["nobody", "all", "5"][..], "there are infrastructure, first, second, watch, small"),
        (&["first", "nothing", "5"], "there are cpu, resource."),
        (&["first", "all", "0"], "a share from 0.01 to 1000000"),
        (&["first", "all", "--reservation", "5 %"], "reservation is of one place"),
        (&["first", "tcp", "--priority", "3"], "ignores 'priority'"),
        (&["cpu", "--policy", "priority.strict"], "charges through"),
        (&["first", "cpu", "--reservation", "5 %"], "ignores 'reservation'"),
        (&["nothing", "--policy", "fifo"], "there are cpu, "),
        (&["cpu"], "is not said"),
    ] {
        let set = [&["set"], words, &["--machine", &name]].concat();
        match vortex(&set) {
            Err(why) if why.contains(part) => {}
            other => return Err(format!("{words:?}: '{part}' is not in {other:?}")),
        }
    }
    Ok(())
}
