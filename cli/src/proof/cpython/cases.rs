//! What the cases of CPython's test modules came to, from what `services/cpython/cases.py`
//! printed of them.

use std::collections::BTreeMap;

use crate::proof::booted::machine::{Boots, Came};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// A word, and where it was ended by something a number.
    pub verdict: String,
    /// What it said.
    pub said: String,
}

impl Ended {
    /// Whether all that it tries was as it should be.
    pub fn is_good(&self) -> bool {
        self.verdict == "ok"
    }
}

/// All of some modules.
#[derive(Debug, Default)]
pub struct Cases {
    /// By their modules and names.
    pub ended: BTreeMap<String, Ended>,
    /// Modules that did not come to their end, and what was said then.
    pub broken: BTreeMap<String, String>,
}

impl Cases {
    /// Of these modules.
    pub fn read<'a>(modules: impl IntoIterator<Item = &'a str>, boots: &Boots) -> Self {
        let mut cases = Self::default();
        for module in modules {
            let (output, why) = match boots.came.get(module) {
                Some(Came::Ended(outcome)) => {
                    (outcome.output.as_str(), format!("it ended with {}", outcome.status))
                }
                Some(Came::Broke(output)) => (output.as_str(), "the machine broke".into()),
                None => ("", "it did not run".into()),
            };
            if !cases.take(module, output) {
                let begin = output.len().saturating_sub(600);
                let last = output.get(begin..).unwrap_or(output);
                cases.broken.insert(module.into(), format!("{why}; it had printed:\n{last}\n"));
            }
        }
        cases
    }

    /// What a module printed; whether to its end.
    fn take(&mut self, module: &str, output: &str) -> bool {
        let (mut last, mut count) = (None, 0);
        for line in output.lines() {
            if let Some(number) = line.strip_prefix("CASES ") {
                return number.trim().parse() == Ok(count);
            }
            let case = line.strip_prefix("CASE ").and_then(|line| line.split_once(' '));
            if let Some((name, verdict)) = case {
                let name = format!("{module}.{name}");
                let ended = Ended { verdict: verdict.trim().into(), said: String::new() };
                self.ended.insert(name.clone(), ended);
                (last, count) = (Some(name), count + 1);
            } else if line.starts_with("BEGIN ") {
                last = None;
            } else if let Some(ended) = last.as_ref().and_then(|name| self.ended.get_mut(name)) {
                ended.said.push_str(line);
                ended.said.push('\n');
            }
        }
        false
    }

    /// Those that are not good, by their modules; of a module that is broken none, which are
    /// all.
    pub fn bad(&self) -> BTreeMap<String, Vec<String>> {
        let mut bad: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, _) in self.ended.iter().filter(|(_, ended)| !ended.is_good()) {
            if let Some((module, case)) = name.split_once('.')
                && !self.broken.contains_key(module)
            {
                bad.entry(module.into()).or_default().push(case.into());
            }
        }
        bad.extend(self.broken.keys().map(|module| (module.clone(), Vec::new())));
        bad
    }

    /// Takes in what came of some of them when they were run again.
    pub fn again(&mut self, again: Self) {
        self.broken.retain(|module, _| !again.ended.keys().any(|name| of(name, module)));
        self.broken.extend(again.broken);
        self.ended.extend(again.ended);
    }

    /// How many are good.
    pub fn good(&self) -> usize {
        self.ended.values().filter(|ended| ended.is_good()).count()
    }
}

fn of(name: &str, module: &str) -> bool {
    name.split_once('.').is_some_and(|(of, _)| of == module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::booted::machine::outcome;

    const OUTPUT: &str = "BEGIN A.one\nCASE A.one ok\nBEGIN A.two\nCASE A.two failed\n    why\n    so\n\
                          BEGIN B.three\nCASE B.three skipped\n\
                          CASE B.four died 11\nCASES 4\n";

    fn boots(came: Came) -> Boots {
        Boots { came: [("test_x".into(), came)].into(), ..Boots::default() }
    }

    fn read(came: Came) -> Cases {
        Cases::read(["test_x"], &boots(came))
    }

    #[test]
    fn each_case_has_its_verdict_and_what_it_said() {
        let cases = read(Came::Ended(outcome(OUTPUT, 0)));
        assert_eq!((cases.ended.len(), cases.good(), cases.broken.len()), (4, 1, 0));
        let two = Ended { verdict: "failed".into(), said: "    why\n    so\n".into() };
        assert_eq!(cases.ended["test_x.A.two"], two);
        assert_eq!(cases.bad()["test_x"], ["A.two", "B.four", "B.three"]);
    }

    #[test]
    fn a_module_that_does_not_end_is_broken() {
        for came in [
            Came::Broke("CASE A.one ok\nBEGIN A.two\n".into()),
            Came::Ended(outcome("CASE A.one ok\nTraceback\n", 1)),
            Came::Ended(outcome("CASE A.one ok\nCASES 2\n", 0)),
        ] {
            let cases = read(came);
            assert_eq!(cases.bad(), [("test_x".to_string(), vec![])].into());
            assert_eq!(cases.good(), 1);
        }
        assert!(Cases::read(["test_y"], &Boots::default()).broken.contains_key("test_y"));
    }

    #[test]
    fn what_is_run_again_counts() {
        let mut cases = read(Came::Ended(outcome(OUTPUT, 0)));
        cases.again(read(Came::Ended(outcome("CASE A.two ok\nCASES 1\n", 0))));
        assert_eq!((cases.ended.len(), cases.good()), (4, 2));
    }
}
