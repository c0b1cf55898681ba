//! The server, on this machine's loopback, with a sample from memory.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use vortex_abi::performance::{decode, encode};

use super::sample;
use crate::answer::Answers;
use crate::http::{self, Wrong};
use crate::orders::{Machine, Orders};
use crate::server::{Peers, serve};

/// Starts one; it ends with the test.
fn start() -> u16 {
    serving(Peers::All)
}

/// The same for these only.
fn serving(peers: Peers) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let orders = Orders::new(Some("the secret".into()), Box::new(Machine));
        let mut answers = Answers::new(|| Ok(encode(&sample())), orders);
        serve(&listener, peers, &mut |head| answers.to(head)).unwrap();
    });
    port
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// An answer's head and body.
fn read(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.split("Content-Length: ").nth(1).unwrap().split('\r').next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn requests_follow_each_other_on_a_connection() {
    let mut stream = connect(start());
    for _ in 0..3 {
        stream.write_all(b"GET /samples.bin?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (head, body) = read(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(decode(&body), Ok(sample()));
    }
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let both = format!("GET /metrics HTTP/1.1\r\n{accept}\r\n\r\nGET /none HTTP/1.0\r\n\r\n");
    stream.write_all(both.as_bytes()).unwrap();
    let (head, body) = read(&mut stream);
    assert!(head.contains("openmetrics-text") && body.ends_with(b"# EOF\n"), "{head}");
    let (head, _) = read(&mut stream);
    assert!(head.starts_with("HTTP/1.1 404") && head.contains("Connection: close"), "{head}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection has ended");
}

#[test]
fn who_says_nothing_holds_up_nobody() {
    let port = start();
    let silent: Vec<_> = (0..8).map(|_| connect(port)).collect();
    let mut half = connect(port);
    half.write_all(b"GET /sam").unwrap();
    let mut whole = connect(port);
    whole.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    whole.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(read(&mut whole).0.contains("200 OK"));
    half.write_all(b"ples HTTP/1.1\r\n\r\n").unwrap();
    assert!(read(&mut half).0.contains("application/json"));
    drop(silent);
}

#[test]
fn who_is_of_this_machine_is_told_nothing() {
    let mut stream = connect(serving(Peers::Outside));
    // Whether this is sent still is the other end's matter.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "the connection has ended");
}

#[test]
fn a_head_that_trickles_is_not_waited_for() {
    let mut stream = connect(start());
    let began = Instant::now();
    // A byte from time to time would hold the connection for the head's 8 KiB.
    while began.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(Duration::from_millis(200));
        if stream.write_all(b"G").is_err() {
            break;
        }
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn orders_are_looked_at_where_the_secret_is_said() {
    let mut stream = connect(start());
    for (path, secret, status) in [
        ("/set", "Authorization: Bearer another\r\n", "403"),
        ("/set", "", "403"),
        // With the secret it is looked at: it is empty.
        ("/set", "Authorization: Bearer the secret\r\n", "400"),
        ("/metrics", "Authorization: Bearer the secret\r\n", "405"),
    ] {
        let order = format!("POST {path} HTTP/1.1\r\n{secret}Content-Length: 0\r\n\r\n");
        stream.write_all(order.as_bytes()).unwrap();
        let (head, _) = read(&mut stream);
        assert_eq!(head.split(' ').nth(1), Some(status), "{path} {secret}");
    }
    stream.write_all(b"GET /set HTTP/1.1\r\n\r\n").unwrap();
    assert!(read(&mut stream).0.contains("405"));
}

#[test]
fn what_is_no_request_is_refused() {
    let port = start();
    for (text, status) in [
        ("PUT / HTTP/1.1\r\n\r\n", "405"),
        ("hello\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", "400"),
    ] {
        let mut stream = connect(port);
        stream.write_all(text.as_bytes()).unwrap();
        let (head, _) = read(&mut stream);
        assert_eq!(head.split(' ').nth(1), Some(status), "{text}");
    }
    let mut long = vec![b'a'; http::LONGEST + 1];
    assert_eq!(http::take(&mut long), Err(Wrong::Long));
    let mut part = b"GET / HTTP/1.1\r\nHost: a".to_vec();
    assert_eq!(http::take(&mut part), Ok(None));
}
