extern crate std;

use super::*;
use std::format;

#[test]
fn shares_refuse_nothing_and_too_much() {
    assert_eq!(Share::from_hundredths(0), Err(ShareError::Zero));
    assert_eq!(Share::from_units(1_000_001), Err(ShareError::TooLarge));
    assert_eq!(Share::from_units(u32::MAX), Err(ShareError::TooLarge));
    assert_eq!(Share::from_units(50).map(Share::hundredths), Ok(5_000));
}

#[test]
fn shares_print_as_they_are_written() {
    assert_eq!(format!("{}", Share::from_hundredths(1_750).unwrap()), "17.50");
    assert_eq!(format!("{}", Share::from_units(33).unwrap()), "33");
}

#[test]
fn amounts_name_their_unit() {
    assert_eq!(format!("{}", Cycles::new(7)), "7 cycles");
    assert_eq!(Frames::new(2).bytes(), Bytes::new(8192));
    assert_eq!(Cycles::new(1).checked_sub(Cycles::new(2)), None);
}

#[test]
fn a_later_life_is_another_activity() {
    assert_ne!(ActivityId::new(3, 0), ActivityId::new(3, 1));
    assert_eq!(format!("{}", ActivityId::INFRASTRUCTURE), "infrastructure");
}
