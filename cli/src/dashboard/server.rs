//! The connections.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::request::{Request, read};
use super::{Machine, content};
use crate::watch::history::History;

/// Requests at once.
const MOST: usize = 16;
/// How long a browser may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port that browsers will be answered at.
#[derive(Debug)]
pub struct Dashboard(TcpListener);

impl Dashboard {
    /// At this port; zero is any.
    ///
    /// # Errors
    /// Those of the port.
    pub fn at(port: u16) -> io::Result<Self> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(Self)
    }

    /// The port.
    ///
    /// # Errors
    /// Those of asking.
    pub fn port(&self) -> io::Result<u16> {
        self.0.local_addr().map(|address| address.port())
    }

    /// Serves on a thread, as long as this command runs.
    pub fn serve(self, machine: Machine, history: History) {
        let machine = Arc::new(machine);
        let busy = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in self.0.incoming().flatten() {
                if busy.fetch_add(1, Ordering::Relaxed) >= MOST {
                    busy.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let (machine, history) = (Arc::clone(&machine), history.clone());
                let busy = Arc::clone(&busy);
                thread::spawn(move || {
                    // Whoever has gone needs no answer.
                    let _ = answer(stream, &machine, &history);
                    busy.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    }
}

fn answer(mut stream: TcpStream, machine: &Machine, history: &History) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let request = loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        bytes.extend(chunk.get(..length).unwrap_or_default());
        match read(&bytes) {
            Request::Partial => {}
            whole => break whole,
        }
    };
    let (status, (kind, body)) = match request {
        Request::Get(path) => match content(&path, machine, history) {
            Some(found) => ("200 OK", found),
            None => ("404 Not Found", ("text/plain", b"There is nothing here.\n".to_vec())),
        },
        Request::Refused(status) => (status, ("text/plain", format!("{status}\n").into_bytes())),
        Request::Partial => return Ok(()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
         connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}
