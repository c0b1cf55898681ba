//! The machines that run the tests: one if all goes well, one more each time that one dies
//! or hangs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::boot::{self, Limits};
use super::tests::Test;
use super::transcript::Outcome;
use crate::commands::built_in;
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::Symbols;
use crate::machine::image::{self, Content, GuestPath, ImageError, Node, Programs, Tree};
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};

/// Who runs the tests in the machine.
const RUNNER: &str = "/tests/run";
const LIST: &str = "/tests/list";
const CONFIG: &str = "/etc/vortex.xml";
/// From one word about a test to the next: more than the runner gives it.
const TEST: Duration = Duration::from_secs(15);
/// All boots together.
const WHOLE: Duration = Duration::from_secs(300);
/// Machines, at most.
const MOST: usize = 12;
const CORES: u16 = 2;

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
}

/// Runs tests, in as many machines as it takes.
///
/// # Errors
/// Where an image or a machine cannot be made.
pub fn run(root: &Path, kernel: &Path, programs: &Path, tests: &[Test]) -> Result<Boots, Failure> {
    let mut boots = Boots::default();
    let mut left = tests.to_vec();
    let began = Instant::now();
    while !left.is_empty() && boots.count < MOST && began.elapsed() < WHOLE {
        let (file, _) = image::temporary(&tree(programs, &left)?)?;
        let machine = machine(kernel, file.path())?;
        let limits = Limits { test: TEST, whole: WHOLE.saturating_sub(began.elapsed()) };
        let symbols = Symbols::read(kernel, root)?;
        let boot =
            boot::follow(&mut machine.command(), symbols, limits).map_err(Failure::Booted)?;
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

fn machine(kernel: &Path, image: &Path) -> Result<Machine, Failure> {
    Ok(Machine {
        accelerator: Accelerator::Tcg,
        counted: false,
        cores: Cores::new(CORES).unwrap_or(Cores::LEAST),
        memory: Memory::mebibytes(256).unwrap_or(Memory::LEAST),
        kernel: kernel.to_path_buf(),
        image: Some(image.to_path_buf()),
        words: vec![format!("config={CONFIG}"), "exit=debug".into()],
        devices: Vec::new(),
    })
}

fn tree(programs: &Path, tests: &[Test]) -> Result<Tree, ImageError> {
    let mut tree = Tree::with_basics();
    let cores = Cores::new(CORES).unwrap_or(Cores::LEAST);
    let config = built_in::text(cores, &[RUNNER.into()]);
    for (path, bytes) in [(CONFIG, config), (LIST, list(tests))] {
        let path = GuestPath::root().follow(path);
        tree.put(&path, Node::File(Content::Bytes(bytes.into_bytes()), 0o644))?;
    }
    let runner = Content::Host(programs.join("runner"));
    tree.put(&GuestPath::root().follow(RUNNER), Node::File(runner, 0o755))?;
    for folder in tests.iter().flat_map(|test| &test.needs).filter(|path| Path::new(path).is_dir())
    {
        image::take(&mut tree, Path::new(folder), &GuestPath::root().follow(folder))?;
    }
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
