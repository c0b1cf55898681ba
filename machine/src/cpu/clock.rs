//! What the machine's clocks do: the time stamp counter and the APIC's timer, measured against
//! the second channel of the PIT (Intel 8254), whose rate is known. At boot, by the first core.
//!
//! A hypervisor may let others run at any moment of it, so the counters are read together, and
//! what was read in the shortest time is believed: how long it takes from one such moment to the
//! next does not matter.

use vortex_units::Cycles;
use x86_64::instructions::port::Port;

use super::Apic;

/// What the PIT counts in a second, and in about a millisecond.
const PIT_HERTZ: u64 = 1_193_182;
const MILLISECOND: u16 = 1193;
/// How long the clocks are measured, in the PIT's ticks, and how often; of the PIT's 16 bits this
/// is a part, so that a wait can be much longer and not be taken for a short one.
const TICKS: u16 = 2 * MILLISECOND;
const TIMES: usize = 2;
/// How often the counters are read for one moment.
const READS: usize = 6;

/// What the clocks of the machine were found to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub megahertz: u64,
    /// Ticks of the APIC's timer in 2^32 cycles.
    timer_ratio: u64,
}

impl Clock {
    /// Ticks of the APIC's timer in 2^32 cycles.
    pub fn timer_ratio(&self) -> u64 {
        self.timer_ratio
    }

    /// Measures them.
    pub fn measure() -> Self {
        let mut pit = Pit::new();
        let spans: [Span; TIMES] = Apic::counting(|timer| {
            core::array::from_fn(|_| {
                pit.count(u16::MAX);
                let begin = Moment::now(&mut pit, timer);
                while begin.pit.wrapping_sub(pit.now()) < TICKS {
                    core::hint::spin_loop();
                }
                begin.until(&Moment::now(&mut pit, timer))
            })
        });
        // Who was away until the PIT had gone round took it to be faster than it is.
        let span = spans.into_iter().min_by_key(Span::hertz).unwrap_or_default();
        let measured = (span.hertz() + 500_000) / 1_000_000;
        let ratio = (u128::from(span.timer) << 32).checked_div(u128::from(span.tsc.get()));
        Self {
            megahertz: super::features().tsc_megahertz.unwrap_or(measured).max(1),
            timer_ratio: ratio.unwrap_or(1) as u64,
        }
    }
}

/// What the counters showed at one moment.
struct Moment {
    tsc: Cycles,
    pit: u16,
    timer: u32,
}

impl Moment {
    /// Now, as well as it can be told.
    fn now(pit: &mut Pit, timer: &dyn Fn() -> u32) -> Self {
        let mut read = || {
            let before = super::now();
            let (pit, timer) = (pit.now(), timer());
            let took = super::now().saturating_sub(before);
            let tsc = Cycles::new(before.get() + took.get() / 2);
            (took, Self { tsc, pit, timer })
        };
        let mut best = read();
        for _ in 1..READS {
            let next = read();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }

    /// How far the counters have come; the PIT and the timer count down.
    fn until(&self, end: &Self) -> Span {
        Span {
            tsc: end.tsc.saturating_sub(self.tsc),
            pit: self.pit.wrapping_sub(end.pit),
            timer: self.timer.wrapping_sub(end.timer),
        }
    }
}

/// How far the counters came between two moments.
#[derive(Clone, Copy, Default)]
struct Span {
    tsc: Cycles,
    pit: u16,
    timer: u32,
}

impl Span {
    /// Of the time stamp counter, in a second.
    fn hertz(&self) -> u64 {
        (self.tsc.get() * PIT_HERTZ).checked_div(u64::from(self.pit)).unwrap_or(u64::MAX)
    }
}

/// Waits so many milliseconds, at most 50.
pub(super) fn pause(milliseconds: u16) {
    let mut pit = Pit::new();
    pit.count(milliseconds * MILLISECOND);
    while !pit.is_over() {
        core::hint::spin_loop();
    }
}

/// A PC's second channel of the PIT, which else is for the speaker, and which nothing else uses.
struct Pit {
    gate: Port<u8>,
    mode: Port<u8>,
    data: Port<u8>,
}

impl Pit {
    fn new() -> Self {
        let mut gate = Port::<u8>::new(0x61);
        // SAFETY: reading it has no effect.
        let before = unsafe { gate.read() };
        // SAFETY: gate on, speaker off.
        unsafe { gate.write(before & !0x02 | 0x01) };
        Self { gate, mode: Port::new(0x43), data: Port::new(0x42) }
    }

    /// Begins to count down, once, from here, and goes on from the top.
    fn count(&mut self, ticks: u16) {
        let [low, high] = ticks.to_le_bytes();
        // SAFETY: channel 2, both bytes, mode 0.
        unsafe { self.mode.write(0xb0) };
        // SAFETY: the low byte of the count.
        unsafe { self.data.write(low) };
        // SAFETY: the high byte: counting begins.
        unsafe { self.data.write(high) };
    }

    /// Where it is.
    fn now(&mut self) -> u16 {
        // SAFETY: channel 2 keeps what it shows, for the two reads that follow.
        unsafe { self.mode.write(0x80) };
        // SAFETY: the low byte of that.
        let low = unsafe { self.data.read() };
        // SAFETY: the high byte: the channel shows its count again.
        let high = unsafe { self.data.read() };
        u16::from_le_bytes([low, high])
    }

    /// Whether it has come to the end.
    fn is_over(&mut self) -> bool {
        // SAFETY: reading the channel's output has no effect.
        unsafe { self.gate.read() & 0x20 != 0 }
    }
}
