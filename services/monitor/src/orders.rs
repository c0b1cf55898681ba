//! Orders: what the host has the monitor do, by a right that its activity has.
//!
//! # Invariants
//! Nothing of an order is looked at before its secret, and how long looking at that takes tells
//! nothing of it.

use std::hint::black_box;

use vortex_abi::performance::{PROCESSORS, Sample};
use vortex_guest::{Errno, Res, activity};

use crate::form::Form;
use crate::http::Order;

/// The system calls by which orders are carried out.
pub trait Calls {
    /// Changes a scheduler, or what an activity has there.
    ///
    /// # Errors
    /// The call's, with what is known of why.
    fn change(&mut self, order: &str) -> Result<(), (Errno, String)>;

    /// Begins a process in an activity, with these words and this environment.
    ///
    /// # Errors
    /// The call's.
    fn begin(&mut self, activity: &str, words: &[&str], environment: &[&str]) -> Res<()>;

    /// Has every core record what it runs: on how many.
    ///
    /// # Errors
    /// The call's.
    fn record(&mut self, milliseconds: u32) -> Res<usize>;

    /// Takes a piece of what a core has recorded.
    ///
    /// # Errors
    /// The call's.
    fn recorded(&mut self, core: u16, from: u32, buffer: &mut [u8]) -> Res<usize>;
}

/// The machine's own.
pub struct Machine;

impl Calls for Machine {
    fn change(&mut self, order: &str) -> Result<(), (Errno, String)> {
        activity::change(order)
    }

    fn begin(&mut self, activity: &str, words: &[&str], environment: &[&str]) -> Res<()> {
        activity::begin(activity, words, environment)
    }

    fn record(&mut self, milliseconds: u32) -> Res<usize> {
        activity::record(milliseconds)
    }

    fn recorded(&mut self, core: u16, from: u32, buffer: &mut [u8]) -> Res<usize> {
        activity::recorded(core, from, buffer)
    }
}

/// Who may give orders, and what carries them out.
pub struct Orders {
    secret: Option<String>,
    pub(crate) calls: Box<dyn Calls>,
}

/// A status and what is said with it.
pub type Said = (&'static str, String);

/// Who runs a program for the host.
const RUNNER: &str = "/vortex/exec";

pub const BAD: &str = "400 Bad Request";
pub const FORBIDDEN: &str = "403 Forbidden";
const UNKNOWN: &str = "404 Not Found";
pub const CONFLICT: &str = "409 Conflict";
const NO_RIGHT: &str = "This monitor takes no orders: its activity has no control=\"all\" in the \
    configuration. Give it that, and begin the machine again.\n";

impl Orders {
    /// Those of who has this secret; nobody's where there is none.
    pub fn new(secret: Option<String>, calls: Box<dyn Calls>) -> Self {
        Self { secret: secret.filter(|secret| !secret.is_empty()), calls }
    }

    /// Whether these orders are to be carried out.
    ///
    /// # Errors
    /// What is answered where they are not.
    pub fn admit(&self, order: &Order) -> Result<(), Said> {
        let Some(own) = &self.secret else { return Err((FORBIDDEN, NO_RIGHT.into())) };
        match &order.secret {
            Some(said) if same(own.as_bytes(), said.as_bytes()) => Ok(()),
            _ => {
                Err((FORBIDDEN, "The secret is not the one that this machine's host has.\n".into()))
            }
        }
    }

    /// Changes a scheduler, or what an activity has there: fields `resource`, and `activity` where it
    /// is that one's, and what is to be, as the call `change` has it.
    ///
    /// # Errors
    /// What is answered where it is not changed.
    pub fn set(&mut self, order: &Order) -> Result<Said, Said> {
        let form = Form::read(&order.body).ok_or_else(|| wrong("This is no form."))?;
        let Some(at) = form.get("resource") else {
            return Err(wrong("A resource is needed, or cpu, all, or another scheduler's tag."));
        };
        let line = |(name, value): (&str, &str)| {
            let name = if name == "resource" { "at" } else { name };
            let lines = format!("{name}={value}");
            (!lines.contains(['\n', '\r', '\0'])).then_some(lines)
        };
        let lines: Option<Vec<String>> = form.all().map(line).collect();
        let lines = lines.ok_or_else(|| wrong("A value has one line."))?;
        match self.calls.change(&lines.join("\n")) {
            Ok(()) => Ok(("200 OK", done(&form, at))),
            Err((error, why)) => {
                let sentence = |why: &str| {
                    let first = why.chars().next().into_iter().flat_map(char::to_uppercase);
                    let rest = why.chars().skip(1);
                    format!("{}.\n", first.chain(rest).collect::<String>())
                };
                let why = if why.is_empty() { error.to_string() } else { why };
                Err(match error.0 {
                    libc::EPERM => (FORBIDDEN, NO_RIGHT.into()),
                    libc::ESRCH | libc::ENXIO => (UNKNOWN, sentence(&why)),
                    libc::EBUSY | libc::ENOSPC => (CONFLICT, sentence(&why)),
                    libc::EINVAL => (BAD, sentence(&why)),
                    _ => ("500 Internal Server Error", format!("It stays as it is: {error}.\n")),
                })
            }
        }
    }

    /// Begins who runs a program for the host, in an activity: fields `activity`, `host` where
    /// the host waits for it, and `token` by which that knows it.
    ///
    /// # Errors
    /// What is answered where it is not begun.
    pub fn exec(
        &mut self,
        order: &Order,
        sample: &mut dyn FnMut() -> Option<Sample>,
    ) -> Result<Said, Said> {
        let form = Form::read(&order.body).ok_or_else(|| wrong("This is no form."))?;
        let (Some(name), Some(host), Some(token)) =
            (form.get("activity"), form.get("host"), form.get("token"))
        else {
            return Err(wrong("An activity, a host and a token are needed."));
        };
        let token = format!("VORTEX_TOKEN={token}");
        match self.calls.begin(name, &[RUNNER, host], &[&token]) {
            Ok(()) => Ok(("200 OK", format!("A process of {name} is begun.\n"))),
            Err(error) => Err(match error.0 {
                libc::EPERM => (FORBIDDEN, NO_RIGHT.into()),
                libc::ESRCH => (UNKNOWN, no_activity(name, sample().as_ref())),
                libc::EAGAIN => (
                    CONFLICT,
                    format!(
                        "{name} has as many processes or threads as it may have, or as many that \
                         are to begin.\n"
                    ),
                ),
                libc::ENOMEM => (CONFLICT, format!("{name} has no memory for a process.\n")),
                libc::EINVAL => (BAD, "These cannot be words of a program.\n".into()),
                _ => ("500 Internal Server Error", format!("It is not begun: {error}.\n")),
            }),
        }
    }
}

pub fn wrong(why: &str) -> Said {
    (BAD, format!("{why}\n"))
}

/// Whether the two are the same; takes as long for any two of these lengths.
fn same(own: &[u8], said: &[u8]) -> bool {
    let mut different = u8::from(own.len() != said.len());
    for (own, said) in own.iter().cycle().zip(said) {
        different |= own ^ said;
    }
    black_box(different) == 0
}

/// What is said of an order that is carried out.
fn done(form: &Form, at: &str) -> String {
    let on = form.get("core").map(|core| format!(" on core {core}")).unwrap_or_default();
    let about = ["resource", "activity", "core"];
    let said: Vec<_> = form.all().filter(|(name, _)| !about.contains(name)).collect();
    if let (Some(name), [("share", share)]) = (form.get("activity"), &said[..])
        && *share != "none"
    {
        return format!("{name} has a share of {share} at {}{on}.\n", in_full(at));
    }
    let of = form.get("activity").map(|of| format!("{of} at ")).unwrap_or_default();
    let said: Vec<_> = said.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!("{of}{at}{on}: {}.\n", said.join(", "))
}

/// A resource's whole name: `cpu` and `tcp` are short.
fn in_full(resource: &str) -> String {
    match resource {
        "all" => "all".into(),
        "cpu" => PROCESSORS.into(),
        name if name.starts_with("resource.") => name.into(),
        name => format!("resource.{name}"),
    }
}

/// That there is no such activity, and which there are.
pub fn no_activity(name: &str, sample: Option<&Sample>) -> String {
    // Parts of activities are not changed by name.
    let all = sample.map(|sample| sample.names.iter().map(|(_, name)| name.as_str()));
    let all = all.into_iter().flatten().filter(|name| !name.contains('/'));
    format!("There is no activity '{name}'; there are {}.\n", all.collect::<Vec<_>>().join(", "))
}
