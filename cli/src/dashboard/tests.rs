//! What browsers are answered, and who is no browser of this host's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::request::{LONGEST, Request, read};
use super::*;

fn machine() -> Machine {
    Machine {
        title: "web.xml".into(),
        accelerator: "tcg".into(),
        begun: 7,
        doors: Vec::new(),
        standing: Standing::default(),
    }
}

#[test]
fn only_who_means_this_host_is_answered() {
    let ask = |text: &str| read(text.as_bytes());
    let get = "GET /x?since=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
    assert_eq!(ask(get), Request::Get("/x?since=1".into()));
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), Request::Get("/".into()));
    assert_eq!(ask("GET / HTTP/1.1\r\nHos"), Request::Partial);
    for (wrong, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\n\r\n", "421"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
        ("\0\0\0", "400"),
    ] {
        assert!(matches!(ask(wrong), Request::Refused(of) if of.starts_with(status)), "{wrong}");
    }
    let long = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(LONGEST));
    assert!(matches!(ask(&long), Request::Refused(of) if of.starts_with("431")));
}

#[test]
fn the_page_and_its_figures_are_served() {
    let dashboard = Dashboard::at(0).unwrap();
    let port = dashboard.port().unwrap();
    let history = History::default();
    for at in [1.5, 2.5] {
        history.put(Figures { at, ..Figures::default() }, Figures::default());
    }
    dashboard.serve(machine(), history);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for (path, part) in [
        ("/", "<!doctype html>"),
        ("/page.js", "text/javascript"),
        ("/api/machine", "\"title\":\"web.xml\""),
        ("/api/figures?since=1", "\"figures\":[[1,{\"at\":2.5,"),
    ] {
        let answer = get(path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(part), "{answer}");
    }
    for path in ["/none", "/api/figures?since=x", "/../etc/passwd"] {
        assert!(get(path).starts_with("HTTP/1.1 404"));
    }
}

/// The page needs nothing from elsewhere, and what it asks for is there.
#[test]
fn the_page_is_whole() {
    let all: String = FILES.iter().map(|(_, _, text)| *text).collect();
    for elsewhere in ["https://", "//cdn", "@import", "innerHTML", "eval("] {
        assert!(!all.contains(elsewhere), "{elsewhere}");
    }
    let history = History::default();
    for asked in ["/page.css", "/page.js", "/api/machine"] {
        assert!(all.contains(asked), "{asked}");
        assert!(content(asked, &machine(), &history).is_some(), "{asked}");
    }
}
