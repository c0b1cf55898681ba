//! The first process where the machine's kernel is Linux, so that the same programs run
//! there. It makes the surroundings that Vortex's kernel gives by itself, says on the
//! console what this Linux is, runs the commands that `/init.list` names, one a line, its
//! words apart by tabs, and switches the machine off.

use vortex_guest::{Res, fd, file, inet, out, proc, say, sys, sys::c, time};

/// Modules to be loaded, and disks to be waited for, a path each.
const MODULES: &str = "/init.modules";
/// What is to be run.
const LIST: &str = "/init.list";
/// How long a disk may take to be found.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
/// As on Vortex.
const ENVIRONMENT: &[&str] = &["HOME=/tmp", "PATH=/bin:/usr/bin"];
/// What Linux says of the processor's flaws, and of what it does about each.
const FLAWS: &str = "/sys/devices/system/cpu/vulnerabilities";

fn main() {
    mount("proc", "/proc");
    tell();
    if let Err(error) = inet::up() {
        say!("init: 127.0.0.1: {error}");
    }
    disks();
    match file::get(LIST) {
        Ok(text) => String::from_utf8_lossy(&text).lines().for_each(run),
        Err(error) => say!("init: {LIST}: {error}"),
    }
    off()
}

/// Mounts one of the kernel's own file systems.
fn mount(kind: &str, place: &str) {
    let (kind, at) = (c(kind), c(place));
    // SAFETY: the kernel reads the three texts; no further data is given.
    let done = unsafe { sys!(libc::SYS_mount, kind.as_ptr(), at.as_ptr(), kind.as_ptr(), 0, 0) };
    if let Err(error) = done {
        say!("init: {place}: {error}");
    }
}

/// Says what this Linux is: lines `init: WHAT VALUE`.
fn tell() {
    for (what, path) in
        [("release", "/proc/sys/kernel/osrelease"), ("command-line", "/proc/cmdline")]
    {
        say!("init: {what} {}", text(path));
    }
    mount("sysfs", "/sys");
    let flaws = std::fs::read_dir(FLAWS).into_iter().flatten().flatten();
    let mut flaws: Vec<_> = flaws.map(|entry| entry.file_name()).collect();
    flaws.sort();
    for flaw in flaws.iter().filter_map(|name| name.to_str()) {
        say!("init: flaw {flaw} {}", text(&format!("{FLAWS}/{flaw}")));
    }
}

/// Loads the modules, if there are any, and waits for the disks, whose nodes Linux makes.
fn disks() {
    let Ok(list) = file::get(MODULES) else { return };
    mount("devtmpfs", "/dev");
    for path in String::from_utf8_lossy(&list).lines() {
        if path.starts_with("/dev/") {
            let begin = time::now();
            while file::stat(path).is_err() && time::now() - begin < PATIENCE {
                time::pause(std::time::Duration::from_millis(10));
            }
        } else if let Err(error) = load(path) {
            say!("init: {path}: {error}");
        }
    }
    if let Err(error) = in_order() {
        say!("init: /dev: {error}");
    }
}

/// Has the disks' names go by their targets, as on Vortex: Linux looks at several disks at once,
/// and names first which answers first.
fn in_order() -> std::io::Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/sys/block")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let device = std::fs::read_link(format!("/sys/block/{name}/device"));
        let Some(device) = device.ok().filter(|_| name.starts_with("sd")) else { continue };
        // Host, channel, target and unit, by colons.
        let place = device.file_name().map(|place| place.to_string_lossy().into_owned());
        let target = place.and_then(|place| place.split(':').nth(2)?.parse::<u8>().ok());
        found.extend(target.map(|target| (target, name)));
    }
    found.sort();
    for (target, name) in &found {
        std::fs::rename(format!("/dev/{name}"), format!("/dev/target-{target}"))?;
    }
    for ((target, _), letter) in found.iter().zip('a'..='z') {
        std::fs::rename(format!("/dev/target-{target}"), format!("/dev/sd{letter}"))?;
    }
    Ok(())
}

fn load(path: &str) -> Res {
    let (module, none) = (file::open(path, libc::O_RDONLY)?, c(""));
    // SAFETY: the kernel reads the text, which has no words.
    let loaded = unsafe { sys!(libc::SYS_finit_module, module, none.as_ptr(), 0) };
    fd::close(module)?;
    loaded
}

fn text(path: &str) -> String {
    match file::get(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_string(),
        Err(error) => error.to_string(),
    }
}

/// Runs a command to its end. What it leaves behind is awaited too, as far as it ends.
fn run(line: &str) {
    let words: Vec<&str> = line.split('\t').collect();
    let Some(program) = words.first() else { return };
    let child = proc::child(|| {
        let error = proc::exec(program, &words, ENVIRONMENT);
        out::put(2, &format!("init: {program}: {error}\n"));
        127
    });
    loop {
        match proc::wait_for(-1, 0) {
            Ok((who, _)) if who != child => {}
            Err(error) if error.0 == libc::EINTR => {}
            _ => return,
        }
    }
}

/// Switches the machine off; there is nothing to write back.
fn off() -> ! {
    loop {
        // SAFETY: no memory is named.
        let _ = unsafe {
            sys!(
                libc::SYS_reboot,
                libc::LINUX_REBOOT_MAGIC1,
                libc::LINUX_REBOOT_MAGIC2,
                libc::LINUX_REBOOT_CMD_POWER_OFF,
                0
            )
        };
        time::pause(std::time::Duration::from_secs(1));
    }
}
