//! The command line, as `--help` shows it.

mod experiment;
mod hosted;
mod image;
mod run;

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

pub use experiment::{
    All, Attacks, Connections, Cpu, DiskStreams, Experiment, FileRead, Floods, MemoryAttacks,
    ShareForm, WebServer, WebServers, Which,
};
pub use hosted::{Exec, Logs, Set, Stop, Top, Trace};
pub use image::Image;
pub use run::Run;

/// What the words after `./vortex` may be.
#[derive(Debug, Parser)]
#[command(
    name = "vortex",
    version,
    about = "Vortex: a kernel in which no service can violate another's service level",
    long_about = "Vortex is an isolation kernel: all resource consumption is measured, attributed to \
                  exactly one activity, and scheduled.\nThis command boots it in a virtual machine \
                  with programs as its processes, reproduces the paper's experiments there, checks \
                  and simulates configurations, and proves and measures the kernel's source.",
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ./vortex run                               host three web sites, and see who has what
  ./vortex top                               the same table on another terminal; logs, stop
  ./vortex set first all 10                  another share for the first of them, at once
  ./vortex exec first -- /bin/busybox ps     a program in the machine, as that activity
  ./vortex trace --flame flame.svg           every run of 200 ms, for Perfetto, and a picture
  ./vortex run -- /bin/sh                    a shell, as a process on Vortex
  ./vortex run examples/three-services.xml   services at shares of their own
  ./vortex image root/ -o root.img           a disk with a file system from a directory or a tar
  ./vortex experiment cpu --quick            the paper's Figure 8 beside what was measured
  ./vortex experiment all                    every experiment, with a report of the figures
  ./vortex check examples/paper-cpu.xml      is this file sound, and who is guaranteed what?
  ./vortex simulate examples/paper-cpu.xml   run it under virtual time: who used what, who waited
  ./vortex test --quick                      is this checkout in order? (under three minutes)
  ./vortex test grid schedulers              only these parts; --list names them all
  ./vortex bench memory                      what virtual memory costs, beside Linux
  ./vortex bench storage                     what files on a disk cost, beside Linux
  ./vortex bench grid                        what a request costs, in instructions

Environment:
  VORTEX_QEMU     the QEMU to run machines with, instead of qemu-system-x86_64 in PATH

Start with README.md; the book is in docs/book/.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report every flaw of configuration files, and who is guaranteed what.
    Check(Check),
    /// Run a configuration on a simulated machine under virtual time.
    Simulate(Simulate),
    /// Run the project's whole proof, or parts of it.
    Test(Test),
    /// Count what things cost, in instructions and bytes.
    Bench(Bench),
    /// Fuzz what reads untrusted input, for some minutes (needs cargo-fuzz).
    Fuzz(Fuzz),
    /// Show which changes to the source no test notices (needs cargo-mutants).
    Mutants(Mutants),
    /// Boot the kernel in a virtual machine, with services.
    Run(Box<Run>),
    /// Show who has what on a machine that is hosted here.
    Top(Top),
    /// Show what a hosted machine's console said, or one activity's services.
    Logs(Logs),
    /// Run a program in a machine that is hosted here, as one of its activities.
    Exec(Exec),
    /// Give an activity of a machine that is hosted here another share, at once.
    Set(Set),
    /// Record what a machine that is hosted here runs, and what causes what.
    Trace(Trace),
    /// End a machine that is hosted here.
    Stop(Stop),
    /// Make an ext2 image of a directory or a tar, without root's rights.
    Image(Image),
    /// Reproduce the paper's experiments on the machine.
    Experiment(Experiment),
    /// Print the words of this command for a shell to complete.
    Completions(Completions),
    /// Some of the booted tests: what each did beside what Linux did.
    #[command(hide = true)]
    Booted(Booted),
}

/// Arguments of `check`.
#[derive(Debug, Arguments)]
pub struct Check {
    /// Configuration files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print JSON, flaws included, on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `simulate`.
#[derive(Debug, Arguments)]
pub struct Simulate {
    /// A configuration file that says what to simulate.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Virtual seconds to run, instead of what the file says.
    #[arg(long, value_name = "N", value_parser = seconds, allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// Where every random choice starts, instead of what the file says.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write every run of every request to this file, a line each.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 86_400.0 => Ok(number),
        _ => Err("a number of seconds above 0 and up to 86400".into()),
    }
}

/// Arguments of `test`.
#[derive(Debug, Arguments)]
#[command(
    after_help = "Without PART everything runs that belongs to a normal run; parts named run whatever \
                        else is said. Nothing is skipped silently: what could not run is listed."
)]
pub struct Test {
    /// Parts to run, as --list names them.
    #[arg(value_name = "PART")]
    pub parts: Vec<String>,
    /// Only what runs on the host in under three minutes.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Also the long suites: many more property cases, fuzzing, Miri, mutants apart.
    #[arg(long)]
    pub full: bool,
    /// Name the parts and stop.
    #[arg(long)]
    pub list: bool,
}

/// Arguments of `bench`.
#[derive(Debug, Arguments)]
pub struct Bench {
    /// What to measure.
    #[arg(value_enum)]
    pub what: Measured,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Of the schedulers: draw them side by side, as SVG.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

/// What `bench` can measure.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Measured {
    /// The life of a request: send, schedule, dispatch, account.
    Grid,
    /// The process interface on the booted machine.
    Kernel,
    /// Virtual memory on the booted machine.
    Memory,
    /// Files on a disk, on the booted machine.
    Storage,
    /// Sockets on the booted machine.
    Network,
    /// Every scheduler on the same work: its cost, how shares hold, and how long others wait.
    Schedulers,
}

/// Arguments of `fuzz`.
#[derive(Debug, Arguments)]
pub struct Fuzz {
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub minutes: u32,
}

/// Arguments of `mutants`.
#[derive(Debug, Arguments)]
pub struct Mutants {
    /// Crates to mutate: grid, schedulers, config. All three if none is named.
    #[arg(value_name = "PART", value_parser = ["grid", "schedulers", "config"])]
    pub parts: Vec<String>,
}

/// Arguments of `completions`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
For bash, in the checkout: source <(./vortex completions bash); then ./vortex completes too.")]
pub struct Completions {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `booted`.
#[derive(Debug, Arguments)]
pub struct Booted {
    /// On Debian's kernel instead of ours.
    #[arg(long)]
    pub linux: bool,
    /// The names are those of CPython's test modules instead, or of their cases.
    #[arg(long)]
    pub cpython: bool,
    /// How the tests' names begin.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}
