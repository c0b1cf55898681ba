//! The two sites: Debian's lighttpd twice, as it is, on this kernel and on Debian's. Each ends
//! when somebody connects to its second port.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::experiment::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::{self, Manner};
use crate::machine::debian::PackageError;
use crate::machine::disk::Disks;
use crate::machine::ending::Ending;
use crate::machine::image::{self, Content, GuestPath, Node, Programs, Tree};
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};
use crate::machine::{linux, own};
use crate::wire::{HOST, MACHINE, devices, words};

const TEMPLATE: &str = "experiments/floods/machine.xml";
const BUSYBOX: &str = "/bin/busybox";
const LIGHTTPD: &str = "/usr/sbin/lighttpd";
/// Bytes of the page.
const PAGE: usize = 1_000;

/// A site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Of which activity.
    pub name: &'static str,
    /// Where it serves.
    pub port: u16,
    /// Where it is told to end.
    pub end: u16,
}

/// The one that is measured, and the one that is flooded.
pub const SITE: Site = Site { name: "site", port: 80, end: 1080 };
pub const OTHER: Site = Site { name: "other", port: 81, end: 1081 };

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Vortex.
    Ours,
    /// Debian's.
    Linux,
}

impl Side {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "Vortex",
            Self::Linux => "Debian's kernel",
        }
    }
}

impl Site {
    fn script(self) -> String {
        let Self { name, end, .. } = self;
        format!(
            "{LIGHTTPD} -D -f /etc/{name}.conf &\n\
             SERVER=$!\nbusybox nc -l -p {end} > /dev/null\nkill $SERVER\nwait\n"
        )
    }

    fn configuration(self) -> String {
        let port = self.port;
        format!("server.document-root = \"/web\"\nserver.port = {port}\n")
    }
}

/// The files that both have.
fn files() -> Vec<(String, Vec<u8>)> {
    let page: Vec<u8> = (0..PAGE).map(|at| (at * 7 + at / 251) as u8).collect();
    let mut all = vec![("/web/page".to_string(), page)];
    for site in [SITE, OTHER] {
        all.push((format!("/etc/{}.sh", site.name), site.script().into_bytes()));
        all.push((format!("/etc/{}.conf", site.name), site.configuration().into_bytes()));
    }
    all
}

/// Runs the machine whose wire is in this folder to its end. What its console said.
pub fn serve(
    side: Side,
    accelerator: Accelerator,
    cores: Cores,
    wire: &Path,
    limit: Duration,
) -> Result<String, Failure> {
    match side {
        Side::Ours => ours(accelerator, cores, wire, limit),
        Side::Linux => theirs(accelerator, cores, wire, limit),
    }
}

fn ours(
    accelerator: Accelerator,
    cores: Cores,
    wire: &Path,
    limit: Duration,
) -> Result<String, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        std::fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let config = fill(&template, cores, &std::collections::BTreeMap::new());
    let (devices, words) = (devices(wire), words());
    let (devices, words) =
        (devices.each_ref().map(String::as_str), words.each_ref().map(String::as_str));
    let files = files();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), &text[..])).collect();
    let beside = Beside {
        host: &[BUSYBOX, LIGHTTPD],
        devices: &devices,
        words: &words,
        files: &files,
        ..Beside::default()
    };
    Stage { accelerator, counted: false, cores }.run_with(&config, &[], limit, beside)
}

fn no_linux(why: PackageError) -> Failure {
    Failure::Unexpected("Debian's kernel", why.to_string())
}

fn theirs(
    accelerator: Accelerator,
    cores: Cores,
    wire: &Path,
    limit: Duration,
) -> Result<String, Failure> {
    let root = home::root()?;
    let linux = linux::Linux::get(&root).map_err(no_linux)?;
    let modules: Vec<PathBuf> = linux::Linux::modules(&root).map_err(no_linux)?;
    let folder = own::build(&root)?;
    let mut tree = Tree::with_basics();
    for host in [BUSYBOX, LIGHTTPD] {
        image::take(&mut tree, Path::new(host), &GuestPath::root().follow(host))?;
    }
    for (path, text) in files() {
        tree.put(&GuestPath::root().follow(&path), Node::File(Content::Bytes(text), 0o644))?;
    }
    let mut needs = Programs::into(&mut tree);
    for host in [BUSYBOX, LIGHTTPD] {
        needs.add(host, "the experiment")?;
    }
    needs.finish()?;
    let begin = format!(
        "busybox ifconfig eth0 {MACHINE} netmask 255.255.255.0 up\n\
         busybox route add default gw {HOST}\n\
         busybox sh /etc/{}.sh & busybox sh /etc/{}.sh & wait",
        SITE.name, OTHER.name
    );
    linux::start(&mut tree, &folder, [&[BUSYBOX, "sh", "-c", &begin.replace('\n', "; ")][..]])?;
    linux::load(&mut tree, &modules, 0)?;
    let (file, _) = image::temporary(&tree)?;
    let machine = Machine {
        accelerator,
        counted: false,
        cores,
        memory: Memory::mebibytes(256).unwrap_or(Memory::LEAST),
        kernel: linux.kernel.clone(),
        image: Some(file.path().to_path_buf()),
        words: linux::Linux::words(),
        disks: Disks::default(),
        devices: devices(wire).map(Into::into).into(),
    };
    let events = console::watch()?;
    let manner = Manner { limit: Some(limit), with_status: false };
    match console::capture(machine.command(), &events, manner)? {
        (Ending::Good, said) => Ok(said),
        (other, said) => Err(Failure::ProgramFailed(format!("Linux's machine ({other})"), said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let template = std::fs::read_to_string(home::root().unwrap().join(TEMPLATE)).unwrap();
        let config = fill(&template, Cores::new(2).unwrap(), &std::collections::BTreeMap::new());
        assert!(crate::config_file::parse(config.as_bytes()).is_ok(), "{config}");
    }
}
