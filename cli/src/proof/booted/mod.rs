//! Booted tests: one boot runs many programs, and the host's Linux is what they are
//! compared with.
//!
//! The image has the programs, and `/tests/list`: a test a line, its name, then the words
//! of its command, apart by tabs. `/tests/run` in the image, a program of this checkout,
//! is to run them in that order, each in an empty directory with [`oracle::ENVIRONMENT`],
//! and to print what [`transcript`] reads. Until there is such a program, this is reached
//! by the hidden subcommand `booted` alone, with an image's folder that has one.

mod boot;
mod compare;
mod oracle;
mod transcript;

use std::path::Path;
use std::time::Duration;

use super::Verdict;
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::console::Symbols;
use crate::machine::image::{self, Content, GuestPath, ImageError, Node, Programs, Tree};
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};
use boot::{Boot, Limits};
use transcript::Outcome;

/// Who runs the tests in the machine.
pub const RUNNER: &str = "/tests/run";
const LIST: &str = "/tests/list";
const CONFIG: &str = "/etc/vortex.xml";
const LIMITS: Limits = Limits { test: Duration::from_secs(20), whole: Duration::from_secs(300) };

/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    name: String,
    /// The program's path, the same on both sides, and its arguments.
    words: Vec<String>,
}

impl Test {
    /// With this name, these words.
    pub fn new(name: &str, words: &[&str]) -> Self {
        Self { name: name.into(), words: words.iter().map(ToString::to_string).collect() }
    }

    fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// The tests that need no program of ours.
pub fn tests() -> Vec<Test> {
    let busybox =
        |name: &str, words: &[&str]| Test::new(name, &[&["/bin/busybox"], words].concat());
    vec![
        busybox("true", &["true"]),
        busybox("false", &["false"]),
        busybox("echo", &["echo", "hello,", "world"]),
        busybox("echo-without-line-end", &["echo", "-n", "hello"]),
        busybox("shell-status", &["sh", "-c", "exit 42"]),
        busybox("shell-pipe", &["sh", "-c", "echo one two | /bin/busybox wc -w"]),
        busybox("shell-loop", &["sh", "-c", "for i in 1 2 3; do echo $i; done"]),
        busybox("file", &["sh", "-c", "echo text > f; /bin/busybox cat f; /bin/busybox rm f"]),
        busybox("no-such-file", &["cat", "/nowhere"]),
    ]
}

/// Runs tests in the machine and beside it. `configuration` starts [`RUNNER`], which is
/// below `folder` with all else that the root file system is to have.
///
/// # Errors
/// Where the image or the machine cannot be made.
pub fn run(
    root: &Path,
    kernel: &Path,
    folder: &Path,
    configuration: &[u8],
    tests: &[Test],
) -> Result<Verdict, Failure> {
    let tree = tree(folder, configuration, tests)?;
    let (file, _) = image::temporary(&tree)?;
    let machine = Machine {
        accelerator: Accelerator::choose(Wish::Auto, false)?,
        counted: false,
        cores: Cores::LEAST,
        memory: Memory::mebibytes(256).unwrap_or(Memory::LEAST),
        kernel: kernel.to_path_buf(),
        image: Some(file.path().to_path_buf()),
        words: vec![format!("config={CONFIG}"), "exit=debug".into()],
        devices: Vec::new(),
    };
    let symbols = Symbols::read(kernel, root)?;
    Ok(match boot::follow(&mut machine.command(), symbols, LIMITS) {
        Ok(boot) => judge(tests, &boot, |test| oracle::run(test, LIMITS.test)),
        Err(error) => Verdict::Bad(error),
    })
}

fn tree(folder: &Path, configuration: &[u8], tests: &[Test]) -> Result<Tree, ImageError> {
    let mut tree = Tree::with_basics();
    image::take(&mut tree, folder, &GuestPath::root())?;
    for (path, bytes) in [(CONFIG, configuration.to_vec()), (LIST, list(tests).into_bytes())] {
        let path = GuestPath::root().follow(path);
        tree.put(&path, Node::File(Content::Bytes(bytes), 0o644))?;
    }
    let mut programs = Programs::into(&mut tree);
    programs.add(RUNNER, "booted tests")?;
    for test in tests {
        programs.add(test.program(), &format!("test '{}'", test.name))?;
    }
    programs.finish()?;
    Ok(tree)
}

fn list(tests: &[Test]) -> String {
    let line = |test: &Test| format!("{}\t{}\n", test.name, test.words.join("\t"));
    tests.iter().map(line).collect()
}

/// Compares what was asked for with what came.
fn judge(tests: &[Test], boot: &Boot, linux: impl Fn(&Test) -> Result<Outcome, String>) -> Verdict {
    let mut wrong = String::new();
    for test in tests {
        let ended = boot.transcript.ended.iter().find(|(name, _)| *name == test.name);
        match (ended, boot.transcript.running()) {
            (Some((name, vortex)), _) => match linux(test) {
                Ok(linux) => {
                    wrong += &compare::difference(name, &linux, vortex).unwrap_or_default()
                }
                Err(error) => wrong += &format!("{name}: {error}\n"),
            },
            (None, Some((name, output))) if name == test.name => {
                wrong += &format!("{name}: did not end; it had printed:\n{output}");
            }
            (None, _) => wrong += &format!("{}: did not run\n", test.name),
        }
    }
    if let Some(stopped) = &boot.stopped {
        wrong += &format!("the machine was {stopped}\n");
    }
    if wrong.is_empty() {
        return Verdict::Good(format!("{} tests in one boot", tests.len()));
    }
    Verdict::Bad(format!("{wrong}outside of tests the console said:\n{}", boot.transcript.outside))
}

#[cfg(test)]
mod unit;
