//! What /proc tells of other processes, and of the machine.

use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{Pipe, plain};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say, sig};

crate::tests!("others":
    "a-child" => a_child,
    "a-zombie" => a_zombie,
    "a-stopped-one" => stopped,
    "listed" => listed,
    "tasks" => tasks,
    "folder" => folder,
    "opened-for-another" => opened_for_another,
    "limits" => limits,
    "signals" => signals,
    "machine" => machine,
    "settings" => settings,
);

fn text(path: &str) -> String {
    match file::get(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

fn value(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map(|rest| rest.trim_start_matches(':').trim().to_string()).unwrap_or_default()
}

/// The words of a `stat` behind the name, the state first.
fn stat(path: &str) -> Vec<String> {
    let line = text(path);
    let after = line.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    after.split_whitespace().map(String::from).collect()
}

/// A child that waits until the pipe is written to.
fn waiting() -> (i32, Pipe) {
    let pipe = plain();
    let child = proc::child(|| {
        let _ = fd::read_text(pipe.out, 1);
        7
    });
    (child, pipe)
}

fn end(child: i32, pipe: &Pipe) {
    worked("go", fd::write(pipe.into, b"x"));
    say!("{}", proc::wait(child));
}

fn a_child() {
    let (child, pipe) = waiting();
    let of = |name: &str| format!("/proc/{child}/{name}");
    proc::until(|| stat(&of("stat")).first().is_some_and(|state| state == "S"));
    let status = text(&of("status"));
    say!("pid {}", value(&status, "Pid") == child.to_string());
    say!("parent {}", value(&status, "PPid") == proc::pid().to_string());
    say!("state {}", value(&status, "State"));
    say!("threads {}", value(&status, "Threads"));
    say!("name {:?}", text(&of("comm")));
    say!("same arguments {}", text(&of("cmdline")) == text("/proc/self/cmdline"));
    let words = stat(&of("stat"));
    say!("group {}", words.get(2) == stat("/proc/self/stat").get(2));
    say!("size {}", words.get(20).and_then(|size| size.parse::<u64>().ok()) > Some(0));
    say!("resident {}", words.get(21).and_then(|size| size.parse::<u64>().ok()) > Some(0));
    let program = file::readlink(&of("exe"), 4096);
    say!("same program {}", program == file::readlink("/proc/self/exe", 4096));
    say!("its maps {}", text(&of("maps")).contains("[stack]"));
    let link = file::readlink(&of(&format!("fd/{}", pipe.out)), 64);
    say!("its pipe {}", link.is_ok_and(|link| link.starts_with("pipe:[")));
    seen("no such descriptor", file::readlink(&of("fd/99"), 64));
    end(child, &pipe);
    seen("then", file::open(&of("stat"), libc::O_RDONLY).map(|_| "there"));
}

fn a_zombie() {
    let child = proc::child(|| 3);
    let path = format!("/proc/{child}/stat");
    proc::until(|| stat(&path).first().is_some_and(|state| state == "Z"));
    say!("state {}", value(&text(&format!("/proc/{child}/status")), "State"));
    say!("arguments {:?}", text(&format!("/proc/{child}/cmdline")));
    say!("{}", proc::wait(child));
    seen("then", file::open(&path, libc::O_RDONLY).map(|_| "there"));
}

fn stopped() {
    let (child, pipe) = waiting();
    worked("stop", sig::kill(child, libc::SIGSTOP));
    let path = format!("/proc/{child}/stat");
    proc::until(|| stat(&path).first().is_some_and(|state| state == "T"));
    worked("go on", sig::kill(child, libc::SIGCONT));
    end(child, &pipe);
}

fn names(path: &str) -> Vec<String> {
    let folder = file::open(path, libc::O_RDONLY | libc::O_DIRECTORY).unwrap_or(-1);
    let mut all = Vec::new();
    while let Ok(some) = file::entries(folder, 4096) {
        if some.is_empty() {
            break;
        }
        all.extend(some.into_iter().map(|(name, _)| name));
    }
    let _ = fd::close(folder);
    all
}

fn listed() {
    let (child, pipe) = waiting();
    let all = names("/proc");
    say!("the child {}", all.contains(&child.to_string()));
    say!("oneself {}", all.contains(&proc::pid().to_string()));
    for name in ["self", "thread-self", "meminfo", "stat", "uptime", "loadavg", "cpuinfo", "sys"] {
        say!("{name} {}", all.iter().any(|other| other == name));
    }
    let own = names(&format!("/proc/{child}"));
    for name in ["stat", "status", "cmdline", "comm", "maps", "fd", "exe", "cwd", "task"] {
        say!("{name} {}", own.iter().any(|other| other == name));
    }
    end(child, &pipe);
}

fn tasks() {
    let pipe = plain();
    let thread = std::thread::spawn(move || fd::read_text(pipe.out, 1));
    let mut all: Vec<_> =
        names("/proc/self/task").into_iter().filter(|name| !name.starts_with('.')).collect();
    all.sort();
    say!("two {}", all.len() == 2 && all.contains(&proc::pid().to_string()));
    for tid in &all {
        let status = text(&format!("/proc/self/task/{tid}/status"));
        say!("{}", value(&status, "Pid") == *tid && value(&status, "Threads") == "2");
    }
    let link = file::readlink("/proc/thread-self", 64);
    let wanted = format!("{0}/task/{0}", proc::pid());
    say!("one's own {}", link.is_ok_and(|link| link == wanted));
    worked("go", fd::write(pipe.into, b"x"));
    let _ = thread.join();
    seen("no such task", file::open("/proc/self/task/4194303/stat", libc::O_RDONLY));
}

fn folder() {
    let temp = Temp::new("others");
    let (child, pipe) = waiting();
    let link = file::readlink(&format!("/proc/{child}/cwd"), 4096);
    seen("where it is", link.map(|path| temp.hide(&path)));
    worked("make", file::put("a", b"in it"));
    say!("by way of it {:?}", text(&format!("/proc/{child}/cwd/a")));
    end(child, &pipe);
}

/// `self` is who opens, whoever reads.
fn opened_for_another() {
    let file = file::open("/proc/self/stat", libc::O_RDONLY).unwrap_or(-1);
    let own = proc::pid();
    say!(
        "{}",
        proc::outcome(|| {
            let line = fd::read_text(file, 64).unwrap_or_default();
            say!("the opener's {}", line.starts_with(&format!("{own} (")));
            0
        })
    );
}

fn limits() {
    worked("set", proc::set_limit(libc::RLIMIT_NOFILE, 50, 60));
    let text = text("/proc/self/limits");
    let words = |name: &str| value(&text, name).split_whitespace().collect::<Vec<_>>().join(" ");
    say!("{}", words("Max open files"));
    say!("{}", words("Max core file size"));
}

fn signals() {
    sig::block(&[libc::SIGUSR1]);
    worked("handle", sig::handle(libc::SIGUSR2, sig::NOTE, 0, &[]));
    worked("ignore", sig::ignore(libc::SIGTERM));
    worked("raise", sig::raise(libc::SIGUSR1));
    let status = text("/proc/self/status");
    let bits = |name| u64::from_str_radix(&value(&status, name), 16).unwrap_or(0);
    say!("blocked {}", sig::names(bits("SigBlk")));
    say!("waiting {}", sig::names(bits("SigPnd") | bits("ShdPnd")));
    say!("ignored {}", bits("SigIgn") >> (libc::SIGTERM - 1) & 1);
    say!("caught {}", bits("SigCgt") >> (libc::SIGUSR2 - 1) & 1);
}

fn machine() {
    let memory = text("/proc/meminfo");
    let kilobytes = |name| {
        let value = value(&memory, name);
        value.trim_end_matches(" kB").parse::<u64>().unwrap_or(0)
    };
    say!("memory {}", kilobytes("MemTotal") > kilobytes("MemFree") && kilobytes("MemFree") > 0);
    let uptime = text("/proc/uptime");
    let words: Vec<f64> = uptime.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    say!("uptime {}", words.len() == 2 && words[0] > 0.0);
    say!("load {}", text("/proc/loadavg").split_whitespace().count());
    let stat = text("/proc/stat");
    say!("cores {}", stat.lines().any(|line| line.starts_with("cpu0 ")));
    say!("sum {}", stat.lines().next().is_some_and(|line| line.starts_with("cpu  ")));
    say!("btime {}", value(&stat, "btime ").parse::<u64>().is_ok_and(|time| time > 1_600_000_000));
    say!("processors {}", text("/proc/cpuinfo").contains("processor\t: 0"));
    say!("version {}", text("/proc/version").starts_with("Linux version "));
    say!("file systems {}", text("/proc/filesystems").contains("nodev\tproc"));
    say!("mounts {}", text("/proc/mounts").lines().any(|line| line.contains(" /proc proc ")));
}

fn settings() {
    say!("{:?}", text("/proc/sys/kernel/ostype"));
    say!("{}", text("/proc/sys/kernel/pid_max").trim().parse::<u32>().is_ok());
    say!("{}", names("/proc/sys").contains(&"kernel".to_string()));
    seen("none", file::open("/proc/sys/none", libc::O_RDONLY));
}
