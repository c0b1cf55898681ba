//! The two kernels that work on the same images: Debian's, and ours. A shell's script in the
//! machine is all that happens; what it says is read by its steps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::built_in;
use crate::failure::Failure;
use crate::machine::console::{self, Manner};
use crate::machine::debian::PackageError;
use crate::machine::disk::Disks;
use crate::machine::ending::Ending;
use crate::machine::image::{self, Content, GuestPath, Node, Programs, Tree};
use crate::machine::linux::{self, Linux};
use crate::proof::booted::{self, system::System};

const SHELL: &str = "/bin/busybox";
const SCRIPT: &str = "/script";
/// Mebibytes of the machine's memory.
const MEMORY: u64 = 256;
/// How a step begins on the console.
const STEP: &str = "images: step ";
/// What is nowhere to be said by ours.
const NEVER: [&str; 4] = ["FRAMES LOST", "PAGES LOST", "OBJECTS LEFT", "LEDGER WRONG"];

/// One of the kernels, ready to boot.
pub struct Side {
    system: System,
    /// Modules, of Debian's.
    modules: Vec<PathBuf>,
    /// Our programs.
    programs: PathBuf,
}

/// What a script does, a step after the other.
#[derive(Clone, Debug, Default)]
pub struct Script {
    text: String,
    /// Programs of ours that it runs beside `files`.
    ours: Vec<&'static str>,
    /// Programs of the host that it needs.
    host: Vec<&'static str>,
    /// Files in the machine.
    files: Vec<(String, Vec<u8>)>,
}

/// What each step said, line by line.
pub type Said = BTreeMap<String, Vec<String>>;

impl Script {
    /// A step with a name.
    pub fn step(&mut self, name: &str, commands: &str) {
        let _ = writeln!(self.text, "/bin/busybox echo '{STEP}{name}'\n{commands}");
    }

    /// A file that it reads.
    pub fn file(&mut self, path: &str, content: &str) {
        self.files.push((path.into(), content.as_bytes().to_vec()));
    }

    /// A program of ours that it runs.
    pub fn needs_ours(&mut self, program: &'static str) {
        self.ours.push(program);
    }

    /// A program of the host that it runs.
    pub fn needs(&mut self, program: &'static str) {
        self.host.push(program);
    }
}

impl Side {
    /// Debian's.
    ///
    /// # Errors
    /// Why its kernel or its modules cannot be had.
    pub fn linux(root: &Path, programs: &Path) -> Result<Self, PackageError> {
        let (linux, modules) = (Linux::get(root)?, Linux::modules(root)?);
        Ok(Self { system: System::Linux(linux), modules, programs: programs.into() })
    }

    /// Ours.
    ///
    /// # Errors
    /// What the build said.
    pub fn vortex(root: &Path, programs: &Path) -> Result<Self, String> {
        let system = booted::vortex(root)?;
        Ok(Self { system, modules: Vec::new(), programs: programs.into() })
    }

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        self.system.name()
    }

    /// Whether it is ours.
    pub const fn is_ours(&self) -> bool {
        matches!(self.system, System::Vortex { .. })
    }

    /// Boots it with these disks, to its end, which must be a good one. What each step said.
    ///
    /// # Errors
    /// In words, with the end of what the console said.
    pub fn run(&self, script: &Script, disks: &Disks, limit: Duration) -> Result<Said, String> {
        let (ending, said) = self.boot(script, disks, limit).map_err(|error| error.to_string())?;
        let name = self.name();
        if ending != Ending::Good || said.is_empty() {
            return Err(format!("{name}: {ending}; it said:\n{}", last(&said)));
        }
        let never = |line: &&str| NEVER.iter().any(|never| line.contains(never));
        match said.lines().find(never) {
            Some(line) => Err(format!("{name}: {line}\n{}", last(&said))),
            None => Ok(steps(&said)),
        }
    }

    fn boot(
        &self,
        script: &Script,
        disks: &Disks,
        limit: Duration,
    ) -> Result<(Ending, String), Failure> {
        let mut tree = Tree::with_basics();
        let path = |text: &str| GuestPath::root().follow(text);
        for letter in 'a'..='p' {
            tree.put(&path(&format!("/mnt/{letter}")), Node::Directory(0o755))?;
        }
        for name in script.ours.iter().copied().chain(["files"]) {
            image::take(&mut tree, &self.programs.join(name), &path(&format!("/bin/{name}")))?;
        }
        let text = Content::Bytes(script.text.clone().into_bytes());
        tree.put(&path(SCRIPT), Node::File(text, 0o755))?;
        for (place, content) in &script.files {
            tree.put(&path(place), Node::File(Content::Bytes(content.clone()), 0o644))?;
        }
        let command = [SHELL, "sh", SCRIPT];
        match &self.system {
            System::Linux(_) => {
                linux::start(&mut tree, &self.programs, [&command[..]])?;
                linux::load(&mut tree, &self.modules, disks.disks.len())?;
            }
            System::Vortex { .. } => {
                let words = command.map(String::from);
                let config = built_in::text(booted::system::cores(), &words).into_bytes();
                let node = Node::File(Content::Bytes(config), 0o644);
                tree.put(&path(booted::system::CONFIG), node)?;
            }
        }
        let mut needs = Programs::into(&mut tree);
        for program in script.host.iter().copied().chain([SHELL]) {
            needs.add(program, "the part 'images'")?;
        }
        needs.finish()?;
        let (file, _) = image::temporary(&tree)?;
        let mut machine = self.system.machine(file.path(), MEMORY);
        machine.disks = disks.clone();
        let events = console::watch()?;
        let manner = Manner { limit: Some(limit), with_status: machine.ends_with_status() };
        Ok(console::capture(machine.command(), &events, manner)?)
    }
}

/// The end of what a console said.
fn last(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.len().saturating_sub(40);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn steps(said: &str) -> Said {
    let (mut steps, mut at) = (Said::new(), String::new());
    for line in said.lines().map(str::trim_end) {
        match line.strip_prefix(STEP) {
            Some(name) => at = name.into(),
            None => steps.entry(at.clone()).or_default().push(line.into()),
        }
    }
    steps
}

/// Our program's words in a step: what follows `files: `, once it has said only what is good.
///
/// # Errors
/// Everything that the step said, where something is wrong.
pub fn good<'a>(said: &'a Said, step: &str) -> Result<Vec<&'a str>, String> {
    let all = said.get(step).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<&str> = all.iter().filter_map(|line| line.strip_prefix("files: ")).collect();
    match words.is_empty() || words.iter().any(|line| line.starts_with("WRONG")) {
        true => Err(format!("step '{step}': {}", all.join("\n"))),
        false => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_read_by_its_steps() {
        let said = steps("boot\r\nimages: step a\r\nfiles: x\r\nnoise\r\nimages: step b\r\n");
        assert_eq!(good(&said, "a").unwrap(), ["x"]);
        assert!(good(&said, "b").is_err());
        let said = steps("images: step a\nfiles: x\nfiles: WRONG: y\n");
        assert!(good(&said, "a").unwrap_err().contains("WRONG: y"));
    }
}
