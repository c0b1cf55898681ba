//! Runs the tests that `/tests/list` names, one after the other, and prints for each
//! `TEST <name> BEGIN`, what it printed, and `TEST <name> EXIT <status>`.
//!
//! A test's output comes through a pipe, as it does where Linux runs the same test: it finds
//! no terminal, and what it prints is bounded. One that does not end in time is killed, and
//! given up where that does not help: the others still run.

mod list;
mod test;

use std::time::Duration;

use vortex_guest::{file, out, proc, say};

const LIST: &str = "/tests/list";
/// How many seconds a test may take, where that is other than usual.
const LIMIT: &str = "/tests/limit";
/// What is usual.
const USUAL: Duration = Duration::from_secs(8);

fn main() {
    let text = match file::get(LIST) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => out::fail(&format!("{LIST}: {error}")),
    };
    let limit = file::get(LIMIT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let limit = limit.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    for (place, (name, words)) in list::read(&text).enumerate() {
        say!("TEST {name} BEGIN");
        let status = test::run(place, &words, limit.unwrap_or(USUAL));
        say!("TEST {name} EXIT {status}");
    }
    say!("TESTS END");
    proc::exit(0)
}
