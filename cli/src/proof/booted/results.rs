//! What became of every test, and whether that is as it should be.

use std::time::Duration;

use super::compare::Sides;
use super::known::Known;
use super::machine::{Boots, Came};
use super::oracle;
use super::tests::Test;
use super::transcript::Outcome;
use crate::proof::Verdict;

/// In which a test ends on the host.
const LIMIT: Duration = Duration::from_secs(20);
/// Characters of one test's difference that are shown.
const SHOWN: usize = 2000;

/// The tests in their order; nothing for those that did as on Linux, else the difference.
#[derive(Debug)]
pub struct Results {
    sides: Sides,
    tests: Vec<(String, Option<String>)>,
    /// Those that failed once, and not when they were run again.
    unsteady: Vec<String>,
}

impl Results {
    /// Beside what the host's Linux does.
    pub fn compare(sides: Sides, tests: &[Test], boots: &Boots) -> Self {
        Self::with(sides, tests, boots, |test| oracle::run(test, LIMIT))
    }

    /// Beside what this says.
    pub fn with(
        sides: Sides,
        tests: &[Test],
        boots: &Boots,
        oracle: impl Fn(&Test) -> Result<Outcome, String>,
    ) -> Self {
        let different = |test: &Test| {
            let name = &test.name;
            match boots.came.get(name) {
                Some(Came::Ended(tried)) => match oracle(test) {
                    Ok(oracle) => sides.difference(name, &oracle, tried),
                    Err(error) => Some(format!("{name}: {error}\n")),
                },
                Some(Came::Broke(output)) => {
                    Some(format!("{name}: the machine broke; it had printed:\n{output}"))
                }
                None => Some(format!("{name}: did not run\n")),
            }
        };
        let tests = tests.iter().map(|test| (test.name.clone(), different(test))).collect();
        Self { sides, tests, unsteady: Vec::new() }
    }

    /// The tests that failed and are not known to.
    pub fn unexpected(&self, known: &Known) -> Vec<String> {
        let failed = self.tests.iter().filter(|(_, difference)| difference.is_some());
        failed.filter(|(name, _)| !known.may_fail(name)).map(|(name, _)| name.clone()).collect()
    }

    /// Takes in what came of some tests when they were run again.
    pub fn again(&mut self, again: Self) {
        for (name, difference) in again.tests {
            if difference.is_none()
                && let Some((_, before)) = self.tests.iter_mut().find(|(test, _)| *test == name)
                && before.is_some()
            {
                *before = None;
                self.unsteady.push(name);
            }
        }
    }

    /// All differences, and whether there is none.
    pub fn show(&self, boots: &Boots) -> (String, bool) {
        let wrong: Vec<_> = self.tests.iter().filter_map(|(_, wrong)| wrong.as_deref()).collect();
        let mut text: String = wrong.iter().map(|wrong| shortened(wrong)).collect();
        let (all, good) = (self.tests.len(), self.tests.len() - wrong.len());
        text += &boots.bad_ends;
        let (oracle, outside) = (self.sides.oracle, &boots.outside);
        text += &format!("{outside}{good} of {all} as on {oracle}, {} boots\n", boots.count);
        (text, wrong.is_empty() && boots.bad_ends.is_empty())
    }

    /// Whether the list of what is known says just this.
    pub fn judge(&self, known: &Known, boots: &Boots) -> Verdict {
        let mut wrong = boots.bad_ends.clone();
        let (mut good, mut bad) = (0, 0);
        for (name, difference) in &self.tests {
            match difference {
                Some(_) if known.may_fail(name) => bad += 1,
                Some(difference) => wrong += &shortened(difference),
                None if known.may_work(name) => good += 1,
                None => {
                    wrong += &format!("{name}: works now: take it from {}\n", known.file);
                }
            }
        }
        for name in known.names() {
            if !self.tests.iter().any(|(test, _)| test == name) {
                wrong += &format!("{name}: is in {}, but is no test\n", known.file);
            }
        }
        if wrong.is_empty() {
            let boots = match boots.count {
                1 => "1 boot".into(),
                count => format!("{count} boots"),
            };
            let note =
                format!("{good} tests as on {}, {bad} known not to be, {boots}", self.sides.oracle);
            return match &self.unsteady[..] {
                [] => Verdict::Good(note),
                names => Verdict::SecondTry(names.to_vec(), note),
            };
        }
        Verdict::Bad(format!("{wrong}{}", boots.outside))
    }
}

/// A difference that says too much, cut.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...\n", text.get(..at).unwrap_or_default()),
        None => text.into(),
    }
}
