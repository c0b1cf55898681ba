//! What an experiment's machine is made of: a configuration from a template, our programs,
//! and QEMU; and what its console said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::config_file;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::{self, Manner};
use crate::machine::disk::Disks;
use crate::machine::image::{self, GuestPath, Programs, Tree};
use crate::machine::own;
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};
use crate::machine::{ending::Ending, kernel};

/// Where the configuration is in the root file system.
const CONFIG: &str = "/etc/vortex.xml";

/// How the machines of an experiment are made.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// What executes their instructions.
    pub accelerator: Accelerator,
    /// Whether guest time counts instructions.
    pub counted: bool,
    /// Their cores.
    pub cores: Cores,
}

/// What a machine has beside our programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Further words on the kernel's command line.
    pub words: &'a [&'a str],
    /// Programs of the host, each at its path, with the libraries that they need.
    pub host: &'a [&'a str],
    /// Files, each with what is in it.
    pub files: &'a [(&'a str, &'a [u8])],
    /// How much memory, where the usual is too little.
    pub memory: Option<Memory>,
    /// Further words for QEMU.
    pub devices: &'a [&'a str],
    /// Disks.
    pub disks: Option<&'a Disks>,
}

/// The template's text with its values: lines with `{core}` once for each core.
pub fn fill(template: &str, cores: Cores, values: &BTreeMap<&str, u32>) -> String {
    let mut text = String::new();
    let mut comment = false;
    for line in template.lines() {
        comment |= line.contains("<!--");
        if line.contains("{core}") && !comment {
            for core in 0..cores.get() {
                text += &line.replace("{core}", &core.to_string());
                text.push('\n');
            }
        } else if comment {
            // Braces in a comment are the template's own words.
        } else {
            text += line;
            text.push('\n');
        }
        comment &= !line.contains("-->");
    }
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), &value.to_string());
    }
    text.replace("{cores}", &cores.to_string())
}

impl Stage {
    /// Runs a machine with this configuration and these programs of ours, each at
    /// `/bin/NAME`, to its end, which must be a good one: every cycle on a bill, no frame and
    /// no object left. What its console said.
    pub fn run(
        &self,
        config_text: &str,
        programs: &[&str],
        limit: Duration,
    ) -> Result<String, Failure> {
        self.run_with(config_text, programs, limit, Beside::default())
    }

    /// The same with what there is beside.
    pub fn run_with(
        &self,
        config_text: &str,
        programs: &[&str],
        limit: Duration,
        beside: Beside<'_>,
    ) -> Result<String, Failure> {
        let (ending, said) = self.end(config_text, programs, limit, beside)?;
        match ending {
            // QEMU's own failure looks alike where the kernel was to end with a status.
            Ending::Good if said.is_empty() => Err(Failure::NoMachine),
            Ending::Good => Ok(said),
            other => {
                let last: Vec<&str> = said.lines().rev().take(20).collect();
                let last: String =
                    last.into_iter().rev().map(|line| format!("\n  {line}")).collect();
                Err(Failure::ProgramFailed(format!("the machine ({other})"), last))
            }
        }
    }

    /// The same to whatever end, which is told.
    pub fn end(
        &self,
        config_text: &str,
        programs: &[&str],
        limit: Duration,
        beside: Beside<'_>,
    ) -> Result<(Ending, String), Failure> {
        let root = home::root()?;
        if let Err(flaws) = config_file::parse(config_text.as_bytes()) {
            config_file::complain(Path::new("the experiment's configuration"), &flaws);
            return Err(Failure::Unexpected("a sound configuration", config_text.into()));
        }
        let mut tree = Tree::with_basics();
        let text = image::Content::Bytes(config_text.as_bytes().to_vec());
        tree.put(&GuestPath::root().follow(CONFIG), image::Node::File(text, 0o644))?;
        for (path, bytes) in beside.files {
            let content = image::Content::Bytes(bytes.to_vec());
            tree.put(&GuestPath::root().follow(path), image::Node::File(content, 0o644))?;
        }
        let folder = own::build(&root)?;
        for name in programs {
            let path = GuestPath::root().follow(&format!("/bin/{name}"));
            image::take(&mut tree, &folder.join(name), &path)?;
        }
        for host in beside.host {
            image::take(&mut tree, Path::new(host), &GuestPath::root().follow(host))?;
        }
        let mut needs = Programs::into(&mut tree);
        for name in programs {
            needs.add(&format!("/bin/{name}"), "the experiment")?;
        }
        for host in beside.host {
            needs.add(host, "the experiment")?;
        }
        needs.finish()?;
        let kernel = kernel::build(&root)?;
        let (file, _) = image::temporary(&tree)?;
        let machine = Machine {
            accelerator: self.accelerator,
            counted: self.counted,
            cores: self.cores,
            memory: beside.memory.or(Memory::mebibytes(256)).unwrap_or(Memory::LEAST),
            kernel,
            image: Some(file.path().to_path_buf()),
            words: [format!("config={CONFIG}"), "exit=debug".into()]
                .into_iter()
                .chain(beside.words.iter().map(ToString::to_string))
                .collect(),
            disks: beside.disks.cloned().unwrap_or_default(),
            devices: beside.devices.iter().map(OsString::from).collect(),
        };
        let events = console::watch()?;
        let manner = Manner { limit: Some(limit), with_status: machine.ends_with_status() };
        Ok(console::capture(machine.command(), &events, manner)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_a_configuration() {
        let template = "<!-- {core} -->\n<a x=\"{core}\"/>\n<b> {cores} {n} </b>\n";
        let cores = Cores::new(2).unwrap();
        let text = fill(template, cores, &BTreeMap::from([("n", 7)]));
        assert_eq!(text, "<a x=\"0\"/>\n<a x=\"1\"/>\n<b> 2 7 </b>\n");
    }
}
