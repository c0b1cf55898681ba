//! The machine of a run: who serves, and which resources are on which cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::figures::SERVERS;
use super::{FIRST_PORT, PAGE};
use crate::args::WebServer;
use crate::commands::experiment::stage::fill;
use crate::failure::Failure;
use crate::home;
use crate::machine::size::Cores;
use crate::volume::{self, VolumeError, Wanted};

const TEMPLATE: &str = "experiments/web/machine.xml";
/// What of Debian's is in it: what starts and ends servers, and one of them.
const BUSYBOX: &str = "/bin/busybox";
const LIGHTTPD: &str = "/usr/sbin/lighttpd";
/// Where the page is, and what says so to whoever makes the root file system.
const FOLDER: &str = "/web";
pub const PLACE: &str = "/web/the-disk-is-mounted-here";

/// Where DIR and DWR are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// On the last core, where others are too.
    Together,
    /// DIR on the core before it.
    Apart,
    /// On the last core, where no others are.
    Alone,
}

/// A run: who serves, with which resources where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who serves.
    pub server: WebServer,
    /// What is where.
    pub layout: Layout,
}

impl Layout {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Together => "DIR and DWR on a core with others",
            Self::Apart => "DIR on another core than DWR",
            Self::Alone => "a core for DIR and DWR alone",
        }
    }
}

impl Run {
    /// Who serves, as people know it.
    pub fn server(self) -> &'static str {
        match self.server {
            WebServer::Own => "services/web",
            WebServer::Lighttpd => "lighttpd",
        }
    }

    /// Whether it is measured what each server has alone: the paper's side runs have that of the
    /// run that they are compared with.
    pub fn is_whole(self) -> bool {
        self.layout == Layout::Together
    }

    /// Programs of ours in it.
    pub fn own(self) -> &'static [&'static str] {
        match self.server {
            WebServer::Own => &["sampler", "web"],
            WebServer::Lighttpd => &["sampler"],
        }
    }

    /// Programs of the host's.
    pub fn host(self) -> &'static [&'static str] {
        match self.server {
            WebServer::Own => &[BUSYBOX],
            WebServer::Lighttpd => &[BUSYBOX, LIGHTTPD],
        }
    }

    /// What a server's own configuration says, and where that is.
    pub fn files(self) -> Vec<(String, String)> {
        let ports = (FIRST_PORT..).zip(SERVERS);
        let each = ports.map(|(port, (name, _))| {
            let text = format!("server.document-root = \"{FOLDER}\"\nserver.port = {port}\n");
            (format!("/etc/{name}.conf"), text)
        });
        match self.server {
            WebServer::Own => Vec::new(),
            WebServer::Lighttpd => each.collect(),
        }
    }

    /// The command of the server with this name.
    fn command(self, name: &str, port: u16) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        match self.server {
            WebServer::Own => words(&[
                "/bin/web",
                "--root",
                FOLDER,
                "--mount",
                "/dev/sda",
                "--port",
                &port.to_string(),
            ]),
            WebServer::Lighttpd => {
                // Whose mount is not the first one's finds it done.
                let script = format!(
                    "busybox mount -t ext2 -o ro /dev/sda {FOLDER}; \
                     exec {LIGHTTPD} -D -f /etc/{name}.conf"
                );
                words(&[BUSYBOX, "sh", "-c", &script])
            }
        }
    }

    /// The configuration of a machine that takes so many samples.
    pub fn configuration(self, cores: Cores, samples: u32) -> Result<String, Failure> {
        let path = home::root()?.join(TEMPLATE);
        let mut text =
            fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
        for (port, (name, _)) in (FIRST_PORT..).zip(SERVERS) {
            let command = self.command(name, port);
            let words = command.iter().map(|word| format!("<argument> {word} </argument>"));
            let words: Vec<_> = words.collect();
            text = text.replace(&format!(" {{{name}}}\n"), &format!(" {}\n", words.join(" ")));
        }
        let last = u32::from(cores.get()) - 1;
        let interrupts = if self.layout == Layout::Apart { last.saturating_sub(1) } else { last };
        let shared = match self.layout {
            Layout::Alone => last.max(1),
            Layout::Together | Layout::Apart => last + 1,
        };
        let text = on_each(&text, shared);
        // The servers are there until all samples are printed.
        let (samples, seconds) = (("samples", samples), ("seconds", samples + 2));
        let values = [("last", last), ("interrupts", interrupts), samples, seconds];
        Ok(fill(&text, cores, &BTreeMap::from(values)))
    }
}

/// The template's text with lines with `{shared}` once for each of so many cores.
fn on_each(template: &str, shared: u32) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let is_one = line.contains("tag=\"cpumux{shared}\"");
        for core in 0..if is_one { shared } else { 1 } {
            text += &line.replace("cpumux{shared}", &format!("cpumux{core}"));
            text.push('\n');
        }
    }
    text
}

/// Makes a disk with the page on it.
pub fn disk(page: &[u8], folder: &Path, image: &Path) -> Result<(), Failure> {
    let unwritable = |error| VolumeError::Write(folder.into(), error);
    fs::create_dir(folder).map_err(unwritable)?;
    fs::write(folder.join(PAGE), page).map_err(unwritable)?;
    let size = Some(4 << 20);
    let wanted = Wanted { size, block: 4096, inodes: None, label: "web".into(), force: false };
    Ok(volume::make(&volume::folder(folder)?, image, &wanted).map(|_| ())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(run: Run, cores: u16) -> String {
        run.configuration(Cores::new(cores).unwrap(), 20).unwrap()
    }

    #[test]
    fn its_configurations_are_sound() {
        for server in [WebServer::Own, WebServer::Lighttpd] {
            for layout in [Layout::Together, Layout::Apart, Layout::Alone] {
                for cores in [1, 2, 3, 8] {
                    let text = text(Run { server, layout }, cores);
                    assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
                    let (_, body) = text.split_once("<schedulerconfig>").unwrap();
                    assert!(!body.contains('{'), "{text}");
                }
            }
        }
    }

    #[test]
    fn resources_are_where_the_layout_has_them() {
        let on = |layout, resource: &str| {
            let text = text(Run { server: WebServer::Own, layout }, 4);
            let rest = text.split_once(&format!("resource=\"{resource}\"")).unwrap().1;
            let own = rest.split_once("</resourcescheduler>").unwrap().0;
            (0..4).filter(|core| own.contains(&format!("cpumux{core}\""))).collect::<Vec<_>>()
        };
        for (layout, dir, ndrr) in [
            (Layout::Together, 3, vec![0, 1, 2, 3]),
            (Layout::Apart, 2, vec![0, 1, 2, 3]),
            (Layout::Alone, 3, vec![0, 1, 2]),
        ] {
            assert_eq!(on(layout, "resource.dwr"), [3], "{layout:?}");
            assert_eq!(on(layout, "resource.ndir"), [dir], "{layout:?}");
            assert_eq!(on(layout, "resource.ndrr"), ndrr, "{layout:?}");
            assert_eq!(on(layout, "resource.thread"), [0], "{layout:?}");
        }
    }
}
