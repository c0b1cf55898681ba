//! Why the machine cannot be started.

use alloc::string::String;
use core::fmt;

use vortex_files::LoadError;
use vortex_units::CoreId;

/// Why the machine cannot be started.
#[derive(Debug)]
pub enum Failure {
    /// The configuration has flaws.
    Flaws(String),
    /// It wants cores that are not there.
    NoSuchCore(CoreId, u16),
    /// A scheduler could not be made.
    Scheduler(String),
    /// There are no programs.
    NoModule,
    /// The configuration is not in the root file system.
    NoConfiguration(String),
    /// It asks for what this kernel does not do: a line for each.
    NotOffered(String),
    /// The command line does.
    Word(String),
    /// A word of the command line says what makes no sense here.
    Value(String),
    /// Minimums and reserve do not fit into the memory that there is.
    Memory(String),
    /// The root file system is broken.
    Root(LoadError),
    /// More activities than there is room for.
    Activities,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaws(flaws) => write!(f, "the configuration has flaws:\n{flaws}"),
            Self::NoSuchCore(core, cores) => {
                write!(f, "the configuration names core {}; there are {cores}", core.get())
            }
            Self::Scheduler(why) => write!(f, "a scheduler cannot be made: {why}"),
            Self::NoConfiguration(path) => {
                write!(f, "there is no configuration {path} in the root file system")
            }
            Self::NotOffered(what) => {
                write!(f, "the configuration asks for what there is not:\n{what}")
            }
            Self::Word(what) => write!(f, "the command line says {what}"),
            Self::Value(what) => write!(f, "the command line's {what}"),
            Self::Memory(why) => f.write_str(why),
            Self::Root(error) => write!(f, "the root file system cannot be read: {error:?}"),
            Self::NoModule => write!(f, "no module was loaded: there is no root file system"),
            Self::Activities => write!(f, "too many activities"),
        }
    }
}
