//! What is answered to a request.

use vortex_abi::performance::{Sample, decode};
use vortex_guest::{Errno, Res};

use crate::http::{self, Head};
use crate::metrics::{self, Form};
use crate::upward::Upward;
use crate::{json, text};

const ABOUT: &str = "The monitor of a Vortex machine.\n\n\
    /metrics      for Prometheus and its like\n\
    /samples      a raw sample as JSON\n\
    /samples.bin  the same in the bytes of the system call\n";

/// Answers, each with a sample of its own.
pub struct Answers<T> {
    take: T,
    upward: Upward,
}

impl<T: FnMut() -> Res<Vec<u8>>> Answers<T> {
    /// With samples from here.
    pub fn new(take: T) -> Self {
        Self { take, upward: Upward::default() }
    }

    /// The answer to a request.
    pub fn to(&mut self, head: &Head) -> Vec<u8> {
        let made = match head.path.as_str() {
            "/" => Ok((text::PLAIN, ABOUT.into())),
            "/metrics" => self.sample().map(|sample| {
                let form = if head.open_metrics { Form::Open } else { Form::Plain };
                let body = metrics::text(&sample, form, &mut self.upward);
                (form.kind(), body.into_bytes())
            }),
            "/samples" => {
                self.sample().map(|sample| (text::JSON, json::text(&sample).into_bytes()))
            }
            "/samples.bin" => (self.take)().map(|bytes| (text::BYTES, bytes)),
            _ => {
                let body = b"There is /metrics, /samples and /samples.bin.\n";
                return http::answer("404 Not Found", text::PLAIN, body, Some(head));
            }
        };
        match made {
            Ok((kind, body)) => http::answer("200 OK", kind, &body, Some(head)),
            Err(error) => {
                let body = format!("There is no sample: {error}.\n");
                let status = "503 Service Unavailable";
                http::answer(status, text::PLAIN, body.as_bytes(), Some(head))
            }
        }
    }

    fn sample(&mut self) -> Res<Sample> {
        decode(&(self.take)()?).map_err(|_| Errno(libc::EBADMSG))
    }
}
