//! The dictionary with which a scheduler is initialized (`schedparams` of Table 3).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use vortex_units::Share;

use super::{LoadSharing, Metric};
use crate::machine::Frequency;

/// The configuration of one scheduler instance.
///
/// A policy *takes* the entries it knows. What is left afterwards is an error
/// ([`Params::finish`]): nothing is accepted and ignored.
pub struct Params {
    /// What counts as consumption.
    pub metric: Metric,
    /// The most debt a client may carry, in the metric: 100 ms of its share (law 2),
    /// before shares are applied.
    pub debt_cap: u64,
    /// The rate of the clock by which the scheduler is told the time, for policies that count
    /// amounts a second.
    pub frequency: Option<Frequency>,
    /// The groups of activities, for policies that look at them; a group stands after the one that
    /// it is within. Others ignore them.
    pub groups: Vec<Group>,
    /// How labels are bound to cores. `None` where the scheduler has one core only, as
    /// a multiplexor has.
    pub load_sharing: Option<Box<dyn LoadSharing>>,
    entries: Vec<(String, String)>,
}

/// A group of activities: it stands among others, and divides what it gets among its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group that it is within, by place; of none it is beneath the root.
    pub within: Option<u16>,
    /// The name of the policy by which it divides.
    pub policy: String,
    /// What it is entitled to where it stands.
    pub share: Share,
    /// Its priority there.
    pub priority: u32,
}

/// Why a scheduler could not be initialized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitError {
    /// The policy knows no parameter of this name.
    UnknownParameter(String),
    /// The policy counts amounts a second, and was not told the clock's rate.
    NoClock,
    /// The parameter's value cannot be used; the text says what would be right.
    BadValue {
        /// Its name.
        name: String,
        /// What was written.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl Params {
    /// Parameters with nothing but what every scheduler has.
    #[must_use]
    pub fn new(metric: Metric, debt_cap: u64) -> Self {
        Self {
            metric,
            debt_cap,
            frequency: None,
            groups: Vec::new(),
            load_sharing: None,
            entries: Vec::new(),
        }
    }

    /// Adds a key and its value, as the configuration has them.
    pub fn insert(&mut self, name: &str, value: &str) {
        self.entries.push((name.to_string(), value.to_string()));
    }

    /// Takes an entry out, if it is there.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        Some(self.entries.swap_remove(index).1)
    }

    /// Takes an entry that is a whole number in `range`.
    ///
    /// # Errors
    /// [`InitError::BadValue`] where it is there and is none.
    pub fn take_number(
        &mut self,
        name: &str,
        range: core::ops::RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<Option<u64>, InitError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(InitError::BadValue { name: name.to_string(), value, expected }),
        }
    }

    /// To be called when the policy has taken all that it knows.
    ///
    /// # Errors
    /// [`InitError::UnknownParameter`] for the first entry left.
    pub fn finish(&self) -> Result<(), InitError> {
        match self.entries.first() {
            None => Ok(()),
            Some((name, _)) => Err(InitError::UnknownParameter(name.clone())),
        }
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParameter(name) => write!(f, "the policy has no parameter '{name}'"),
            Self::NoClock => f.write_str("the policy needs the rate of a clock"),
            Self::BadValue { name, value, expected } => {
                write!(f, "'{name}' is '{value}' and should be {expected}")
            }
        }
    }
}

impl core::error::Error for InitError {}
