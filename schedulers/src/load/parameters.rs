//! The parameters of load sharing, taken one by one; what is left over is refused.

use alloc::string::ToString;

use vortex_grid::policy::{InitError, Metric, Params};
use vortex_units::{CoreId, Micros};

use super::MakeError;

/// The dictionary that schedulers have, whose metric and cap mean nothing here.
pub(super) struct Parameters(Params);

impl Parameters {
    pub(super) fn new(entries: &[(&str, &str)]) -> Self {
        let mut params = Params::new(Metric::default(), 0);
        entries.iter().for_each(|(name, value)| params.insert(name, value));
        Self(params)
    }

    pub(super) fn ttl(&mut self) -> Result<Micros, InitError> {
        let expected = "a number of microseconds from 1 to 60000000";
        let ttl = self.0.take_number("ttl", 1..=60_000_000, expected)?;
        Ok(Micros::new(ttl.unwrap_or(100_000)))
    }

    /// In hundredths of a per cent, as utilization is.
    pub(super) fn threshold(&mut self) -> Result<u16, InitError> {
        let threshold = self.0.take_number("threshold", 1..=100, "a per cent from 1 to 100")?;
        Ok(threshold.and_then(|per_cent| u16::try_from(per_cent * 100).ok()).unwrap_or(8_000))
    }

    pub(super) fn core(&mut self, cores: &[CoreId]) -> Result<CoreId, MakeError> {
        let value = self.0.take("core").ok_or(MakeError::MissingParameter("core"))?;
        match value.parse().map(CoreId::new) {
            Ok(core) if cores.contains(&core) => Ok(core),
            _ => {
                let expected = "one of the scheduler's cores";
                Err(InitError::BadValue { name: "core".to_string(), value, expected }.into())
            }
        }
    }

    pub(super) fn finish(&self) -> Result<(), InitError> {
        self.0.finish()
    }
}
