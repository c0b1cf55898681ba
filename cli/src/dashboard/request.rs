//! A browser's request, as far as it is looked at.

/// The longest head of a request.
pub const LONGEST: usize = 16 << 10;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Not all of it is there yet.
    Partial,
    /// This path, what follows a question mark included.
    Get(String),
    /// Refused, with this status.
    Refused(&'static str),
}

/// Reads one.
pub fn read(bytes: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() <= LONGEST => return Request::Partial,
        Ok(httparse::Status::Partial) => {
            return Request::Refused("431 Request Header Fields Too Large");
        }
        Err(_) => return Request::Refused("400 Bad Request"),
    }
    let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let host = host.and_then(|header| std::str::from_utf8(header.value).ok());
    if !host.is_some_and(is_here) {
        return Request::Refused("421 Misdirected Request");
    }
    match (request.method, request.path) {
        (Some("GET"), Some(path)) => Request::Get(path.into()),
        _ => Request::Refused("405 Method Not Allowed"),
    }
}

/// Whether a name is this host's own, whatever the port.
fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["127.0.0.1", "localhost"].contains(&name.to_ascii_lowercase().as_str())
}
