//! As much of HTTP/1.1 as a reader of samples speaks: requests without a body, one after
//! the other on a connection.

/// The longest head of a request; who sends more is refused.
pub const LONGEST: usize = 8 << 10;

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// What is asked for, without what follows a question mark.
    pub path: String,
    /// Only the answer's head is wanted.
    pub head_only: bool,
    /// The connection stays open.
    pub keeps: bool,
    /// OpenMetrics is understood.
    pub open_metrics: bool,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is none of HTTP's.
    Malformed,
    /// Neither GET nor HEAD.
    Method,
    /// It is longer than [`LONGEST`].
    Long,
}

impl Wrong {
    /// The answer.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::Method => "405 Method Not Allowed",
            Self::Long => "431 Request Header Fields Too Large",
        }
    }
}

/// Takes the first head out of what came; `None` until all of it is there.
///
/// # Errors
/// [`Wrong`], after which nothing on this connection makes sense.
pub fn take(from: &mut Vec<u8>) -> Result<Option<Head>, Wrong> {
    let end = from.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.filter(|end| *end <= LONGEST) else {
        return if from.len() > LONGEST { Err(Wrong::Long) } else { Ok(None) };
    };
    let bytes: Vec<u8> = from.drain(..end + 4).collect();
    read(bytes.get(..end).unwrap_or_default()).map(Some)
}

fn read(bytes: &[u8]) -> Result<Head, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::Malformed)?;
    let mut lines = text.split("\r\n");
    let words: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, version] = words[..] else { return Err(Wrong::Malformed) };
    if !path.starts_with('/') || !version.starts_with("HTTP/1.") {
        return Err(Wrong::Malformed);
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Wrong::Method),
    };
    let mut head = Head {
        path: path.split('?').next().unwrap_or_default().into(),
        head_only,
        keeps: version != "HTTP/1.0",
        open_metrics: false,
    };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Wrong::Malformed)?;
        let value = value.trim().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "connection" => head.keeps = value == "keep-alive" || (head.keeps && value != "close"),
            "accept" => head.open_metrics = value.contains("application/openmetrics-text"),
            // A body would be read as the next request.
            "content-length" if value != "0" => return Err(Wrong::Malformed),
            "transfer-encoding" => return Err(Wrong::Malformed),
            _ => {}
        }
    }
    Ok(head)
}

/// An answer's bytes.
pub fn answer(status: &str, kind: &str, body: &[u8], head: Option<&Head>) -> Vec<u8> {
    let connection = if head.is_some_and(|head| head.keeps) { "keep-alive" } else { "close" };
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: {connection}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    if !head.is_some_and(|head| head.head_only) {
        bytes.extend_from_slice(body);
    }
    bytes
}
