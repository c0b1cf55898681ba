//! Who asks the servers: ApacheBench, on this host.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

/// Connections of each.
pub const TOGETHER: u32 = 16;
/// The page's name.
pub const PAGE: &str = "page";

/// What an ApacheBench says at its end.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Told {
    /// Pages that it got whole.
    pub complete: u64,
    /// Those that were not as the first, or did not come.
    pub failed: u64,
    /// Bytes that came.
    pub bytes: u64,
}

/// Waits until a server answers, or the machine has ended.
///
/// # Errors
/// In words.
pub fn wait(port: u16, ended: &AtomicBool) -> Result<(), String> {
    while !ended.load(Ordering::Relaxed) {
        if answers(port).unwrap_or(false) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
    }
    Err(format!("the machine ended before anybody answered at port {port}"))
}

fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("HEAD /{PAGE} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(head == *b"HTTP/1.0 200" || head == *b"HTTP/1.1 200")
}

/// Asks a server for its page for so many seconds, again and again.
///
/// # Errors
/// In words.
pub fn ask(port: u16, seconds: u32) -> Result<Told, String> {
    let together = TOGETHER.to_string();
    let page = format!("http://127.0.0.1:{port}/{PAGE}");
    let mut ab = Command::new("ab")
        .args(["-q", "-c", &together, "-n", "1000000", &page])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ab does not start (package apache2-utils): {error}"))?;
    thread::sleep(Duration::from_secs(seconds.into()));
    // Its own limit of time it looks at only when a page is whole. Interrupted, it says what it
    // has and ends with 1.
    let early = ab.try_wait().map_err(|error| error.to_string())?.is_some();
    let _ = kill_process(Pid::from_child(&ab), Signal::INT);
    let output = ab.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    if early {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ab ended with {}: {}", output.status, why.trim()));
    }
    read(&said).ok_or_else(|| format!("ab says something else:\n{said}"))
}

/// Sends datagrams of a few bytes to a port, this many a second for so many seconds.
///
/// # Errors
/// In words.
pub fn flood(port: u16, a_second: u32, seconds: u32) -> Result<(), String> {
    const TICKS: u32 = 100;
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let (begin, tick) = (Instant::now(), Duration::from_secs(1) / TICKS);
    for turn in 0..seconds * TICKS {
        for _ in 0..a_second / TICKS {
            // One that has no room is one less.
            let _ = socket.send_to(&[7; 18], ("127.0.0.1", port));
        }
        thread::sleep((tick * (turn + 1)).saturating_sub(begin.elapsed()));
    }
    Ok(())
}

fn read(said: &str) -> Option<Told> {
    let number = |name: &str| -> Option<u64> {
        let line = said.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Told {
        complete: number("Complete requests:")?,
        failed: number("Failed requests:")?,
        bytes: number("Total transferred:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apache_bench_says_is_read() {
        let said = "\
Server Port:            8080\n\
Concurrency Level:      16\n\
Time taken for tests:   11.363 seconds\n\
Complete requests:      60\n\
Failed requests:        2\n   (Connect: 0, Receive: 0, Length: 2, Exceptions: 0)\n\
Total transferred:      60011100 bytes\n\
HTML transferred:       60000000 bytes\n";
        let told = Told { complete: 60, failed: 2, bytes: 60_011_100 };
        assert_eq!(read(said), Some(told));
        assert_eq!(read("ab: nobody there"), None);
    }
}
