//! As much of HTTP/1.1 as a reader of samples speaks, and whoever gives orders: requests one
//! after the other on a connection, with a body where it is an order.

/// The longest head of a request, and the longest with its body; who sends more is refused.
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
    /// It is an order (POST), not a question.
    pub order: Option<Order>,
}

/// What an order says.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose orders these are, as `Authorization: Bearer` has it.
    pub secret: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is none of HTTP's.
    Malformed,
    /// None of GET, HEAD and POST.
    Method,
    /// Its head is longer than [`LONGEST`].
    Long,
    /// It is with its body.
    Large,
}

impl Wrong {
    /// The answer.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::Method => "405 Method Not Allowed",
            Self::Large => "413 Content Too Large",
            Self::Long => "431 Request Header Fields Too Large",
        }
    }
}

/// Takes the first request out of what came; `None` until all of it is there.
///
/// # Errors
/// [`Wrong`], after which nothing on this connection makes sense.
pub fn take(from: &mut Vec<u8>) -> Result<Option<Head>, Wrong> {
    let end = from.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.filter(|end| *end <= LONGEST) else {
        return if from.len() > LONGEST { Err(Wrong::Long) } else { Ok(None) };
    };
    let text = from.get(..end).unwrap_or_default();
    let (mut head, length) = read(text)?;
    let begin = end + 4;
    let whole = begin.checked_add(length).filter(|whole| *whole <= LONGEST).ok_or(Wrong::Large)?;
    if from.len() < whole {
        return Ok(None);
    }
    if let Some(order) = &mut head.order {
        order.body = from.get(begin..whole).unwrap_or_default().to_vec();
    }
    from.drain(..whole);
    Ok(Some(head))
}

/// A head, and how long its body is.
fn read(bytes: &[u8]) -> Result<(Head, usize), Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::Malformed)?;
    let mut lines = text.split("\r\n");
    let words: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, version] = words[..] else { return Err(Wrong::Malformed) };
    if !path.starts_with('/') || !version.starts_with("HTTP/1.") {
        return Err(Wrong::Malformed);
    }
    let (head_only, is_order) = match method {
        "GET" => (false, false),
        "HEAD" => (true, false),
        "POST" => (false, true),
        _ => return Err(Wrong::Method),
    };
    let mut head = Head {
        path: path.split('?').next().unwrap_or_default().into(),
        head_only,
        keeps: version != "HTTP/1.0",
        open_metrics: false,
        order: is_order.then(|| Order { secret: None, body: Vec::new() }),
    };
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Wrong::Malformed)?;
        let (value, word) = (value.trim(), value.trim().to_ascii_lowercase());
        match name.to_ascii_lowercase().as_str() {
            "connection" => head.keeps = word == "keep-alive" || (head.keeps && word != "close"),
            "accept" => head.open_metrics = word.contains("application/openmetrics-text"),
            "authorization" => {
                if let Some(order) = &mut head.order {
                    order.secret = value.strip_prefix("Bearer ").map(String::from);
                }
            }
            // Two lengths would be two opinions of where the next request begins.
            "content-length" if length.is_some() => return Err(Wrong::Malformed),
            "content-length" => {
                length = Some(value.parse::<usize>().map_err(|_| Wrong::Malformed)?);
            }
            "transfer-encoding" => return Err(Wrong::Malformed),
            _ => {}
        }
    }
    let length = length.unwrap_or(0);
    // The body of a question would be read as the next request.
    if length > 0 && head.order.is_none() {
        return Err(Wrong::Malformed);
    }
    Ok((head, length))
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
