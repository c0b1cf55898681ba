//! The server as a process of this host, where the C library does its asynchronous I/O: what
//! clients of every kind see of it.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Lengths of the files: about the pieces in which they are moved.
const LENGTHS: [usize; 7] = [0, 1, 511, 65_535, 65_536, 65_537, 1_000_003];

struct Server {
    child: Child,
    port: u16,
    folder: PathBuf,
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251 + length) as u8).collect()
}

impl Server {
    fn start(name: &str, more: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("web-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("inner/empty")).unwrap();
        for length in LENGTHS {
            fs::write(folder.join(length.to_string()), bytes(length)).unwrap();
        }
        fs::write(folder.join("inner/index.html"), "inside").unwrap();
        fs::write(folder.join("secret"), "secret").unwrap();
        fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o0)).unwrap();
        symlink("/etc/passwd", folder.join("link")).unwrap();
        symlink("inner", folder.join("way")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_web"))
            .args(["--port", "0", "--root"])
            .arg(&folder)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        Self { child, port, folder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// What comes for a text, until the end of the connection.
    fn ask(&self, text: &str) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// The number of the answer for a target.
    fn status(&self, target: &str) -> String {
        let answer = self.ask(&format!("GET {target} HTTP/1.0\r\n\r\n"));
        String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The head's end, and what it says of the length.
fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
}

/// Reads one answer of a connection that stays.
fn one(stream: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn files_of_all_lengths_come_whole() {
    let server = Server::start("files", &[]);
    for length in LENGTHS {
        let (head, body) = split(&server.ask(&format!("GET /{length} HTTP/1.0\r\n\r\n")));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {length}\r\nConnection: close")), "{head}");
        assert!(body == bytes(length), "{length}");
        let (only, none) = split(&server.ask(&format!("HEAD /{length} HTTP/1.0\r\n\r\n")));
        assert_eq!((only, none.len()), (head, 0));
    }
}

#[test]
fn what_is_not_to_be_had_is_refused() {
    let server = Server::start("refused", &[]);
    for (target, status) in [
        ("/none", "404"),
        ("/1/below", "404"),
        ("/1/", "404"),
        ("/", "403"),
        ("/inner/empty", "403"),
        ("/inner", "200"),
        ("/inner/", "200"),
        ("/link", "403"),
        ("/way/index.html", "403"),
        ("/../etc/passwd", "403"),
        ("/inner/%2e%2e/1", "403"),
        ("/%00", "400"),
        ("nothing", "400"),
    ] {
        assert_eq!(server.status(target), status, "{target}");
    }
    // Root may read all.
    let secret = fs::read(server.folder.join("secret")).map_or("403", |_| "200");
    assert_eq!(server.status("/secret"), secret);
    assert!(server.ask("GET / HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    let long = format!("GET / HTTP/1.0\r\nA: {}", "a".repeat(200_000));
    assert!(server.ask(&long).starts_with(b"HTTP/1.1 431 "));
    // The answer comes though what was sent behind is not read.
    let body = "x".repeat(300_000);
    let post = format!("POST /1 HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (head, _) = split(&server.ask(&post));
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("Allow: GET, HEAD\r\n"), "{head}");
}

#[test]
fn a_connection_stays_and_requests_may_wait_in_it() {
    let server = Server::start("keeps", &[]);
    let mut stream = BufReader::new(server.connect());
    for length in LENGTHS {
        let request = format!("GET /{length} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (head, body) = one(&mut stream);
        assert!(head.contains("Connection: keep-alive\r\n"), "{head}");
        assert!(body == bytes(length), "{length}");
    }
    let mut text = String::new();
    for length in LENGTHS {
        text += &format!("GET /{length} HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    text += "GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    for length in LENGTHS {
        assert!(one(&mut stream).1 == bytes(length), "{length}");
    }
    assert!(one(&mut stream).0.starts_with("HTTP/1.1 404 "));
    assert!(one(&mut stream).0.contains("Connection: close\r\n"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn many_are_served_at_a_time() {
    let server = Server::start("many", &["--connections", "8"]);
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                for length in LENGTHS {
                    let (_, body) = split(&server.ask(&format!("GET /{length} HTTP/1.0\r\n\r\n")));
                    assert!(body == bytes(length), "{length}");
                }
            });
        }
    });
}

#[test]
fn who_is_slow_is_left_and_disturbs_nobody() {
    let server = Server::start("slow", &["--patience", "2", "--connections", "8"]);
    let begin = Instant::now();
    // One that says nothing, one that says a little now and then, one that takes nothing.
    let mut slow = [server.connect(), server.connect(), server.connect()];
    let request = "GET /1000003 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    slow[2].write_all(request.as_bytes()).unwrap();
    let mut trickle = slow[1].try_clone().unwrap();
    let trickles = thread::spawn(move || {
        let mut sent = 0;
        while sent < 100 && trickle.write_all(b"G").is_ok() {
            thread::sleep(Duration::from_millis(100));
            sent += 1;
        }
        sent
    });
    assert_eq!(server.status("/1"), "200");
    assert!(begin.elapsed() < Duration::from_secs(1));
    // Who takes something again in time is not slow.
    thread::sleep(Duration::from_secs(4));
    for stream in &mut slow {
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(all.len() < 20 * 1_000_003, "{} bytes", all.len());
    }
    assert!(trickles.join().unwrap() < 60);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(server.status("/1"), "200");
}
