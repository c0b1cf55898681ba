//! Who waits for a flush waits for what stood in the lines when it came, not for what others go
//! on changing.

/// Urgent blocks after which one more that waits for its own has the next flush.
const TOGETHER: usize = 16;

/// Whose turn it is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Urgent,
    Ready,
    /// None before what has been written stays.
    Flush,
    None,
}

/// What somebody waits for.
#[derive(Default)]
pub(super) struct Wants {
    /// What is urgent is to stay: so many blocks of it are looked at before the flush, and so many
    /// have been.
    hurried: bool,
    urgent: usize,
    taken: usize,
    /// Anything is to be written and to stay: so many blocks of those that are not urgent.
    pressed: bool,
    ready: usize,
}

impl Wants {
    /// Somebody waits for so many urgent blocks.
    pub fn hurry(&mut self, urgent: usize) {
        if !self.hurried {
            (self.hurried, self.taken) = (true, 0);
        }
        // Who comes soon after another has the same flush.
        if self.taken < TOGETHER {
            self.urgent = urgent;
        }
    }

    /// Somebody waits for so many others.
    pub fn press(&mut self, ready: usize) {
        if !self.pressed {
            (self.pressed, self.ready) = (true, ready);
        }
    }

    pub const fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// Whose turn it is where there are so many of each. `only` what is urgent, if nobody waits
    /// for the others.
    pub const fn turn(&self, urgent: usize, ready: usize, only: bool) -> Turn {
        if urgent > 0 && (!self.hurried || self.urgent > 0) {
            return Turn::Urgent;
        }
        if self.hurried {
            return Turn::Flush;
        }
        let goes = if self.pressed { self.ready > 0 } else { !only };
        match (ready > 0 && goes, self.pressed) {
            (true, _) => Turn::Ready,
            (false, true) => Turn::Flush,
            (false, false) => Turn::None,
        }
    }

    /// One of those whose turn it was is looked at.
    pub const fn takes(&mut self, turn: Turn) {
        match turn {
            Turn::Urgent => {
                self.urgent = self.urgent.saturating_sub(1);
                self.taken = self.taken.saturating_add(1);
            }
            Turn::Ready => self.ready = self.ready.saturating_sub(1),
            Turn::Flush | Turn::None => {}
        }
    }

    /// A flush begins; so many others stand in the line. Whoever waits still says so again.
    pub const fn flushes(&mut self, ready: usize) {
        self.hurried = false;
        self.pressed = self.pressed && self.ready > 0 && ready > 0;
    }

    /// There is nothing that a flush would be for: what has come into the line since is next.
    pub const fn renew(&mut self, ready: usize) {
        self.hurried = false;
        (self.pressed, self.ready) = (self.pressed && ready > 0, ready);
    }
}
