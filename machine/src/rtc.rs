//! The time of day, once at boot: the PC's real-time clock (MC146818), taken as UTC.

use vortex_units::Nanos;
use x86_64::instructions::port::Port;

fn register(index: u8) -> u8 {
    // SAFETY: selects a register of the clock; nothing else uses these ports.
    unsafe { Port::<u8>::new(0x70).write(index) };
    // SAFETY: reads it.
    unsafe { Port::<u8>::new(0x71).read() }
}

/// Seconds, minutes, hours, day, month, year.
fn read() -> [u8; 6] {
    const UPDATING: u8 = 0x80;
    for _ in 0..10_000 {
        if register(0x0a) & UPDATING == 0 {
            break;
        }
    }
    [0x00, 0x02, 0x04, 0x07, 0x08, 0x09].map(register)
}

/// Time since 1970.
pub(crate) fn now() -> Nanos {
    let mut fields = read();
    for _ in 0..4 {
        let again = read();
        if again == fields {
            break;
        }
        fields = again;
    }
    const BINARY: u8 = 0x04;
    if register(0x0b) & BINARY == 0 {
        fields = fields.map(|field| (field >> 4) * 10 + (field & 15));
    }
    let [second, minute, hour, day, month, year] = fields.map(u64::from);
    let seconds =
        days(2000 + year, month.max(1), day.max(1)) * 86_400 + hour * 3_600 + minute * 60 + second;
    Nanos::new(seconds * 1_000_000_000)
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    const TO_1970: u64 = 719_468;
    365 * year + leaps + (153 * month + 2) / 5 + day - 1 - TO_1970
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(days(2026, 11, 24), 20_781);
    }
}
