//! The part `network`, beside its own programs: Debian's redis-server and memcached in the
//! machine, unmodified, each an activity, and clients on this host.
//!
//! All that is set is read back and compared; Debian's own redis-benchmark says how fast. Then
//! both are told to end, and nothing is left on anybody's bill.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vortex_config::Network;

use super::network::free;
use crate::commands::stage::{Beside, Stage};
use crate::machine::network::{self, Published};

/// The servers, a shell to start them, and who asks the first.
const REDIS: &str = "/usr/bin/redis-server";
const MEMCACHED: &str = "/usr/bin/memcached";
const BUSYBOX: &str = "/bin/busybox";
const BENCHMARK: &str = "redis-benchmark";
/// Their ports in the machine.
const REDIS_PORT: u16 = 6_379;
const MEMCACHED_PORT: u16 = 11_211;
/// Keys that are set and read back, and how many requests go together.
const KEYS: usize = 2_000;
const TOGETHER: usize = 50;
/// What redis-benchmark does: requests of each kind, by so many connections.
const REQUESTS: &str = "2000";
const CONNECTIONS: &str = "8";
/// Where the machine is.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 76, 1);
const PLACE: Network =
    Network { address: Ipv4Addr::new(192, 168, 76, 9), bits: 24, gateway: Some(GATEWAY) };
/// In which the machine has ended, and in which its servers answer.
const LIMIT: Duration = Duration::from_secs(240);
const PATIENCE: Duration = Duration::from_secs(120);

type Answer<T> = Result<T, String>;

fn words<T>(answer: std::io::Result<T>) -> Answer<T> {
    answer.map_err(|error| error.to_string())
}

/// The first of what is needed that this host does not have.
pub fn absent() -> Option<&'static str> {
    [REDIS, MEMCACHED].into_iter().find(|server| !Path::new(server).exists())
}

fn configuration() -> String {
    // Where its card is the machine is told here, and by nobody else.
    let place = format!("address=\"{}/{}\" gateway=\"{}\"", PLACE.address, PLACE.bits, GATEWAY);
    let mut text = super::network::HEAD.replacen("<machine ", &format!("<machine {place} "), 1);
    text += "<activity name=\"redis\" share=\"50\"/>\n\
             <activity name=\"memcached\" share=\"50\"/>\n";
    let redis = format!(
        "exec {REDIS} --port {REDIS_PORT} --bind 0.0.0.0 --protected-mode no --save '' \
         --appendonly no --tcp-keepalive 60"
    );
    let memcached = format!("exec {MEMCACHED} -u root -A -p {MEMCACHED_PORT} -t 2 -m 32");
    for (activity, script) in [("redis", redis), ("memcached", memcached)] {
        let _ = writeln!(
            text,
            "<service activity=\"{activity}\"> <program> {BUSYBOX} </program> <argument> sh \
             </argument> <argument> -c </argument> <argument> {script} </argument> </service>"
        );
    }
    text + "</schedulerconfig>\n"
}

/// Runs the machine, and says what was seen.
pub fn run(stage: &Stage) -> Answer<String> {
    let published = [
        Published { datagrams: false, host: free(false)?, guest: REDIS_PORT },
        Published { datagrams: false, host: free(false)?, guest: MEMCACHED_PORT },
    ];
    let devices: Vec<_> = network::arguments_at(&published, Some(&PLACE))
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let host = [BUSYBOX, REDIS, MEMCACHED];
    // memcached looks for whom it is to be.
    let files: [(&str, &[u8]); 1] = [("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")];
    let beside = Beside { host: &host, devices: &devices, files: &files, ..Beside::default() };
    let [redis, memcached] = published.map(|published| published.host);
    let over = AtomicBool::new(false);
    let (console, seen) = thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let seen =
                ask_redis(redis, &over).and_then(|one| Ok((one, ask_memcached(memcached, &over)?)));
            // Whatever was seen: the machine is to end.
            let _ = Redis::connect(redis).and_then(|mut redis| redis.send(&["SHUTDOWN", "NOSAVE"]));
            let _ = connect(memcached).and_then(|mut to| words(to.write_all(b"shutdown\r\n")));
            seen
        });
        let console = stage.run_with(&configuration(), &[], LIMIT, beside);
        over.store(true, Ordering::Relaxed);
        (console, looks.join().unwrap_or_else(|_| Err("who looks at it has panicked".into())))
    });
    let console = console.map_err(|failure| failure.to_string())?;
    let (redis, memcached) = seen.map_err(|why| format!("{why}\n{console}"))?;
    let ends = [
        "memory: ledger whole",
        "objects: none left",
        "network: 0 packets on their way, 0 sockets left",
    ];
    let missing = ends.iter().find(|end| !console.lines().any(|line| line.trim() == **end));
    let bad = ["LOST", "LEFT", "WRONG", "cut off"].iter().any(|never| console.contains(never));
    match missing {
        Some(end) => Err(format!("nobody says '{end}'\n{console}")),
        None if bad => Err(console),
        None => Ok(format!("redis-server: {redis}; memcached: {memcached}")),
    }
}

fn connect(port: u16) -> Answer<TcpStream> {
    let stream = words(TcpStream::connect(("127.0.0.1", port)))?;
    words(stream.set_read_timeout(Some(Duration::from_secs(20))))?;
    words(stream.set_nodelay(true))?;
    Ok(stream)
}

/// Tries until somebody is there: QEMU takes connections before the machine does.
fn patiently<T>(over: &AtomicBool, mut attempt: impl FnMut() -> Answer<T>) -> Answer<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(_) if Instant::now() < until && !over.load(Ordering::Relaxed) => {
                thread::sleep(Duration::from_millis(500));
            }
            done => return done,
        }
    }
}

fn key(number: usize) -> String {
    format!("key:{number}")
}

/// The value of a key: of lengths up to some kibibytes.
fn value(number: usize) -> String {
    let length = 1 + number * 37 % 300 + if number.is_multiple_of(100) { 9_000 } else { 0 };
    (0..length).map(|at| char::from(b'a' + ((at * 7 + number) % 26) as u8)).collect()
}

/// Redis, as its protocol has it.
struct Redis(BufReader<TcpStream>);

impl Redis {
    fn connect(port: u16) -> Answer<Self> {
        connect(port).map(BufReader::new).map(Self)
    }

    fn send(&mut self, command: &[&str]) -> Answer<()> {
        let mut text = format!("*{}\r\n", command.len());
        for word in command {
            let _ = write!(text, "${}\r\n{word}\r\n", word.len());
        }
        words(self.0.get_mut().write_all(text.as_bytes()))
    }

    /// An answer: a line, or what a line says the length of.
    fn answer(&mut self) -> Answer<String> {
        let mut line = String::new();
        words(self.0.read_line(&mut line))?;
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$') else { return Ok(line.into()) };
        let length: usize = length.parse().map_err(|_| format!("redis: '{line}'"))?;
        let mut bytes = vec![0; length + 2];
        words(self.0.read_exact(&mut bytes))?;
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    fn ask(&mut self, command: &[&str]) -> Answer<String> {
        self.send(command)?;
        self.answer()
    }
}

fn ask_redis(port: u16, over: &AtomicBool) -> Answer<String> {
    let mut redis = patiently(over, || {
        let mut redis = Redis::connect(port)?;
        match redis.ask(&["PING"])?.as_str() {
            "+PONG" => Ok(redis),
            other => Err(format!("redis: '{other}'")),
        }
    })?;
    for from in (0..KEYS).step_by(TOGETHER) {
        let some = from..KEYS.min(from + TOGETHER);
        for number in some.clone() {
            redis.send(&["SET", &key(number), &value(number)])?;
        }
        for number in some {
            let answer = redis.answer()?;
            if answer != "+OK" {
                return Err(format!("redis: {} is not set: '{answer}'", key(number)));
            }
        }
    }
    let count = redis.ask(&["DBSIZE"])?;
    if count != format!(":{KEYS}") {
        return Err(format!("redis: {KEYS} keys are '{count}'"));
    }
    for number in 0..KEYS {
        if redis.ask(&["GET", &key(number)])? != value(number) {
            return Err(format!("redis: {} is not what was set", key(number)));
        }
    }
    Ok(format!("{KEYS} keys the same; {}", benchmark(port)?))
}

/// What redis-benchmark says: each kind of request, and how many a second.
fn benchmark(port: u16) -> Answer<String> {
    let port = port.to_string();
    let output = Command::new(BENCHMARK)
        .args(["-h", "127.0.0.1", "-p", &port, "-n", REQUESTS, "-c", CONNECTIONS])
        .args(["-t", "set,get,lpush,lrange_100", "-r", "500", "--csv"])
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return Ok(format!("no {BENCHMARK}")) };
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{BENCHMARK}: {}\n{text}", output.status));
    }
    let lines = text.lines().skip(1).filter_map(|line| {
        let mut cells = line.split("\",\"").map(|cell| cell.trim_matches('"'));
        let (kind, rate) = (cells.next()?, cells.next()?.parse::<f64>().ok()?);
        (rate > 0.0).then(|| format!("{} {rate:.0}", kind.split_whitespace().next().unwrap_or("")))
    });
    let all: Vec<_> = lines.collect();
    // LRANGE pushes first, which is a line of its own.
    if all.len() < 4 {
        return Err(format!("{BENCHMARK} says\n{text}"));
    }
    Ok(format!("{} requests a second by {CONNECTIONS} connections", all.join(", ")))
}

fn ask_memcached(port: u16, over: &AtomicBool) -> Answer<String> {
    let line = |from: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        words(from.read_line(&mut line)).map(|_| line.trim_end().to_string())
    };
    let mut server = patiently(over, || {
        let mut server = BufReader::new(connect(port)?);
        words(server.get_mut().write_all(b"version\r\n"))?;
        match line(&mut server)? {
            version if version.starts_with("VERSION") => Ok(server),
            other => Err(format!("memcached: '{other}'")),
        }
    })?;
    let began = Instant::now();
    for from in (0..KEYS).step_by(TOGETHER) {
        let some = from..KEYS.min(from + TOGETHER);
        let mut text = String::new();
        for number in some.clone() {
            let value = value(number);
            let _ = write!(text, "set {} 0 0 {}\r\n{value}\r\n", key(number), value.len());
        }
        words(server.get_mut().write_all(text.as_bytes()))?;
        for number in some {
            let answer = line(&mut server)?;
            if answer != "STORED" {
                return Err(format!("memcached: {} is not set: '{answer}'", key(number)));
            }
        }
    }
    let set = KEYS as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for number in 0..KEYS {
        let (name, value) = (key(number), value(number));
        words(server.get_mut().write_all(format!("get {name}\r\n").as_bytes()))?;
        let head = line(&mut server)?;
        let (got, end) = (line(&mut server)?, line(&mut server)?);
        let right = head == format!("VALUE {name} 0 {}", value.len()) && got == value;
        if !right || end != "END" {
            return Err(format!("memcached: {name} is not what was set: '{head}' '{end}'"));
        }
    }
    let got = KEYS as f64 / began.elapsed().as_secs_f64();
    Ok(format!("{KEYS} keys the same, set {set:.0} a second, {TOGETHER} together, got {got:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let text = configuration();
        assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
    }

    #[test]
    fn values_differ_and_are_as_long_as_they_are() {
        let all: std::collections::BTreeSet<_> = (0..300).map(value).collect();
        assert_eq!(all.len(), 300);
        assert!(value(100).len() > 9_000);
    }
}
