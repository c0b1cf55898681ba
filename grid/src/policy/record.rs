//! Resource consumption records (§2.2): what executing a request has used.
//!
//! The basic fields are set by the toolkit, outside the resource. The resource may add
//! fields to them, and emit further records of types of its own, some of them later.

use vortex_units::{Bytes, Cycles, Frames, Requests};

/// The type of a record; a scheduler distinguishes records by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKind(pub u16);

impl RecordKind {
    /// The record that the toolkit makes of every request executed.
    pub const BASIC: Self = Self(0);
    /// Cycles used elsewhere by this client's activity, in a turn that others were chosen for, told
    /// to its client at the multiplexor under charge-through.
    pub const THROUGH: Self = Self(1);
    /// Consumption moved between activities once its causer was known.
    pub const BILLED_BACK: Self = Self(2);
    /// Cycles used elsewhere by this client's activity in a turn that this client was chosen for: it
    /// has lent the turn, or goes on in it in a resource. What it was chosen by pays for them, as
    /// for its own; told under charge-through. Its
    /// number is beside those of the kinds that policies of shares treat like it: they are told
    /// apart in one comparison.
    pub const IN_TURN: Self = Self(3);
    /// By how much an earlier record of the client's own requests was wrong, which was a
    /// prediction: charged or taken off in full, and it says nothing of how long requests are.
    pub const CORRECTION: Self = Self(4);
    /// The first number free for resources.
    pub const FIRST_FREE: u16 = 16;
}

/// A field that a resource adds to its records, numbered by the assembly that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u16);

/// Whether a record adds to a client's consumption or takes off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Consumption.
    Charge,
    /// Consumption that turned out to be another's.
    Credit,
}

/// One resource consumption record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is reported.
    pub kind: RecordKind,
    /// Added or taken off.
    pub direction: Direction,
    /// Processor time.
    pub cycles: Cycles,
    /// Memory allocated from the memory multiplexor, less what was returned.
    pub memory: Frames,
    /// Bytes moved.
    pub bytes: Bytes,
    /// Requests served: one in a basic record, more where requests were merged, none in
    /// a record that adds to an earlier one.
    pub requests: Requests,
    /// Fields of the resource's own, each at most once; unused places are `None`.
    pub fields: [Option<(FieldId, u64)>; Self::FIELDS],
}

impl Record {
    /// How many fields of its own a resource can add to one record.
    pub const FIELDS: usize = 2;

    /// A record of nothing yet.
    #[must_use]
    pub const fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            direction: Direction::Charge,
            cycles: Cycles::ZERO,
            memory: Frames::ZERO,
            bytes: Bytes::ZERO,
            requests: Requests::ZERO,
            fields: [None; Self::FIELDS],
        }
    }

    /// Sets a field of the resource's own. False if the record has no place left.
    #[must_use]
    pub fn set(&mut self, field: FieldId, value: u64) -> bool {
        let place = self
            .fields
            .iter()
            .position(|f| matches!(f, Some((id, _)) if *id == field))
            .or_else(|| self.fields.iter().position(Option::is_none));
        match place.and_then(|index| self.fields.get_mut(index)) {
            Some(slot) => {
                *slot = Some((field, value));
                true
            }
            None => false,
        }
    }

    /// The value of a field of the resource's own; zero where it is not set.
    #[must_use]
    pub fn field(&self, field: FieldId) -> u64 {
        self.fields.iter().flatten().find(|(id, _)| *id == field).map_or(0, |(_, value)| *value)
    }

    /// One of so many equal parts of it (rounded down).
    #[must_use]
    pub fn divided(self, parts: u64) -> Self {
        let parts = parts.max(1);
        Self {
            cycles: Cycles::new(self.cycles.get() / parts),
            memory: Frames::new(self.memory.get() / parts),
            bytes: Bytes::new(self.bytes.get() / parts),
            requests: Requests::new(self.requests.get() / parts),
            fields: self.fields.map(|field| field.map(|(id, value)| (id, value / parts))),
            ..self
        }
    }

    /// Takes in a later record of the same kind, so that both are told as one. The fields of
    /// the resource's own stay as they are.
    #[inline]
    pub fn absorb(&mut self, later: &Self) {
        self.cycles += later.cycles;
        self.memory = self.memory.saturating_add(later.memory);
        self.bytes = self.bytes.saturating_add(later.bytes);
        self.requests += later.requests;
    }

    /// What is left of it without a part of it.
    #[must_use]
    pub fn less(self, part: &Self) -> Self {
        Self {
            cycles: self.cycles.saturating_sub(part.cycles),
            memory: self.memory.saturating_sub(part.memory),
            bytes: self.bytes.saturating_sub(part.bytes),
            requests: self.requests.saturating_sub(part.requests),
            fields: self
                .fields
                .map(|field| field.map(|(id, value)| (id, value.saturating_sub(part.field(id))))),
            ..self
        }
    }

    /// The same consumption, taken off.
    #[must_use]
    pub const fn credited(self) -> Self {
        Self { direction: Direction::Credit, ..self }
    }
}

/// What a scheduler counts as consumption; chosen by the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Processor cycles.
    #[default]
    Cycles,
    /// Bytes moved.
    Bytes,
    /// Frames allocated.
    Memory,
    /// Requests served.
    Requests,
    /// A field that the resource adds to its records.
    Field(FieldId),
}

impl Metric {
    /// How much of this metric a record reports.
    #[inline]
    #[must_use]
    pub fn measure(self, record: &Record) -> u64 {
        // What nearly all count, apart from the others: no table of jumps.
        if let Self::Cycles = self { record.cycles.get() } else { self.measure_other(record) }
    }

    #[inline(never)]
    fn measure_other(self, record: &Record) -> u64 {
        match self {
            Self::Cycles => record.cycles.get(),
            Self::Bytes => record.bytes.get(),
            Self::Memory => record.memory.get(),
            Self::Requests => record.requests.get(),
            Self::Field(field) => record.field(field),
        }
    }
}
