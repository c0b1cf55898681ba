//! The arguments of the commands about machines that are hosted: `top`, `logs`, `stop`.

use clap::Args as Arguments;

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

/// Arguments of `stop`.
#[derive(Debug, Arguments)]
pub struct Stop {
    /// Which machine, by its number; not said: the one that runs.
    #[arg(long, value_name = "N")]
    pub machine: Option<u32>,
}
