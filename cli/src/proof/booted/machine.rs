//! The machines that run the tests: one if all goes well, one more each time that one dies
//! or hangs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::boot::{self, Limits};
use super::system::System;
use super::tests::Test;
use super::transcript::Outcome;
use crate::failure::Failure;
use crate::machine::ending::Ending;
use crate::machine::image::{self, Content, GuestPath, ImageError, Node, Programs, Tree};

/// Who runs the tests in the machine.
pub const RUNNER: &str = "/tests/run";
const LIST: &str = "/tests/list";
const LIMIT: &str = "/tests/limit";
/// Machines, at most.
const MOST: usize = 12;

/// How tests are run.
pub struct Plan<'a> {
    /// All boots together.
    pub whole: Duration,
    /// How long a test may take; the runner sees to that.
    pub test: Duration,
    /// The machine's memory, in mebibytes.
    pub memory: u64,
    /// What is in the image beside the tests and what they need.
    pub more: &'a dyn Fn(&mut Tree) -> Result<(), ImageError>,
}

impl Plan<'_> {
    /// For tests that are short.
    pub const SHORT: Plan<'static> = Plan {
        whole: Duration::from_secs(300),
        test: Duration::from_secs(8),
        memory: 256,
        more: &|_| Ok(()),
    };
}

/// What a test came to in the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It ended.
    Ended(Outcome),
    /// The machine died or hung with it; what it had printed.
    Broke(String),
}

/// What all boots came to.
#[derive(Debug, Default)]
pub struct Boots {
    /// How many there were.
    pub count: usize,
    /// By the tests' names.
    pub came: BTreeMap<String, Came>,
    /// What was said outside of tests, by machines that did not come to their end.
    pub outside: String,
    /// The same by machines that came to a bad one when all tests were over: with a ledger
    /// that does not balance, or with what nobody has given back.
    pub bad_ends: String,
}

/// Runs tests, in as many machines as it takes.
///
/// # Errors
/// Where an image or a machine cannot be made.
pub fn run(
    system: &System,
    programs: &Path,
    tests: &[Test],
    plan: &Plan<'_>,
) -> Result<Boots, Failure> {
    let mut boots = Boots::default();
    let mut left = tests.to_vec();
    let began = Instant::now();
    while !left.is_empty() && boots.count < MOST && began.elapsed() < plan.whole {
        let (file, _) = image::temporary(&tree(system, programs, &left, plan)?)?;
        let machine = system.machine(file.path(), plan.memory);
        let mut command = machine.command();
        let whole = plan.whole.saturating_sub(began.elapsed());
        let limits = Limits { test: system.patience() + plan.test, whole };
        let boot = boot::follow(&mut command, system.addresses()?, limits);
        let boot = boot.map_err(Failure::Booted)?;
        boots.count += 1;
        let before = boots.came.len();
        let running = boot.transcript.running();
        if let Some((name, output)) = running {
            boots.came.insert(name.into(), Came::Broke(output.into()));
        }
        let complete = boot.transcript.complete;
        if !complete {
            let stopped = boot.stopped.as_deref().unwrap_or("over before its tests were");
            let text = &boot.transcript.outside;
            boots.outside += &format!("the machine was {stopped}; it said:\n{text}");
        }
        let ending = boot.status.map(|status| Ending::of(status, machine.ends_with_status()));
        if complete && ending != Some(Ending::Good) {
            let how = ending.map_or_else(|| "it did not end".into(), |ending| ending.to_string());
            let text = &boot.transcript.outside;
            boots.bad_ends += &format!("after all tests: {how}; the machine said:\n{text}");
        }
        for (name, outcome) in boot.transcript.ended {
            boots.came.insert(name, Came::Ended(outcome));
        }
        if complete || boots.came.len() == before {
            break;
        }
        left.retain(|test| !boots.came.contains_key(&test.name));
    }
    Ok(boots)
}

fn tree(
    system: &System,
    programs: &Path,
    tests: &[Test],
    plan: &Plan<'_>,
) -> Result<Tree, ImageError> {
    let mut tree = Tree::with_basics();
    (plan.more)(&mut tree)?;
    let seconds = Content::Bytes(plan.test.as_secs().to_string().into_bytes());
    tree.put(&GuestPath::root().follow(LIMIT), Node::File(seconds, 0o644))?;
    let path = GuestPath::root().follow(LIST);
    tree.put(&path, Node::File(Content::Bytes(list(tests).into_bytes()), 0o644))?;
    let runner = Content::Host(programs.join("runner"));
    tree.put(&GuestPath::root().follow(RUNNER), Node::File(runner, 0o755))?;
    for folder in tests.iter().flat_map(|test| &test.needs).filter(|path| Path::new(path).is_dir())
    {
        image::take(&mut tree, Path::new(folder), &GuestPath::root().follow(folder))?;
    }
    system.start_runner(&mut tree, programs)?;
    let mut programs = Programs::into(&mut tree);
    for test in tests {
        let files = test.needs.iter().map(String::as_str).filter(|path| !Path::new(path).is_dir());
        for program in files.chain([test.program()]) {
            programs.add(program, &format!("test '{}'", test.name))?;
        }
    }
    programs.finish()?;
    Ok(tree)
}

/// What the runner reads. A word has no tab and no line end.
pub fn list(tests: &[Test]) -> String {
    let line = |test: &Test| format!("{}\t{}\n", test.name, test.words.join("\t"));
    tests.iter().map(line).collect()
}

/// Of a test that printed this and ended so.
#[cfg(test)]
pub fn outcome(output: &str, status: i32) -> Outcome {
    Outcome { output: output.into(), status }
}
