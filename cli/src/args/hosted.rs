//! The arguments of the commands about machines that are hosted: `top`, `logs`,
//! `set`, `exec`, `trace`, `stop`.

use std::path::PathBuf;

use clap::Args as Arguments;
use vortex_abi::performance::trace::LONGEST;

/// Arguments of `top`.
#[derive(Debug, Arguments)]
pub struct Top {
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
    /// Print the figures of one second, and stop.
    #[arg(long)]
    pub once: bool,
    /// Print JSON: the figures of one second.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
A service with restart= in its configuration has its activity's name before each line; with
ACTIVITY only its lines are shown. How it ended, and when it is begun again, is among them.")]
pub struct Logs {
    /// Only what services of this activity said.
    #[arg(value_name = "ACTIVITY", conflicts_with = "list")]
    pub activity: Option<String>,
    /// Which machine, by its number; not said: the latest, whether it runs or has ended.
    #[arg(long, value_name = "N", conflicts_with = "list")]
    pub machine: Option<u32>,
    /// Go on as long as the machine runs.
    #[arg(long, short, conflicts_with = "list")]
    pub follow: bool,
    /// Name the machines whose logs are kept.
    #[arg(long)]
    pub list: bool,
}

/// Arguments of `exec`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  ./vortex exec shop -- /bin/busybox ps
  ./vortex exec shop -- /bin/busybox sh -c 'cat >/tmp/list' <list

The program is one of the machine's; what it costs is on the activity's bill, within its limits.
Its input and output are this command's, without a terminal; so is its exit code (128 + N after
signal N). Where this command ends, it is killed. The activity of the machine's monitor needs
control=\"all\" in the configuration, and only who hosts the machine may do it.")]
pub struct Exec {
    /// As which activity, as the configuration calls it.
    #[arg(value_name = "ACTIVITY")]
    pub activity: String,
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
    /// The program, and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<String>,
}

/// The names of all policies.
fn policies() -> clap::builder::PossibleValuesParser {
    let known = vortex_schedulers::POLICIES.iter();
    let known =
        known.map(|policy| clap::builder::PossibleValue::new(policy.name).help(policy.summary));
    clap::builder::PossibleValuesParser::new(known)
}

/// Arguments of `set`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  ./vortex set shop all 50           everywhere, whatever was said of one resource before
  ./vortex set shop cpu 20 --core 1  of core 1's time
  ./vortex set shop tcp 0.25         at resource.tcp
  ./vortex set shop cpu --priority 2 where the policy has priorities: lower goes first
  ./vortex set shop cpu --reservation '30 %' --period '20 ms'
  ./vortex set shop drwr --reservation '4 MB/s' --limit '8 MB/s'
  ./vortex set shop drwr --limit none
  ./vortex set tcp --policy propshare.stride      who decides at resource.tcp
  ./vortex set drwr --policy order.scan --param window=16
  ./vortex set cpu --policy deadline.cbs --core 1
  ./vortex set tcp --share 30        what the resource itself has of the processors
  ./vortex set bus --limit '4 MB/s'  what the scheduler with this tag lets through

It counts from the next choice of each scheduler on; nothing that waits is lost or changes its
order, and who owes goes on owing. What cannot be is refused, with why and what could be, and
changes nothing; so is what would keep further orders from coming. Ends with 0 where it is done,
with 1 where what holds now does not let it be, with 2 where the order itself cannot be. The machine's next start has what the configuration says again. The activity of
its monitor needs control=\"all\" in the configuration, and only who hosts the machine may change it.")]
pub struct Set {
    /// Which activity, as the configuration calls it; a resource, cpu or a scheduler's tag where
    /// that itself is to be changed.
    #[arg(value_name = "ACTIVITY")]
    pub activity: String,
    /// Where: a resource, such as tcp or resource.tcp; cpu for the processors; all for everywhere.
    #[arg(value_name = "RESOURCE")]
    pub resource: Option<String>,
    /// Its share from now on, as the configuration writes it: 50 or 0.25; none for what it has
    /// everywhere.
    #[arg(value_name = "SHARE", requires = "resource")]
    pub share: Option<String>,
    /// On this core only.
    #[arg(long, value_name = "N")]
    pub core: Option<u16>,
    /// What is reserved for the activity, as '30 %' or '4 MB/s'; none for nothing.
    #[arg(long, value_name = "RATE", requires = "resource")]
    pub reservation: Option<String>,
    /// What it has at most, likewise; of a scheduler between others, what that lets through.
    #[arg(long, value_name = "RATE")]
    pub limit: Option<String>,
    /// Within what time it is to be served, as '20 ms'; none for whatever the policy says.
    #[arg(long, value_name = "TIME", requires = "resource")]
    pub period: Option<String>,
    /// By which policy the scheduler is to decide.
    #[arg(long, value_name = "NAME", conflicts_with = "resource", value_parser = policies())]
    pub policy: Option<String>,
    /// A parameter of that policy.
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "policy")]
    pub params: Vec<String>,
    /// The share of the resource, or scheduler, itself where it requests time.
    #[arg(long = "share", value_name = "SHARE", conflicts_with_all = ["resource", "policy"])]
    pub own_share: Option<String>,
    /// The activity's priority there, for policies that have any: lower goes first; none for what
    /// it has everywhere. Without a resource, that of the resource or scheduler itself.
    #[arg(long, value_name = "N", conflicts_with = "policy")]
    pub priority: Option<String>,
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
}

/// Arguments of `trace`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  ./vortex trace                              200 ms, to trace.json
  ./vortex trace --milliseconds 50 -o a.json  50 ms, to a.json
  ./vortex trace --flame flame.svg            with a picture of who used what

The file is in Chrome's trace format: https://ui.perfetto.dev and chrome://tracing open it. Every run
of every resource is in it, with whose it was, how long its request had waited, and an arrow from the
run that has caused it. While cores record, each run costs a little more, and 2 MiB a core are on the
bill of the monitor's activity, which needs performance=\"all\" and control=\"all\" in the
configuration; only who hosts the machine may have it recorded.")]
pub struct Trace {
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST)))]
    pub milliseconds: u32,
    /// The file for what was recorded.
    #[arg(long, short, value_name = "FILE", default_value = "trace.json")]
    pub output: PathBuf,
    /// Also write a flame graph, as a picture (SVG).
    #[arg(long, value_name = "FILE")]
    pub flame: Option<PathBuf>,
    /// Also write a flame graph's folded lines.
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
}

/// Arguments of `stop`.
#[derive(Debug, Arguments)]
pub struct Stop {
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
}
