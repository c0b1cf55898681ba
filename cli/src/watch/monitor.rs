//! The monitor in the machine, asked for samples over one connection that stays open, and told
//! what to do.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use vortex_abi::performance::{Sample, Unreadable, decode};

use crate::running::Secret;

/// How long an answer may take: the call itself gives up after a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long that of an order may, and how often it is given: where the monitor has had its share
/// its packets may be refused, and QEMU's network sends a first one again after six seconds.
const ORDERS: Duration = Duration::from_secs(8);
const TIMES: u32 = 4;
/// The largest head and body of an answer; a sample is at most 256 KiB.
const HEAD: usize = 4 << 10;
const BODY: usize = 1 << 20;

/// Why there is no sample.
#[derive(Debug)]
pub enum Unheard {
    /// Nobody answers, or no longer.
    Connection(io::Error),
    /// The monitor has none: it says why.
    Said(u16, String),
    /// The answer is none of HTTP's.
    Answer,
    /// What came is no sample.
    Sample(Unreadable),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the monitor does not answer: {error}"),
            Self::Said(status, why) => write!(f, "the monitor says {status}: {}", why.trim()),
            Self::Answer => f.write_str("what answers is no monitor"),
            Self::Sample(error) => write!(f, "the monitor's sample cannot be read: {error:?}"),
        }
    }
}

/// It.
#[derive(Debug)]
pub struct Monitor {
    port: u16,
    stream: Option<TcpStream>,
}

impl Monitor {
    /// The one at this port of the host.
    pub const fn at(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// [`Unheard`].
    pub fn sample(&mut self) -> Result<Sample, Unheard> {
        let reused = self.stream.is_some();
        let body = match self.get("/samples.bin") {
            // The other end may have ended a connection that was quiet.
            Err(Unheard::Connection(_)) if reused => self.get("/samples.bin"),
            other => other,
        }?;
        decode(&body).map_err(Unheard::Sample)
    }

    /// Has it do something, with a form's fields: what it says when that is done. An order to which
    /// nothing is heard is given again, so it must be one that may be carried out twice.
    ///
    /// # Errors
    /// [`Unheard`]; what was not done it has said.
    pub fn order(
        &mut self,
        path: &str,
        secret: &Secret,
        fields: &[(&str, &[u8])],
    ) -> Result<String, Unheard> {
        let said = self.order_bytes(path, secret, fields)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The same, with the bytes that it answers.
    ///
    /// # Errors
    /// As [`Self::order`].
    pub fn order_bytes(
        &mut self,
        path: &str,
        secret: &Secret,
        fields: &[(&str, &[u8])],
    ) -> Result<Vec<u8>, Unheard> {
        let body = form(fields);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: monitor\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            secret.text(),
            body.len()
        );
        let request = head + &body;
        let mut last = io::ErrorKind::TimedOut.into();
        for _ in 0..TIMES {
            let said = self.connect(ORDERS).map_err(Unheard::Connection).and_then(|stream| {
                self.stream = Some(stream);
                self.ask(&request)
            });
            match said {
                Err(Unheard::Connection(error)) => last = error,
                other => return other,
            }
        }
        Err(Unheard::Connection(last))
    }

    fn get(&mut self, path: &str) -> Result<Vec<u8>, Unheard> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: monitor\r\n\r\n"))
    }

    fn ask(&mut self, request: &str) -> Result<Vec<u8>, Unheard> {
        // Whatever goes wrong, the next one begins with a connection of its own.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect(PATIENCE).map_err(Unheard::Connection)?,
        };
        stream.write_all(request.as_bytes()).map_err(Unheard::Connection)?;
        let (status, body) = answer(&mut stream)?;
        self.stream = Some(stream);
        match status {
            200 => Ok(body),
            other => Err(Unheard::Said(other, String::from_utf8_lossy(&body).into_owned())),
        }
    }

    fn connect(&self, patience: Duration) -> io::Result<TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Fields as a form has them.
fn form(fields: &[(&str, &[u8])]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text += name;
        text.push('=');
        for byte in *value {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    text.push(char::from(*byte));
                }
                other => text += &format!("%{other:02X}"),
            }
        }
    }
    text
}

/// Reads an answer: its status and body.
fn answer(stream: &mut TcpStream) -> Result<(u16, Vec<u8>), Unheard> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    let mut more = |bytes: &mut Vec<u8>| {
        let length = stream.read(&mut chunk).map_err(Unheard::Connection)?;
        if length == 0 {
            return Err(Unheard::Connection(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend(chunk.get(..length).unwrap_or_default());
        Ok(())
    };
    let (begin, status, length) = loop {
        more(&mut bytes)?;
        if let Some(found) = head(&bytes)? {
            break found;
        }
        if bytes.len() > HEAD {
            return Err(Unheard::Answer);
        }
    };
    if length > BODY {
        return Err(Unheard::Answer);
    }
    while bytes.len() < begin + length {
        more(&mut bytes)?;
    }
    Ok((status, bytes.get(begin..begin + length).unwrap_or_default().to_vec()))
}

/// Where the body begins, the status, and the body's length; nothing until all is there.
fn head(bytes: &[u8]) -> Result<Option<(usize, u16, usize)>, Unheard> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut answer = httparse::Response::new(&mut headers);
    let begin = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(begin)) => begin,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Unheard::Answer),
    };
    let length = answer.headers.iter().find(|of| of.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|of| std::str::from_utf8(of.value).ok()?.trim().parse().ok());
    match (answer.code, length) {
        (Some(code), Some(length)) => Ok(Some((begin, code, length))),
        _ => Err(Unheard::Answer),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use vortex_abi::performance::encode;

    use super::*;

    /// Answers so on each connection, once, and then ends it.
    fn serve(answers: Vec<Vec<u8>>) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let _ = stream.read(&mut request);
                // In two parts, as a network may bring it.
                let (first, second) = answer.split_at(answer.len() / 2);
                let _ = stream.write_all(first);
                std::thread::sleep(Duration::from_millis(20));
                let _ = stream.write_all(second);
            }
        });
        port
    }

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn samples_come_though_connections_end() {
        let sample = Sample { stamp: 7, megahertz: 1000, ..Sample::default() };
        let good = answer("200 OK", &encode(&sample));
        let mut monitor = Monitor::at(serve(vec![good.clone(), good]));
        assert_eq!(monitor.sample().unwrap(), sample);
        assert_eq!(monitor.sample().unwrap(), sample);
        assert!(matches!(monitor.sample(), Err(Unheard::Connection(_))));
    }

    #[test]
    fn orders_are_forms() {
        assert_eq!(
            form(&[("a", b"web 1"), ("arg", "/ü&".as_bytes())]),
            "a=web%201&arg=%2F%C3%BC%26"
        );
        let (done, none) = (answer("200 OK", b"done\n"), answer("404 Not Found", b"none\n"));
        // One ends without a word.
        let port = serve(vec![done, Vec::new(), none]);
        let (mut monitor, secret) = (Monitor::at(port), Secret::new().unwrap());
        let mut order = || monitor.order("/set", &secret, &[("a", b"b")]);
        assert_eq!(order().unwrap(), "done\n");
        assert!(matches!(order(), Err(Unheard::Said(404, why)) if why == "none\n"));
    }

    #[test]
    fn what_is_no_sample_is_said() {
        let port = serve(vec![
            answer("503 Service Unavailable", b"There is no sample: EAGAIN.\n"),
            answer("200 OK", b"hello"),
            b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
        ]);
        let ask = || Monitor::at(port).sample().unwrap_err();
        assert!(ask().to_string().contains("EAGAIN"));
        assert!(matches!(ask(), Unheard::Sample(Unreadable::NotOne | Unreadable::Short)));
        assert!(matches!(ask(), Unheard::Answer));
        assert!(matches!(ask(), Unheard::Answer));
    }
}
