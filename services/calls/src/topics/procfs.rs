//! What /proc tells a process about itself.

use vortex_guest::out::seen;
use vortex_guest::{file, proc, say};

crate::tests!("procfs":
    "program" => program,
    "maps" => maps,
    "status" => status,
    "stat" => stat,
    "missing" => missing,
);

fn program() {
    let path = file::readlink("/proc/self/exe", 4096);
    seen("base name", path.map(|path| path.rsplit('/').next().unwrap_or_default().to_string()));
}

fn lines(path: &str) -> Vec<String> {
    let bytes = file::get(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(String::from).collect()
}

fn maps() {
    let lines = lines("/proc/self/maps");
    say!("some {}", !lines.is_empty());
    say!("code {}", lines.iter().any(|line| line.contains(" r-xp ")));
    say!("a stack {}", lines.iter().any(|line| line.ends_with("[stack]")));
    let local = std::hint::black_box(0_u8);
    let here = &raw const local as u64;
    let within = |line: &String| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(number(start)? <= here && here < number(end)?)
    };
    say!("mine {}", lines.iter().filter(|line| within(line) == Some(true)).count());
}

fn status() {
    let lines = lines("/proc/self/status");
    let value = |name: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_start_matches(':').trim().to_string()).unwrap_or_default()
    };
    say!("name {}", value("Name"));
    say!("pid {}", value("Pid") == proc::pid().to_string());
    say!("parent {}", value("PPid") == proc::parent().to_string());
    say!("threads {}", value("Threads"));
}

fn stat() {
    let line = lines("/proc/self/stat").join("");
    let after = line.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    let words: Vec<_> = after.split_whitespace().collect();
    say!("pid {}", line.starts_with(&format!("{} (", proc::pid())));
    say!("state {}", words.first().unwrap_or(&""));
    say!("parent {}", words.get(1) == Some(&proc::parent().to_string().as_str()));
    say!("enough {}", words.len() >= 40);
}

fn missing() {
    seen("file", file::open("/proc/self/none", libc::O_RDONLY));
    seen("process", file::open("/proc/4194304/stat", libc::O_RDONLY));
}
