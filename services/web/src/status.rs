//! How a request is answered: the head, and the page of one that has no file.

/// An answer's number and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u16, &'static str);

impl Status {
    /// Here it is.
    pub const GOOD: Self = Self(200, "OK");
    /// No request.
    pub const BAD: Self = Self(400, "Bad Request");
    /// Not for everybody, or not a file.
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    /// There is none.
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    /// Neither GET nor HEAD.
    pub const METHOD: Self = Self(405, "Method Not Allowed");
    /// Its head is too long.
    pub const LONG: Self = Self(431, "Request Header Fields Too Large");
    /// It cannot be read.
    pub const BROKEN: Self = Self(500, "Internal Server Error");
    /// There is no room for it now.
    pub const BUSY: Self = Self(503, "Service Unavailable");
    /// Of another version of HTTP.
    pub const VERSION: Self = Self(505, "HTTP Version Not Supported");

    /// The head of an answer with so many bytes of this kind.
    pub fn head(self, kind: &str, length: u64, keeps: bool) -> Vec<u8> {
        let Self(number, words) = self;
        let allow = if self == Self::METHOD { "Allow: GET, HEAD\r\n" } else { "" };
        let connection = if keeps { "keep-alive" } else { "close" };
        format!(
            "HTTP/1.1 {number} {words}\r\n{allow}Content-Type: {kind}\r\n\
             Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"
        )
        .into_bytes()
    }

    /// All of an answer that has no file: its page says what its head says.
    pub fn answer(self, head_only: bool, keeps: bool) -> Vec<u8> {
        let Self(number, words) = self;
        let page = format!("{number} {words}\n");
        let mut bytes = self.head("text/plain", page.len() as u64, keeps);
        if !head_only {
            bytes.extend(page.bytes());
        }
        bytes
    }
}

/// What a file of this name is, as its ending says.
pub fn kind(name: &[u8]) -> &'static str {
    const KINDS: [(&str, &str); 12] = [
        ("html", "text/html"),
        ("htm", "text/html"),
        ("txt", "text/plain"),
        ("css", "text/css"),
        ("js", "text/javascript"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("svg", "image/svg+xml"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
    ];
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let ending = parts.next().filter(|_| parts.next().is_some()).unwrap_or_default();
    let known = KINDS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_long_it_is() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
        let good = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 70000\r\n\
                    Connection: keep-alive\r\n\r\n";
        assert_eq!(text(Status::GOOD.head("text/css", 70_000, true)), good);
        let (head, page) =
            (Status::METHOD.answer(true, false), Status::METHOD.answer(false, false));
        assert!(page.starts_with(&head) && page.ends_with(b"\r\n\r\n405 Method Not Allowed\n"));
        assert!(
            text(head)
                .contains("Allow: GET, HEAD\r\nContent-Type: text/plain\r\nContent-Length: 23")
        );
    }

    #[test]
    fn a_file_is_what_its_ending_says() {
        assert_eq!(kind(b"a.b.HTML"), "text/html");
        for other in [&b"html"[..], b"a.", b"", b"a.html5"] {
            assert_eq!(kind(other), "application/octet-stream");
        }
    }
}
