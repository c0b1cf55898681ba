//! Why a command could not do its work, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::human;
use crate::machine::MachineError;
use crate::machine::image::ImageError;
use crate::machine::size::{Cores, Memory};
use crate::volume::VolumeError;

/// Each variant is made in one place.
#[derive(Debug)]
pub enum Failure {
    /// A file named on the command line cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file asked for cannot be written.
    Unwritable(PathBuf, io::Error),
    /// The repository is not where the command was built, and `VORTEX_ROOT` does not say.
    NoRepository(PathBuf),
    /// A program could not be started.
    NotStarted(String, io::Error),
    /// A program that should have worked did not.
    ProgramFailed(String, String),
    /// A program's output is not of the form it should have.
    Unexpected(&'static str, String),
    /// A tool that this command needs is not installed.
    Missing {
        /// The tool.
        tool: &'static str,
        /// How to get it.
        get: &'static str,
    },
    /// No part of the proof has this name.
    NoSuchPart(String),
    /// A configuration uses cores that the machine would not have.
    FewCores {
        /// What was asked for.
        asked: Cores,
        /// What the configuration needs.
        needs: u16,
    },
    /// A root file system that fills the memory.
    ImageTooLarge {
        /// Its bytes.
        image: u64,
        /// The machine's memory.
        memory: Memory,
    },
    /// A disk's image cannot be one.
    NoDisk(PathBuf, String),
    /// A program's argument that a configuration cannot have.
    NoArgument(String),
    /// Where files are to be in the machine is no path.
    NoPlace(String),
    /// The image cannot be made.
    Image(ImageError),
    /// The image of a file system cannot be made.
    Volume(VolumeError),
    /// The machine cannot be started or attended.
    Machine(MachineError),
    /// QEMU gave up before the machine began.
    NoMachine,
    /// The booted tests cannot be run.
    Booted(String),
    /// Results could not be put into JSON.
    Json(serde_json::Error),
    /// A port of this host's that a configuration names is somebody else's.
    PortTaken(u16),
    /// The dashboard is to have the port of a service or of `--publish`.
    DashboardTaken(u16),
    /// There is no port to be had.
    NoPort(io::Error),
    /// No machine runs here, or none of this number.
    NoMachineRuns(Option<u32>),
    /// Several run, and it was not said which.
    WhichMachine(Vec<u32>),
    /// No machine is known here, or none of this number.
    NoMachineKnown(Option<u32>),
    /// The machine has no monitor.
    NoMonitor(u32),
    /// The machine's monitor does not tell anything.
    Unheard(String),
    /// The machine takes no orders, by this configuration.
    NoOrders(u32, PathBuf),
    /// The machine takes none of this user's.
    NotYours(PathBuf, io::Error),
    /// An order that was not carried out: whether there was no sense in it, and why.
    Refused(bool, String),
    /// A process that was begun in the machine does not come in this time.
    NotBegun(Duration),
    /// A program in the machine cannot be started.
    ExecFailed(String),
    /// A program for the machine whose arguments are too long.
    LongProgram {
        /// Its own bytes and theirs, with a zero behind each.
        bytes: usize,
        /// As many as may be.
        most: usize,
    },
    /// What a program in the machine says cannot be written here.
    NotShown(io::Error),
    /// A program in the machine is heard of no more.
    ExecLost(String),
    /// The system's random source gives nothing.
    NoChance(io::Error),
    /// A machine's command does not end.
    NotStopped(u32, String),
    /// The dashboard cannot be served.
    NoDashboard(io::Error),
}

impl Failure {
    /// 2 where the question was wrong, 1 where the answer is no.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Unreadable(..)
            | Self::Unwritable(..)
            | Self::NoSuchPart(_)
            | Self::NoArgument(_)
            | Self::LongProgram { .. }
            | Self::NoPlace(_)
            | Self::NoDisk(..)
            | Self::PortTaken(_)
            | Self::DashboardTaken(_)
            | Self::WhichMachine(_)
            | Self::Refused(true, _)
            | Self::FewCores { .. } => ExitCode::from(2),
            Self::ExecFailed(_) => ExitCode::from(127),
            _ => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk(path, why) => write!(f, "{}: no disk: {why}", path.display()),
            Self::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            Self::Unwritable(path, error) => {
                write!(f, "cannot write {}: {error}", path.display())
            }
            Self::NoRepository(path) => write!(
                f,
                "there is no Vortex repository at {}; start this command through the script \
                 ./vortex of a checkout",
                path.display()
            ),
            Self::NotStarted(program, error) => {
                write!(f, "cannot start {program}: {error}; is it installed and in PATH?")
            }
            Self::ProgramFailed(program, output) => write!(f, "{program} failed:\n{output}"),
            Self::Unexpected(what, found) => write!(f, "{what}, but found: {found}"),
            Self::Missing { tool, get } => {
                write!(f, "{tool} is not installed; get it with: {get}")
            }
            Self::NoSuchPart(name) => {
                write!(f, "there is no part '{name}'; './vortex test --list' names them all")
            }
            Self::FewCores { asked, needs } => write!(
                f,
                "the configuration uses core {}, so it needs {needs} cores; '--cores {asked}' is \
                 too few",
                needs.saturating_sub(1)
            ),
            Self::ImageTooLarge { image, memory } => write!(
                f,
                "the root file system has {}: more than half of the machine's memory of {memory}; \
                 give more with --memory",
                human::bytes(*image)
            ),
            Self::NoArgument(text) => write!(
                f,
                "{text:?} cannot be said in a configuration, where spaces around a value are not \
                 part of it"
            ),
            Self::NoPlace(at) => write!(
                f,
                "{at:?} is no place for files in the machine: a path from the root, without '..'"
            ),
            Self::Image(error) => error.fmt(f),
            Self::Volume(error) => error.fmt(f),
            Self::Machine(error) => error.fmt(f),
            Self::NoMachine => {
                f.write_str("QEMU could not start the machine; what it said is above")
            }
            Self::Booted(why) => write!(f, "the booted tests cannot be run: {why}"),
            Self::PortTaken(port) => write!(
                f,
                "port {port} of this host is taken; give another to host= in the configuration, \
                 or end whoever has it"
            ),
            Self::DashboardTaken(port) => write!(
                f,
                "port {port} of this host is a service's of this machine; give the dashboard \
                 another with --dashboard"
            ),
            Self::NoPort(error) => write!(f, "this host gives no port: {error}"),
            Self::NoMachineRuns(None) => {
                f.write_str("no machine is hosted here; './vortex run' starts one")
            }
            Self::NoMachineRuns(Some(number)) => {
                write!(f, "no machine {number} runs here; './vortex logs --list' names them all")
            }
            Self::WhichMachine(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                write!(f, "several machines run; say which with --machine: {}", all.join(", "))
            }
            Self::NoMachineKnown(None) => {
                f.write_str("no machine was hosted here yet; './vortex run' starts one")
            }
            Self::NoMachineKnown(Some(number)) => write!(
                f,
                "no machine {number} was hosted here, or its log is gone; './vortex logs --list' \
                 names them all"
            ),
            Self::NoMonitor(number) => write!(
                f,
                "machine {number} has no monitor; give its configuration a service /vortex/monitor, \
                 as in examples/web-sites.xml"
            ),
            Self::NoOrders(number, configuration) => write!(
                f,
                "machine {number} takes no orders: give the activity of its monitor control=\"all\" in \
                 {}, and start it again",
                configuration.display()
            ),
            Self::NotYours(path, error) => write!(
                f,
                "only who hosts the machine gives it orders; {} cannot be read: {error}",
                path.display()
            ),
            Self::NotBegun(patience) => write!(
                f,
                "the process was begun and does not come within {} s; what hinders it './vortex \
                 logs' may say: /vortex/exec must be in the machine's root",
                patience.as_secs()
            ),
            Self::ExecFailed(why) => write!(f, "the program cannot be started: {why}"),
            Self::LongProgram { bytes, most } => write!(
                f,
                "the program and its arguments are {bytes} bytes with a zero behind each; {most} \
                 at most are handed on to the machine"
            ),
            Self::NotShown(error) => {
                write!(f, "what the program says cannot be written, and it is ended: {error}")
            }
            Self::ExecLost(why) => write!(f, "the program is heard of no more: {why}"),
            Self::NoChance(error) => write!(f, "the system's random source gives nothing: {error}"),
            Self::Refused(_, why) => f.write_str(why),
            Self::Unheard(why) => f.write_str(why),
            Self::NotStopped(number, why) => write!(f, "machine {number} does not end: {why}"),
            Self::NoDashboard(error) => write!(f, "the dashboard cannot be served: {error}"),
            Self::Json(error) => write!(f, "the result cannot be put into JSON: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl From<VolumeError> for Failure {
    fn from(error: VolumeError) -> Self {
        Self::Volume(error)
    }
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        Self::Machine(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}
