//! A line in pieces: one that is long and grows does not move all that stands in it.

use alloc::collections::VecDeque;

/// What stands together.
const PIECE: usize = 256;

pub(super) struct Line<T> {
    pieces: VecDeque<VecDeque<T>>,
    length: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), length: 0 }
    }
}

impl<T> Line<T> {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn push_back(&mut self, next: T) {
        self.length = self.length.saturating_add(1);
        match self.pieces.back_mut().filter(|last| last.len() < PIECE) {
            Some(last) => last.push_back(next),
            None => self.pieces.push_back(VecDeque::from([next])),
        }
    }

    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.pieces.front_mut()?;
        let next = first.pop_front();
        if first.is_empty() {
            self.pieces.pop_front();
        }
        self.length = self.length.saturating_sub(usize::from(next.is_some()));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, PIECE};

    #[test]
    fn what_comes_first_goes_first() {
        let (mut line, mut next) = (Line::default(), 0);
        for round in 0..8 {
            (0..PIECE - 3).for_each(|n| line.push_back((round, n)));
            assert_eq!(line.len(), (PIECE - 3) * (round + 1) - next);
            for _ in 0..PIECE / 2 {
                let each = PIECE - 3;
                assert_eq!(line.pop_front(), Some((next / each, next % each)));
                next += 1;
            }
        }
        let left = core::iter::from_fn(|| line.pop_front()).count();
        assert_eq!((left, line.len()), (8 * (PIECE - 3) - next, 0));
        line.push_back((9, 9));
        assert_eq!(line.pop_front(), Some((9, 9)));
    }
}
