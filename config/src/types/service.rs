//! Services: the programs that run as activities, and what the host does for them.

use alloc::string::String;
use alloc::vec::Vec;

use super::ActivityIndex;
use crate::Place;

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// As which activity.
    pub activity: ActivityIndex,
    /// The absolute path of the program.
    pub program: String,
    /// Its arguments, without the program's own name.
    pub arguments: Vec<String>,
    /// Its environment, name and value.
    pub environment: Vec<(String, String)>,
    /// What is done when it has ended.
    pub restart: Restart,
    /// Ports of its that the host has.
    pub ports: Vec<Port>,
    /// Files of the host's that it finds in the machine.
    pub files: Vec<Files>,
    /// Where it is written.
    pub place: Place,
}

/// `restart`: what becomes of a service that has ended. If it is not [`Self::Never`], the
/// program [`Self::KEEPER`] runs it, in its activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// `never`: nothing. The default.
    #[default]
    Never,
    /// `on-failure`: it is begun again if it has not ended with 0.
    OnFailure,
    /// `always`: it is begun again.
    Always,
}

impl Restart {
    /// The program that begins services again, by its place in the machine.
    pub const KEEPER: &'static str = "/vortex/keep";

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

/// `<port number host protocol/>`: a port of the machine's at which the host's 127.0.0.1
/// answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The machine's.
    pub number: u16,
    /// The host's; any that is free if not written.
    pub host: Option<u16>,
    /// `protocol="udp"`: of datagrams, not of connections.
    pub datagrams: bool,
    /// Where it is written.
    pub place: Place,
}

/// `<files from at/>`: a file, a directory with all that is below it, or what is in a tar
/// archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// On the host; seen from where the configuration is.
    pub from: String,
    /// In the machine.
    pub at: String,
    /// Where it is written.
    pub place: Place,
}
