//! What is answered to a request.

use vortex_abi::performance::{Sample, decode};
use vortex_guest::{Errno, Res};

use crate::http::{self, Head, Order};
use crate::metrics::{self, Form};
use crate::orders::{Orders, Said};
use crate::upward::Upward;
use crate::{json, text};

const ABOUT: &str = "The monitor of a Vortex machine.\n\n\
    /metrics      for Prometheus and its like\n\
    /samples      a raw sample as JSON\n\
    /samples.bin  the same in the bytes of the system call\n\n\
    and, to POST with the host's secret,\n\n\
    /set          a share, a limit, a policy: activity, resource, core, share, priority,\n                  \
    reservation, limit, period, policy\n\
    /exec         a program for the host: activity, host, token\n    \
    /record       have all cores record what they run: milliseconds\n    \
    /recorded     a core's part of that, in the bytes of the system call: core, from\n";
/// What is told to be done.
const ORDERS: [&str; 4] = ["/set", "/exec", "/record", "/recorded"];

const NO_METHOD: &str = "405 Method Not Allowed";

/// What comes of an order.
enum Done {
    Said(Said),
    Bytes(Vec<u8>),
}

/// Answers, each with a sample of its own.
pub struct Answers<T> {
    take: T,
    upward: Upward,
    orders: Orders,
}

impl<T: FnMut() -> Res<Vec<u8>>> Answers<T> {
    /// With samples from here, and these orders carried out.
    pub fn new(take: T, orders: Orders) -> Self {
        Self { take, upward: Upward::default(), orders }
    }

    /// The answer to a request.
    pub fn to(&mut self, head: &Head) -> Vec<u8> {
        if let Some(order) = &head.order {
            let (status, body) = match self.order(&head.path, order) {
                Ok(Done::Bytes(bytes)) => {
                    return http::answer("200 OK", text::BYTES, &bytes, Some(head));
                }
                Ok(Done::Said(said)) | Err(said) => said,
            };
            return http::answer(status, text::PLAIN, body.as_bytes(), Some(head));
        }
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
            path if ORDERS.contains(&path) => {
                let body = b"Orders are for POST.\n";
                return http::answer(NO_METHOD, text::PLAIN, body, Some(head));
            }
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

    fn order(&mut self, path: &str, order: &Order) -> Result<Done, Said> {
        if !ORDERS.contains(&path) {
            return Err((NO_METHOD, format!("There is {} to POST to.\n", ORDERS.join(", "))));
        }
        self.orders.admit(order)?;
        let take = &mut self.take;
        let mut sample = || decode(&take().ok()?).ok();
        match path {
            "/set" => self.orders.set(order).map(Done::Said),
            "/record" => self.orders.record(order).map(Done::Said),
            "/recorded" => self.orders.recorded(order).map(Done::Bytes),
            _ => self.orders.exec(order, &mut sample).map(Done::Said),
        }
    }

    fn sample(&mut self) -> Res<Sample> {
        decode(&(self.take)()?).map_err(|_| Errno(libc::EBADMSG))
    }
}
