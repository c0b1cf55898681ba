//! The deepest chain of calls, from what each function needs and whom it calls.

use std::collections::{BTreeMap, BTreeSet};

use super::code::Code;
use super::walk::{Walk, walk};

/// Functions, what each does with the stack, and who may be called through a register.
#[derive(Debug)]
pub struct Graph<'a> {
    code: &'a Code<'a>,
    /// By where they begin.
    pub walks: BTreeMap<u64, Walk>,
    taken: BTreeSet<u64>,
}

/// The bytes that functions need with all that they call, for one assumption about calls
/// through registers.
#[derive(Debug, Default)]
pub struct Needs {
    need: BTreeMap<u64, (u32, Option<u64>)>,
    /// Calls that close a circle: from whom, to whom.
    pub circles: BTreeSet<(u64, u64)>,
}

impl<'a> Graph<'a> {
    /// Of all functions.
    pub fn of(code: &'a Code<'a>) -> Self {
        let walks: BTreeMap<_, _> =
            code.functions.values().map(|function| (function.start, walk(function))).collect();
        let by_code = walks.values().flat_map(|walk| &walk.taken).copied();
        let taken = by_code.filter(|address| walks.contains_key(address));
        let taken = taken.chain(code.taken.iter().copied()).collect();
        Self { code, walks, taken }
    }

    /// A function's name.
    pub fn name(&self, start: u64) -> &str {
        self.code.functions.get(&start).map_or("?", |function| &function.name)
    }

    /// What all need, where a call through a register needs so much.
    pub fn needs(&self, indirect: u32) -> Needs {
        let mut needs = Needs::default();
        for &start in self.walks.keys() {
            self.need(start, indirect, &mut Vec::new(), &mut needs);
        }
        needs
    }

    fn need(&self, start: u64, indirect: u32, path: &mut Vec<u64>, needs: &mut Needs) -> u32 {
        if let Some(&(need, _)) = needs.need.get(&start) {
            return need;
        }
        let Some(walk) = self.walks.get(&start) else { return 0 };
        if let Some(&from) = path.last()
            && path.contains(&start)
        {
            needs.circles.insert((from, start));
            return 0;
        }
        path.push(start);
        let mut deepest = (walk.depth, None);
        for call in &walk.calls {
            let below = match call.to {
                Some(to) => self.need(to, indirect, path, needs),
                None => indirect,
            };
            if call.depth + below > deepest.0 {
                deepest = (call.depth + below, call.to);
            }
        }
        path.pop();
        needs.need.insert(start, deepest);
        deepest.0
    }

    /// The most that a function needs that a call through a register may reach.
    pub fn deepest_taken(&self, needs: &Needs) -> u32 {
        self.taken.iter().map(|start| needs.of(*start)).max().unwrap_or(0)
    }
}

impl Needs {
    /// A function's.
    pub fn of(&self, start: u64) -> u32 {
        self.need.get(&start).map_or(0, |&(need, _)| need)
    }

    /// The function that needs most.
    pub fn deepest(&self) -> Option<u64> {
        self.need.iter().max_by_key(|(_, (need, _))| *need).map(|(&start, _)| start)
    }

    /// The chain of calls of which it needs that much.
    pub fn chain(&self, start: u64) -> Vec<u64> {
        let mut chain = vec![start];
        while let Some(&(_, Some(next))) = chain.last().and_then(|last| self.need.get(last))
            && !chain.contains(&next)
        {
            chain.push(next);
        }
        chain
    }
}
