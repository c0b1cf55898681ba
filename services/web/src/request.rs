//! What is asked for: a request's head, as httparse reads it, and what is made of it.

use httparse::{EMPTY_HEADER, Status as Parsed};

use crate::status::Status;

/// The longest head of a request; who sends more is refused.
pub const LONGEST: usize = 8 << 10;
/// The most lines of one.
const LINES: usize = 64;

/// A request for a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The names on the way to it, from the folder that is served: none of them is `.` or `..`,
    /// and none has a slash or a zero in it.
    pub way: Vec<Vec<u8>>,
    /// It is a folder's name: what is wanted is the page in it.
    pub folder: bool,
    /// Only the answer's head is wanted.
    pub head_only: bool,
    /// The connection stays open.
    pub keeps: bool,
}

/// Reads the first request of what came: it, and how long its head is. `None` until all of that
/// is there.
///
/// # Errors
/// The answer. What follows on the connection makes no sense then.
pub fn read(bytes: &[u8]) -> Result<Option<(Request, usize)>, Status> {
    let mut lines = [EMPTY_HEADER; LINES];
    let mut head = httparse::Request::new(&mut lines);
    let length = match head.parse(bytes) {
        Ok(Parsed::Complete(length)) if length <= LONGEST => length,
        Ok(Parsed::Partial) if bytes.len() <= LONGEST => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Status::LONG),
        Err(httparse::Error::Version) => return Err(Status::VERSION),
        Err(_) => return Err(Status::BAD),
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Status::BAD);
    };
    let newer = version == 1;
    let mut keeps = newer;
    let (mut hosts, mut bodies) = (0, false);
    for line in head.headers.iter() {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        if is("connection") {
            keeps = connection(line.value, keeps);
        } else if is("host") {
            hosts += 1;
        } else if is("content-length") {
            bodies |= line.value != b"0";
        } else if is("transfer-encoding") {
            bodies = true;
        }
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Status::METHOD),
    };
    // A body would be read as the next request; two hosts, or none where there must be one, are
    // no host's.
    if bodies || hosts > 1 || newer && hosts == 0 {
        return Err(Status::BAD);
    }
    let (way, folder) = way(target)?;
    Ok(Some((Request { way, folder, head_only, keeps }, length)))
}

/// Whether the connection stays, after a line that says something of it.
fn connection(value: &[u8], keeps: bool) -> bool {
    let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if words.clone().any(|word| word.eq_ignore_ascii_case(b"close")) {
        return false;
    }
    keeps || words.any(|word| word.eq_ignore_ascii_case(b"keep-alive"))
}

/// The names in a request's target, and whether it ends as a folder's.
fn way(target: &str) -> Result<(Vec<Vec<u8>>, bool), Status> {
    let path = match target.strip_prefix("http://") {
        // As a proxy is asked.
        Some(rest) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"),
        None => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(Status::BAD);
    }
    let mut way = Vec::new();
    let mut folder = true;
    for name in path.split('/').skip(1) {
        // Unescaped name by name: an escaped slash does not part names.
        let name = unescaped(name).ok_or(Status::BAD)?;
        folder = name.is_empty() || name == b".";
        if name == b".." || name.contains(&b'/') {
            return Err(Status::FORBIDDEN);
        }
        if name.contains(&0) {
            return Err(Status::BAD);
        }
        if !folder {
            way.push(name);
        }
    }
    Ok((way, folder))
}

/// A name without its escapes; `None` where one is none.
fn unescaped(name: &str) -> Option<Vec<u8>> {
    let mut bytes = name.bytes();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        plain.push(u8::try_from(value).ok()?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> (Request, usize) {
        match read(text.as_bytes()) {
            Ok(Some(found)) => found,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn names(text: &str) -> (String, bool) {
        let (request, _) = good(&format!("GET {text} HTTP/1.0\r\n\r\n"));
        let names: Vec<_> =
            request.way.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        (names.join("|"), request.folder)
    }

    fn refused(text: &str) -> Status {
        match read(text.as_bytes()) {
            Err(status) => status,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_whole_or_awaited() {
        let text = "GET /a/b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(read(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        let (request, length) = good(&format!("{text}GET /next"));
        assert_eq!(length, text.len());
        assert!(request.keeps && !request.head_only && !request.folder);
        assert_eq!(request.way, [b"a".to_vec(), b"b".to_vec()]);
        assert!(good("HEAD / HTTP/1.0\r\n\r\n").0.head_only);
    }

    #[test]
    fn connections_stay_as_their_version_has_it_or_as_is_said() {
        let keeps = |version: &str, line: &str| {
            good(&format!("GET / HTTP/{version}\r\nHost: x\r\n{line}\r\n")).0.keeps
        };
        assert!(keeps("1.1", "") && !keeps("1.0", ""));
        assert!(keeps("1.0", "connection: Keep-Alive\r\n"));
        assert!(!keeps("1.1", "Connection: keep-alive, Close\r\n"));
        assert!(!keeps("1.1", "Connection: close\r\nConnection: upgrade\r\n"));
    }

    #[test]
    fn names_are_unescaped_and_none_leads_out() {
        assert_eq!(names("/"), (String::new(), true));
        assert_eq!(names("/a%20b//./c?d=/../e"), ("a b|c".into(), false));
        assert_eq!(names("http://host:80/a/"), ("a".into(), true));
        assert_eq!(names("http://host"), (String::new(), true));
        assert_eq!(names("/..."), ("...".into(), false));
        for out in ["/..", "/../etc/passwd", "/a/%2e%2E/b", "/a%2f..%2fb", "/%2F"] {
            assert_eq!(refused(&format!("GET {out} HTTP/1.0\r\n\r\n")), Status::FORBIDDEN, "{out}");
        }
        for bad in ["a", "*", "/%", "/%4", "/%zz", "/%00", "https://x/"] {
            assert_eq!(refused(&format!("GET {bad} HTTP/1.0\r\n\r\n")), Status::BAD, "{bad}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            "\u{1}\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.0\r\nno line\r\n\r\n",
        ] {
            assert_eq!(refused(bad), Status::BAD, "{bad:?}");
        }
        assert_eq!(refused("POST / HTTP/1.0\r\n\r\n"), Status::METHOD);
        assert_eq!(refused("GET / HTTP/2.0\r\n\r\n"), Status::VERSION);
    }

    #[test]
    fn a_head_has_an_end() {
        let long = format!("GET / HTTP/1.0\r\nA: {}", "b".repeat(LONGEST));
        assert_eq!(refused(&long), Status::LONG);
        assert_eq!(refused(&format!("{long}\r\n\r\n")), Status::LONG);
        let many = "A: b\r\n".repeat(LINES + 1);
        assert_eq!(refused(&format!("GET / HTTP/1.0\r\n{many}\r\n")), Status::LONG);
    }
}
