//! The arguments of `run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as Arguments;

use crate::machine::accelerator::Wish;
use crate::machine::image::GuestPath;
use crate::machine::network::Published;
use crate::machine::size::{Cores, Memory};

/// Arguments of `run`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  ./vortex run                                     three web sites at 50, 33 and 17 %, and who has what
  ./vortex run -- /bin/sh                          busybox's shell, alone in the machine
  ./vortex run -- /bin/busybox uname -a            one program instead
  ./vortex run services.xml --add ./web=/bin/web   the services of a file, one of them built here
  ./vortex run --net --publish 8080:80 -- /bin/busybox httpd -f -h /srv
                                                   a server that this host reaches at port 8080
  ./vortex run services.xml --dry-run              what QEMU would be told, what the image has

A configuration with a service /vortex/monitor is hosted: a table of who has what is in the
console's place, which './vortex logs' shows, and a dashboard is served to this host's browsers.
Ports that its services have (<port number= host=/>) are this host's too. Ctrl-C ends it.

Otherwise the console is the machine's first serial port. Ctrl-C stops the machine (on a terminal
Ctrl-A X does too, and Ctrl-A C sends Ctrl-C to it). Addresses of a kernel's backtrace get names.

Ends with 0 where the machine ended by itself and well, was stopped by a key, or hosts and was
told to end; with 1 where it did not; with 124 where its time was over; with 128 + N where this
command got signal N.")]
pub struct Run {
    /// The configuration, with the services to start; not said: examples/web-sites.xml.
    #[arg(value_name = "FILE.xml")]
    pub file: Option<PathBuf>,
    /// How many cores, 1 to 64; not said: as many as the configuration uses, 1 with a PROGRAM.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// How much memory, from 64M; not said: as the configuration says, 256M with a PROGRAM.
    #[arg(long, value_name = "AMOUNT")]
    pub memory: Option<Memory>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Guest time counts instructions, 2 ns each, and every run is like every other.
    /// Not with KVM.
    #[arg(long)]
    pub counted: bool,
    /// Everything below this directory of the host is in the machine's root file system.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// A file or directory of the host, and where it is in the machine.
    #[arg(long, value_name = "HOST=GUEST", value_parser = addition)]
    pub add: Vec<Addition>,
    /// A raw disk image of the host's: /dev/sda in the machine, the next /dev/sdb.
    #[arg(long, value_name = "FILE")]
    pub disk: Vec<PathBuf>,
    /// A network card, on a network of QEMU's own: the machine is 10.0.2.15, this host 10.0.2.2, or
    /// what its configuration says (`address` and `gateway` of the machine).
    #[arg(long)]
    pub net: bool,
    /// A port of this host's (127.0.0.1) that is one of the machine's; with --net.
    #[arg(long, value_name = "HOSTPORT:GUESTPORT[/udp]", requires = "net")]
    pub publish: Vec<Published>,
    /// Further words for the kernel's command line.
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Further words for QEMU; quoting is not looked at.
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub qemu: Vec<String>,
    /// Boot this ELF file instead of building the kernel.
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Stop the machine after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    pub timeout: Option<Duration>,
    /// Show the console, though there is a monitor.
    #[arg(long)]
    pub console: bool,
    /// The dashboard's port; not said: 8080, or another where that is taken. 0 is none.
    #[arg(long, value_name = "PORT")]
    pub dashboard: Option<u16>,
    /// How often the table is printed where there is no terminal.
    #[arg(long, value_name = "SECONDS", value_parser = timeout, default_value = "10")]
    pub every: Duration,
    /// Build and start nothing; print QEMU's command line and what the image would have.
    #[arg(long)]
    pub dry_run: bool,
    /// What runs alone in the machine instead, with its arguments.
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "file")]
    pub program: Vec<String>,
}

/// What `--add` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// On the host.
    pub host: PathBuf,
    /// In the machine.
    pub guest: GuestPath,
}

fn addition(text: &str) -> Result<Addition, String> {
    // The host's name may have an equals sign, the machine's hardly.
    let (host, guest) = text.rsplit_once('=').ok_or("HOST=GUEST, such as ./web=/bin/web")?;
    let guest = GuestPath::new(guest).filter(|_| !host.is_empty());
    let guest = guest.ok_or("after the '=' an absolute path without '..', such as /bin/web")?;
    Ok(Addition { host: host.into(), guest })
}

fn timeout(text: &str) -> Result<Duration, String> {
    super::seconds(text).map(Duration::from_secs_f64)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn read(line: &str) -> Result<Run, clap::Error> {
        let words = ["vortex", "run"].into_iter().chain(line.split_whitespace());
        match Args::try_parse_from(words)?.command {
            Command::Run(run) => Ok(*run),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_program_follows_two_dashes() {
        let run = read("--cores 4 --append quiet -- /bin/busybox ls -l").unwrap();
        assert_eq!(run.program, ["/bin/busybox", "ls", "-l"]);
        assert_eq!(run.cores.map(Cores::get), Some(4));
        assert!(read("a.xml -- /bin/ls").is_err());
        assert!(read("--cores 65").is_err());
        assert!(read("--timeout 0").is_err());
    }

    #[test]
    fn additions_name_both_sides() {
        let addition = addition("a=b=/c/").unwrap();
        assert_eq!((addition.host, addition.guest.as_str()), ("a=b".into(), "/c"));
        for wrong in ["a", "a=b", "=/b", "a=/../b"] {
            assert!(super::addition(wrong).is_err(), "{wrong}");
        }
    }
}
