//! The arguments of `experiment`.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand, ValueEnum};

use crate::machine::accelerator::Wish;
use crate::machine::size::Cores;

/// Arguments of `experiment`.
#[derive(Debug, Arguments)]
pub struct Experiment {
    /// Which.
    #[command(subcommand)]
    pub which: Which,
}

/// The experiments.
#[derive(Debug, Subcommand)]
pub enum Which {
    /// Every experiment but floods and connections, and a report of the paper's figures beside what
    /// was measured.
    All(All),
    /// Is CPU consumption attributed and shared to the letter? (§4.1, §4.2, Figure 8)
    Cpu(Cpu),
    /// Does a fork bomb, or another storm, take anything from its neighbours? (§3.4)
    Attacks(Attacks),
    /// Is what resources do for processes attributed and shared too? (§4.3, Figures 9 to 11)
    FileRead(FileRead),
    /// Does who uses more memory than it may take anything from its neighbours? (§3.2)
    Memory(MemoryAttacks),
    /// Are a slow disk's bytes divided as processes are entitled to them? (§4.5, Figures 15, 16)
    Disk(DiskStreams),
    /// Are a network card's bytes divided as web servers are entitled to them? (§4.4, Figures 12
    /// to 14)
    Web(WebServers),
    /// Does who floods a machine, or one of its sites, take anything from another?
    Floods(Floods),
    /// What does it take to hold very many connections, and on whose bill is that?
    Connections(Connections),
}

/// Arguments of `experiment connections`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
So many connections are made to Debian's memcached, and held; nothing is said on them. Ends with 0
where everything is within its bounds, else with 1. experiments/connections/README.md says what it
must show.")]
pub struct Connections {
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub connections: u32,
    /// On what.
    #[command(flatten)]
    pub on: OneCore,
}

/// On what an experiment runs that is of one core, and how it tells.
#[derive(Debug, Arguments)]
pub struct OneCore {
    /// How many cores; one if not said.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment floods`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Two sites of Debian's lighttpd. One is asked for its page, while at the other connections are begun
without end, or held and not used, or small packets come for nobody; then the same on Debian's
kernel. Ends with 0 where everything is within its bounds, else with 1. experiments/floods/README.md
says what it must show.")]
pub struct Floods {
    /// Seconds of each part.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=120))]
    pub seconds: u32,
    /// Without Debian's kernel beside.
    #[arg(long)]
    pub no_linux: bool,
    /// On what.
    #[command(flatten)]
    pub on: OneCore,
}

/// Who serves the pages of `experiment web`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WebServer {
    /// services/web: one thread, and asynchronous I/O, as the paper's.
    Own,
    /// Debian's, as it is.
    Lighttpd,
}

/// Arguments of `experiment web`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Three web servers, entitled to 50, 33 and 17 %, serve a page of 128 KB to an ApacheBench each, of
16 connections, over a card that QEMU slows down: first each alone, then all, for a while with many
packets for nobody beside them, then two of them. Ends with 0 where everything is within its bounds,
else with 1. experiments/web/README.md says what it must show.")]
pub struct WebServers {
    /// Who serves: one after the other if not said.
    #[arg(long, value_enum, value_name = "WHICH")]
    pub server: Option<WebServer>,
    /// Also the two runs that the paper has beside: DIR on another core than DWR, and their core
    /// for those two alone; on three cores at least.
    #[arg(long)]
    pub side_runs: bool,
    /// Seconds with all three at work.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(20..=600))]
    pub seconds: u32,
    /// How many cores; not said: as many as this host has.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment all`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Each is run as by itself, one after the other: about fourteen minutes for one run of all on two cores.
The report is a page with the figures, which are SVG files beside it, and everything as JSON.
Ends with 0 where every bound holds in every run, else with 1.")]
pub struct All {
    /// How often each is run: what was measured is told from the lowest to the highest.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Short runs of a part of each, some four minutes in all.
    #[arg(long)]
    pub quick: bool,
    /// Where the report goes; not said: target/experiments.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment disk`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
768 files of 2 MB are made on an empty file system by Vortex itself, many at once. Then three
processes, entitled to 50, 33 and 17 %, open, read, close and evict them, many at once, four streams
each, from a disk that QEMU slows down, now more, now less. Ends with 0 where everything is within
its bounds, else with 1. experiments/disk/README.md says what it must show.")]
pub struct DiskStreams {
    /// Seconds at each of the disk's rates.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=600))]
    pub seconds: u32,
    /// How many cores; not said: as many as this host has.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// 96 files instead of 768, made and read all the same.
    #[arg(long)]
    pub quick: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment cpu`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Three processes, each with a CPU-bound thread a core, are entitled to 50, 33 and 17 %; a fourth
samples the machine once a second. Printed is what the paper reports beside what was measured.
Ends with 0 where everything is within its bounds, else with 1. experiments/cpu/README.md says
what it must show.")]
pub struct Cpu {
    /// Samples, one a second of the machine's time.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How many cores; not said: as many as this host has.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// Guest time counts instructions, and every run is like every other. Several cores need
    /// QEMU 10; with an older one it is one core, and said.
    #[arg(long)]
    pub counted: bool,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// The timeslices whose accuracy is measured, in milliseconds, besides the figure's 5; as
    /// many samples each.
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [1, 10, 20], value_parser = clap::value_parser!(u32).range(1..=100))]
    pub timeslices: Vec<u32>,
    /// Only the figure at 5 ms.
    #[arg(long, conflicts_with = "timeslices")]
    pub quick: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The forms of processor shares (decision 0003).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShareForm {
    /// A resource is a client of the multiplexor with a share of its own, and that is all.
    Paper,
    /// What a process uses in any resource counts against its own client too: the default of
    /// every configuration.
    ChargeThrough,
}

/// Arguments of `experiment file-read`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Three processes, each with a thread a core, open a file, read 32 KB of it by asynchronous I/O and
close it, again and again; they are entitled to 50, 33 and 17 % at the address space resource,
asynchronous I/O and the file cache, which have a half of the processor, and of the rest. Printed
is what the paper reports beside what was measured, in the paper's form of processor shares and in
Vortex's own. Ends with 0 where everything is within its bounds, else with 1.
experiments/file-read/README.md says what it must show.")]
pub struct FileRead {
    /// The form of processor shares: both if not said.
    #[arg(long, value_enum, value_name = "FORM")]
    pub shares: Option<ShareForm>,
    /// Samples, one a second of the machine's time.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How many cores.
    #[arg(long, value_name = "N", default_value = "1")]
    pub cores: Cores,
    /// How often a thread looks at all that it has read: 5 times, and threads use about nine
    /// tenths of the processor, as the paper's did.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub looks: u32,
    /// Guest time counts instructions, and every run is like every other: on one core.
    #[arg(long)]
    pub counted: bool,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment attacks`.
#[derive(Debug, Arguments)]
pub struct Attacks {
    /// Samples of each attack, one a second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How many cores; not said: as many as this host has.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Only these attacks.
    #[arg(long, value_name = "ATTACK", value_delimiter = ',', value_parser = ["forkbomb", "threadstorm", "threadops", "signalstorm", "callstorm", "objects", "meddle"])]
    pub only: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `experiment memory`.
#[derive(Debug, Arguments)]
pub struct MemoryAttacks {
    /// Samples of each attack, one a second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How many cores; not said: as many as this host has.
    #[arg(long, value_name = "N")]
    pub cores: Option<Cores>,
    /// Guest time counts instructions, and every run is like every other: on one core.
    #[arg(long, conflicts_with = "cores")]
    pub counted: bool,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub accel: Wish,
    /// Only these attacks, beside a run without any.
    #[arg(long, value_name = "ATTACK", value_delimiter = ',', value_parser = ["thrash", "fill", "maps", "bomb"])]
    pub only: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
