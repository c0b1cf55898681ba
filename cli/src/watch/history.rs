//! The last minutes of a machine, a figure a second.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::figures::Figures;

/// How many are kept.
const KEPT: usize = 300;

/// It; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The number of the next one.
    next: u64,
    figures: VecDeque<Arc<Figures>>,
    /// All since the machine began.
    whole: Option<Figures>,
    /// Why there are none now.
    trouble: Option<String>,
}

impl History {
    /// One more, and all since the machine began.
    pub fn put(&self, figures: Figures, whole: Figures) {
        let mut kept = self.lock();
        kept.whole = Some(whole);
        if kept.figures.len() == KEPT {
            kept.figures.pop_front();
        }
        kept.figures.push_back(Arc::new(figures));
        kept.next += 1;
        kept.trouble = None;
    }

    /// There is none, for this reason.
    pub fn trouble(&self, why: String) {
        self.lock().trouble = Some(why);
    }

    /// Those from this number on, each with its number, and the trouble there is.
    pub fn since(&self, number: u64) -> (Vec<(u64, Arc<Figures>)>, Option<String>) {
        let kept = self.lock();
        let first = kept.next - kept.figures.len() as u64;
        let all = (first..).zip(kept.figures.iter().cloned());
        (all.filter(|(of, _)| *of >= number).collect(), kept.trouble.clone())
    }

    /// All since the machine began, as far as it is known.
    pub fn whole(&self) -> Option<Figures> {
        self.lock().whole.clone()
    }

    /// The last one, and the trouble there is.
    pub fn last(&self) -> (Option<Arc<Figures>>, Option<String>) {
        let kept = self.lock();
        (kept.figures.back().cloned(), kept.trouble.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_under_their_numbers() {
        let history = History::default();
        assert!(history.last().0.is_none());
        for at in 0..KEPT + 5 {
            let figures = Figures { at: at as f64, ..Figures::default() };
            history.put(figures.clone(), figures);
        }
        let (all, trouble) = history.since(0);
        assert_eq!((all.len(), all[0].0, all[0].1.at, trouble), (KEPT, 5, 5.0, None));
        let (new, _) = history.since(KEPT as u64 + 4);
        assert_eq!((new.len(), new[0].1.at), (1, (KEPT + 4) as f64));
        assert_eq!(history.whole().unwrap().at, (KEPT + 4) as f64);
        history.trouble("why".into());
        assert_eq!(history.last().1.as_deref(), Some("why"));
    }
}
