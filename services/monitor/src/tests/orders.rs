//! Who may give orders, and what becomes of them.

use std::cell::RefCell;
use std::rc::Rc;

use vortex_guest::{Errno, Res};

use super::sample;
use crate::http::{self, Order};
use crate::orders::{Calls, Orders, Said};

const SECRET: &str = "0123456789abcdef";

/// What was asked of the machine.
type Asked = Rc<RefCell<Vec<(String, String, Option<u16>, u32)>>>;

/// Calls of a machine that knows two activities and one resource.
struct Known(Asked);

impl Calls for Known {
    fn change(&mut self, order: &str) -> Result<(), (Errno, String)> {
        let refused = |error, why: &str| Err((Errno(error), why.into()));
        match order.lines().next().unwrap_or_default() {
            "at=tcp" | "activity=web" => {}
            "activity=x" => return refused(libc::ESRCH, "there is no activity 'x'"),
            "activity=divided" => return refused(libc::EBUSY, "it is divided now"),
            "at=x" => return refused(libc::ENXIO, "there is no scheduler 'x'"),
            "at=full" => return refused(libc::ENOSPC, "at most 5 % is left"),
            "at=wrong" => return refused(libc::EINVAL, "fifo ignores it"),
            "at=mine" => return refused(libc::EPERM, ""),
            _ => return refused(libc::ENOSYS, ""),
        }
        self.0.borrow_mut().push((order.into(), String::new(), None, 0));
        Ok(())
    }

    fn begin(&mut self, activity: &str, words: &[&str], environment: &[&str]) -> Res<()> {
        match activity {
            "web" => {}
            "full" => return Err(Errno(libc::EAGAIN)),
            _ => return Err(Errno(libc::ESRCH)),
        }
        let said = [words, environment].concat().join(" ");
        self.0.borrow_mut().push((activity.into(), said, None, 0));
        Ok(())
    }

    fn record(&mut self, _: u32) -> Res<usize> {
        Err(Errno(libc::ENOSYS))
    }

    fn recorded(&mut self, _: u16, _: u32, _: &mut [u8]) -> Res<usize> {
        Err(Errno(libc::ENOSYS))
    }
}

fn orders(secret: Option<&str>) -> (Orders, Asked) {
    let asked = Asked::default();
    (Orders::new(secret.map(String::from), Box::new(Known(asked.clone()))), asked)
}

fn order(secret: Option<&str>, body: &str) -> Order {
    Order { secret: secret.map(String::from), body: body.into() }
}

fn set(body: &str) -> (Result<Said, Said>, Asked) {
    let (mut orders, asked) = orders(Some(SECRET));
    let order = order(Some(SECRET), body);
    assert_eq!(orders.admit(&order), Ok(()));
    (orders.set(&order), asked)
}

#[test]
fn only_who_has_the_secret_gives_orders() {
    let (with, without) = (orders(Some(SECRET)).0, orders(None).0);
    assert_eq!(with.admit(&order(Some(SECRET), "")), Ok(()));
    let longer = format!("{SECRET}{SECRET}");
    for wrong in [None, Some(""), Some("0123456789abcdee"), Some("0"), Some(longer.as_str())] {
        let (status, why) = with.admit(&order(wrong, "")).unwrap_err();
        assert!(status.starts_with("403") && why.contains("secret"), "{wrong:?}: {status} {why}");
    }
    for any in [None, Some(""), Some(SECRET)] {
        for (orders, of) in [(&without, "none"), (&orders(Some("")).0, "an empty one")] {
            let (status, why) = orders.admit(&order(any, "")).unwrap_err();
            assert!(status.starts_with("403") && why.contains("control=\"all\""), "{of}: {why}");
        }
    }
}

#[test]
fn shares_are_set_and_said_with_their_place() {
    for (body, wanted, answer) in [
        (
            "activity=web&resource=all&share=50",
            "activity=web\nat=all\nshare=50",
            "web has a share of 50 at all.\n",
        ),
        (
            "activity=%77eb&resource=cpu&share=0.25&core=1",
            "activity=web\nat=cpu\nshare=0.25\ncore=1",
            "web has a share of 0.25 at resource.thread on core 1.\n",
        ),
        (
            "activity=web&resource=tcp&share=none",
            "activity=web\nat=tcp\nshare=none",
            "web at tcp: share none.\n",
        ),
        (
            "activity=web&resource=tcp&priority=3&core=0",
            "activity=web\nat=tcp\npriority=3\ncore=0",
            "web at tcp on core 0: priority 3.\n",
        ),
    ] {
        let (said, asked) = set(body);
        assert_eq!(said, Ok(("200 OK", answer.into())), "{body}");
        assert_eq!(asked.borrow()[0].0, wanted, "{body}");
    }
}

#[test]
fn schedulers_are_changed_as_the_call_has_it() {
    for (body, wanted, answer) in [
        (
            "resource=tcp&policy=reserve.mclock&param.burst=5&core=1",
            "at=tcp\npolicy=reserve.mclock\nparam.burst=5\ncore=1",
            "tcp on core 1: policy reserve.mclock, param.burst 5.\n",
        ),
        ("resource=tcp&share=20", "at=tcp\nshare=20", "tcp: share 20.\n"),
        (
            "activity=web&resource=cpu&reservation=30+%25&share=5",
            "activity=web\nat=cpu\nreservation=30 %\nshare=5",
            "web at cpu: reservation 30 %, share 5.\n",
        ),
    ] {
        let (said, asked) = set(body);
        assert_eq!(said, Ok(("200 OK", answer.into())), "{body}");
        assert_eq!(asked.borrow()[0].0, wanted, "{body}");
    }
}

#[test]
fn what_cannot_be_set_is_said_with_what_can() {
    for (body, status, part) in [
        ("activity=x&resource=all&share=1", "404", "There is no activity 'x'."),
        ("activity=divided&resource=all&share=1", "409", "It is divided now."),
        ("activity=web&share=1", "400", "needed"),
        ("activity", "400", "form"),
        ("", "400", "needed"),
        ("policy=fifo", "400", "needed"),
        ("resource=x&policy=fifo", "404", "There is no scheduler 'x'."),
        ("resource=full&limit=1", "409", "At most 5 % is left."),
        ("resource=wrong&share=1", "400", "Fifo ignores it."),
        ("resource=mine&share=1", "403", "control"),
        ("resource=other&share=1", "500", "stays"),
        ("resource=tcp&policy=a%0Aactivity=b", "400", "one line"),
    ] {
        let (said, asked) = set(body);
        let (own, why) = said.unwrap_err();
        assert!(own.starts_with(status) && why.contains(part), "{body}: {own} {why}");
        assert!(asked.borrow().is_empty(), "{body}");
    }
}

#[test]
fn a_process_is_begun_for_the_host_or_it_is_said_why_not() {
    let exec = |body: &str| {
        let (mut orders, asked) = orders(Some(SECRET));
        let said = orders.exec(&order(Some(SECRET), body), &mut || Some(sample()));
        (said, asked)
    };
    let (said, asked) = exec("activity=web&host=10.0.2.2%3A5&token=t");
    assert!(said.is_ok());
    assert_eq!(asked.borrow()[0].1, "/vortex/exec 10.0.2.2:5 VORTEX_TOKEN=t");
    for (body, status, part) in [
        ("activity=x&host=h&token=t", "404", "infrastructure, a"),
        ("activity=full&host=h&token=t", "409", "as many processes"),
        ("activity=web&host=h", "400", "needed"),
    ] {
        let (own, why) = exec(body).0.unwrap_err();
        assert!(own.starts_with(status) && why.contains(part), "{body}: {own} {why}");
    }
}

#[test]
fn an_order_is_whole_before_it_is_taken() {
    let text =
        "POST /set HTTP/1.1\r\nAuthorization: Bearer aB\r\nContent-Length: 5\r\n\r\na=b&cGET";
    for length in 0..text.len() - 3 {
        let mut part = text.as_bytes()[..length].to_vec();
        assert_eq!(http::take(&mut part), Ok(None), "{length}");
        assert_eq!(part.len(), length, "nothing of it is lost");
    }
    let mut bytes = text.as_bytes().to_vec();
    let head = http::take(&mut bytes).unwrap().unwrap();
    let order = head.order.unwrap();
    assert_eq!((order.secret.as_deref(), &order.body[..]), (Some("aB"), &b"a=b&c"[..]));
    assert_eq!(bytes, b"GET");
    for (head, wrong) in [
        ("Content-Length: 9000", http::Wrong::Large),
        ("Content-Length: 18446744073709551615", http::Wrong::Large),
        ("Content-Length: -1", http::Wrong::Malformed),
        ("Content-Length: 1\r\nContent-Length: 2", http::Wrong::Malformed),
        ("Transfer-Encoding: chunked", http::Wrong::Malformed),
    ] {
        let mut bytes = format!("POST /set HTTP/1.1\r\n{head}\r\n\r\n").into_bytes();
        assert_eq!(http::take(&mut bytes), Err(wrong), "{head}");
    }
}
