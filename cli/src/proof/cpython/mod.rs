//! The part `cpython`: of CPython's own tests for memory, threads, signals and subprocesses,
//! what passes on Debian's kernel passes here.
//!
//! Both kernels get the same image, in the same kind of machine: Debian's python3.11 with its
//! `test` package ([`package`]), and `services/cpython/cases.py`, which runs each case in a
//! process of its own and bounds its time. What does not pass on Vortex is run on Debian's
//! kernel, and fails the part where it passes there; what is known to is listed, with its
//! reason, in `services/cpython/known-failures.txt`, which may only shrink.

mod cases;
mod package;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::booted::known::Known;
use super::booted::machine::{self, Boots, Plan};
use super::booted::system::System;
use super::booted::tests::Test;
use super::booted::vortex;
use super::{Extent, Verdict, services};
use crate::failure::Failure;
use crate::machine::image::{self, Content, GuestPath, ImageError, Node, Programs, Tree};
use crate::machine::linux::Linux;
use cases::Cases;
use package::{MODULES, PYTHON};

/// Whose cases are run: all of `test` that is about memory, threads, signals and subprocesses,
/// and the calls that these are made of.
const TESTED: &[&str] = &[
    "test_mmap",
    "test_gc",
    "test_thread",
    "test_threading",
    "test_threading_local",
    "test_threadsignals",
    "test_threadedtempfile",
    "test_queue",
    "test_sched",
    "test_signal",
    "test_eintr",
    "test_file_eintr",
    "test_faulthandler",
    "test_subprocess",
    "test_fork1",
    "test_wait3",
    "test_wait4",
    "test_popen",
    "test_pipes",
    "test_posix",
    "test_os",
    "test_atexit",
    "test_select",
    "test_poll",
    "test_resource",
    "test_fcntl",
];
/// What else of the package they use.
const USED: &[&str] = &[
    "__init__.py",
    "support",
    "libregrtest",
    "lock_tests.py",
    "fork_wait.py",
    "signalinterproctester.py",
    "subprocessdata",
    "eintrdata",
    "_test_atexit.py",
    "_test_eintr.py",
    "mapping_tests.py",
    "audit-tests.py",
];
/// What they start.
const PROGRAMS: &[&str] = &[
    "/bin/sh",
    "/bin/cat",
    "/bin/echo",
    "/bin/false",
    "/bin/id",
    "/bin/ls",
    "/bin/pwd",
    "/bin/sleep",
    "/bin/sort",
    "/bin/tr",
    "/bin/true",
];
/// What the C library loads by name when a thread is to end.
const UNWINDER: &str = "/lib/x86_64-linux-gnu/libgcc_s.so.1";
/// The users and groups that there are.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\n";

const DRIVER: &str = "services/cpython/cases.py";
const IN_MACHINE: &str = "/tests/cases.py";
const KNOWN: &str = "services/cpython/known-failures.txt";

/// The seconds that a case may take; in the machine all is slower by a factor of ten.
const CASE: u64 = 60;
/// What a module may, and all of them.
const MODULE: Duration = Duration::from_secs(1500);
const WHOLE: Duration = Duration::from_secs(4800);
/// Mebibytes of the machine: some cases want hundreds of threads.
const MEMORY: u64 = 768;

/// Cases by their modules; where none are named, all.
type Wanted = BTreeMap<String, Vec<String>>;

/// As a part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    let found = package::get(&crate::home::target(root).join("cpython"));
    let (python, linux) = match found.and_then(|python| Ok((python, Linux::get(root)?))) {
        Ok(found) => found,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    whole(root, &python, linux).unwrap_or_else(Verdict::Bad)
}

fn whole(root: &Path, python: &Path, linux: Linux) -> Result<Verdict, String> {
    let known = Known::read(root, KNOWN)?;
    let ours = vortex(root)?;
    let all = TESTED.iter().map(|module| ((*module).to_string(), Vec::new())).collect();
    let (mut cases, mut boots) = run(root, python, &ours, &all)?;
    let bad = cases.bad();
    let mut good_there = Cases::default();
    if !bad.is_empty() {
        (good_there, _) = run(root, python, &System::Linux(linux), &bad)?;
        let again = unexpected(&cases, &good_there, &known);
        if !again.is_empty() {
            // As with the other booted tests: what fails twice is wrong.
            let (second, more) = run(root, python, &ours, &again)?;
            cases.again(second);
            boots.bad_ends += &more.bad_ends;
        }
    }
    Ok(judge(&cases, &good_there, &known, &boots))
}

/// What passes on Debian's kernel only, and is not known.
fn unexpected(cases: &Cases, there: &Cases, known: &Known) -> Wanted {
    let mut wanted = Wanted::new();
    for (name, _) in there.ended.iter().filter(|(_, ended)| ended.is_good()) {
        let good = cases.ended.get(name).is_some_and(cases::Ended::is_good);
        if let Some((module, case)) = name.split_once('.')
            && !good
            && !known.may_fail(name)
        {
            wanted.entry(module.into()).or_default().push(case.into());
        }
    }
    wanted
}

fn judge(cases: &Cases, there: &Cases, known: &Known, boots: &Boots) -> Verdict {
    let mut wrong = boots.bad_ends.clone();
    // Writing to a string does not fail.
    for (module, why) in &cases.broken {
        let _ = writeln!(wrong, "{module}: {why}");
    }
    for (module, names) in unexpected(cases, there, known) {
        for name in names {
            let name = format!("{module}.{name}");
            let ended = cases.ended.get(&name);
            let verdict = ended.map_or("did not run", |ended| &ended.verdict);
            let said = ended.map_or("", |ended| &ended.said);
            let _ = writeln!(wrong, "{name}: {verdict}, and passes on Debian's kernel\n{said}");
        }
    }
    for name in known.names() {
        match cases.ended.get(name) {
            Some(ended) if ended.is_good() && !known.may_work(name) => {
                let _ = writeln!(wrong, "{name}: passes now: take it from {KNOWN}");
            }
            Some(_) => {}
            None => {
                let _ = writeln!(wrong, "{name}: is in {KNOWN}, but is no case");
            }
        }
    }
    if !wrong.is_empty() {
        return Verdict::Bad(format!("{wrong}{}", boots.outside));
    }
    let (all, good, listed) = (cases.ended.len(), cases.good(), known.names().count());
    let neither = all - good - listed.min(all - good);
    Verdict::Good(format!(
        "{good} cases pass, {listed} known not to, {neither} pass on neither kernel or are skipped"
    ))
}

/// Some modules, or cases of them, on one of the kernels: all that did not pass, and whether
/// that is nothing.
///
/// # Errors
/// Where they could not be run.
pub fn some(root: &Path, names: &[String], linux: bool) -> Result<(String, bool), Failure> {
    let python = package::get(&crate::home::target(root).join("cpython"));
    let python = python.map_err(|error| Failure::Booted(error.to_string()))?;
    let system = match linux {
        true => Linux::get(root).map(System::Linux).map_err(|error| error.to_string()),
        false => vortex(root),
    };
    let mut wanted = Wanted::new();
    for name in names {
        let (module, case) = name.split_once('.').unwrap_or((name, ""));
        let cases = wanted.entry(module.into()).or_default();
        cases.extend(Some(case.to_string()).filter(|case| !case.is_empty()));
    }
    let run = system.and_then(|system| run(root, &python, &system, &wanted));
    let (cases, boots) = run.map_err(Failure::Booted)?;
    let mut text = boots.bad_ends;
    for (module, why) in &cases.broken {
        let _ = writeln!(text, "{module}: {why}");
    }
    for (name, ended) in cases.ended.iter().filter(|(_, ended)| !ended.is_good()) {
        let _ = write!(text, "{name}: {}\n{}", ended.verdict, ended.said);
    }
    let (good, all) = (cases.good(), cases.ended.len());
    let _ = writeln!(text, "{}{good} of {all} pass", boots.outside);
    Ok((text, good == all && cases.broken.is_empty()))
}

fn run(
    root: &Path,
    python: &Path,
    system: &System,
    wanted: &Wanted,
) -> Result<(Cases, Boots), String> {
    let programs = services::build(root)?;
    let seconds = CASE.to_string();
    let test = |(module, cases): (&String, &Vec<String>)| {
        let words = [PYTHON, IN_MACHINE, &seconds, module];
        let cases = cases.iter().map(String::as_str);
        Test::new(module, &words.into_iter().chain(cases).collect::<Vec<_>>())
    };
    let tests: Vec<Test> = wanted.iter().map(test).collect();
    let driver = root.join(DRIVER);
    let more = |tree: &mut Tree| fill(tree, python, &driver);
    let plan = Plan { whole: WHOLE, test: MODULE, memory: MEMORY, more: &more };
    let boots =
        machine::run(system, &programs, &tests, &plan).map_err(|error| error.to_string())?;
    Ok((Cases::read(wanted.keys().map(String::as_str), &boots), boots))
}

/// Puts CPython, its tests and what they start into the tree.
fn fill(tree: &mut Tree, python: &Path, driver: &Path) -> Result<(), ImageError> {
    let path = |path: &str| GuestPath::root().follow(path);
    let at = |path: &str| python.join(path.trim_start_matches('/'));
    let mut take = |name: &str| image::take(tree, &at(name), &path(name));
    take(PYTHON)?;
    let mut libraries: Vec<PathBuf> = Vec::new();
    for name in names(&at(MODULES)) {
        match name.as_str() {
            // Begins a package that is Debian's alone, of which nothing is here.
            "sitecustomize.py" => {}
            "test" => {
                let tested = TESTED.iter().map(|module| format!("{module}.py"));
                let used = USED.iter().map(ToString::to_string);
                for name in tested.chain(used).flat_map(with_compiled) {
                    if at(&format!("{MODULES}/test/{name}")).exists() {
                        take(&format!("{MODULES}/test/{name}"))?;
                    }
                }
            }
            name => take(&format!("{MODULES}/{name}"))?,
        }
    }
    for name in names(&at(&format!("{MODULES}/lib-dynload"))) {
        libraries.push(format!("{MODULES}/lib-dynload/{name}").into());
    }
    let file = |text: &str| Node::File(Content::Bytes(text.into()), 0o644);
    tree.put(&path("/etc/passwd"), file(USERS))?;
    tree.put(&path("/etc/group"), file(GROUPS))?;
    tree.put(&path("/root"), Node::Directory(0o700))?;
    tree.put(&path(IN_MACHINE), Node::File(Content::Host(driver.into()), 0o644))?;
    let mut programs = Programs::into(tree);
    for program in PROGRAMS.iter().copied().chain([PYTHON, UNWINDER]) {
        programs.add(program, "CPython's tests")?;
    }
    for library in &libraries {
        programs.add(&library.to_string_lossy(), "CPython")?;
    }
    programs.finish()
}

/// A file of the tests, and what it was compiled to.
fn with_compiled(name: String) -> Vec<String> {
    let compiled =
        name.strip_suffix(".py").map(|name| format!("__pycache__/{name}.cpython-311.pyc"));
    [name].into_iter().chain(compiled).collect()
}

/// The names in a folder of the package, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
