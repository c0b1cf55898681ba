//! Versions against what each would know by itself.

use alloc::sync::Arc;
use alloc::vec::Vec;

use proptest::prelude::*;
use vortex_files::Versions;

use super::{Behind, Ends, MOST, Version};

/// What one version has seen.
struct Own {
    version: Version,
    end: u64,
    unknown: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Make,
    Drop(usize),
    Resize(u64),
    Write(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Make),
        1 => (0..64usize).prop_map(Step::Drop),
        4 => (0..40u64).prop_map(Step::Resize),
        2 => (0..40u64, 1..8u64).prop_map(|(from, count)| Step::Write(from, from + count)),
    ]
}

proptest! {
    #[test]
    fn each_version_knows_its_own(steps in prop::collection::vec(step(), 1..200)) {
        let ends = Ends::new(20);
        let (mut size, mut all, mut dropped) = (20, Vec::<Own>::new(), false);
        for step in steps {
            match step {
                Step::Make => match ends.clone().version() {
                    Some(version) => {
                        all.push(Own { version, end: size, unknown: u64::MAX });
                    }
                    None => prop_assert!(all.len() >= MOST),
                },
                Step::Drop(at) if !all.is_empty() => {
                    drop(all.swap_remove(at % all.len()));
                    dropped = true;
                }
                Step::Drop(_) => {}
                Step::Resize(to) => {
                    prop_assert_eq!(ends.resize(to), None, "nobody shows it");
                    for own in all.iter_mut().filter(|_| to < size) {
                        own.end = own.end.min(to);
                        own.unknown = if own.unknown >= to { u64::MAX } else { own.unknown };
                    }
                    size = to;
                }
                Step::Write(from, to) => {
                    ends.wrote(from, to);
                    for own in all.iter_mut().filter(|own| to > own.end) {
                        own.unknown = own.unknown.min(from.max(own.end));
                    }
                    if to > size {
                        ends.resize(to);
                        size = to;
                    }
                }
            }
            let first = all.iter().map(|own| own.end).min();
            for own in &all {
                prop_assert_eq!(own.version.end(), own.end);
                let right = size.min(own.unknown).max(own.end);
                let found = own.version.size();
                // Those of one group know together what the first of them did.
                let exact = !dropped && first == Some(own.end);
                prop_assert!(found == right || !exact && (own.end..right).contains(&found));
            }
            let groups = ends.groups.lock();
            prop_assert!(groups.cut.len() <= MOST);
            prop_assert!(groups.cut.is_sorted_by(|a, b| a.last < b.last && a.cut < b.cut));
            let counted: u32 = groups.cut.iter().chain(&groups.whole).map(|one| one.versions).sum();
            prop_assert_eq!(counted as usize, all.len());
        }
        drop(all);
        prop_assert!(ends.groups.lock().cut.is_empty() && ends.groups.lock().whole.is_none());
    }
}

#[test]
fn what_is_written_behind_a_cut_is_known_by_who_was_not_cut_there() {
    let ends = Ends::new(9);
    let make = || ends.clone().version().expect("there is room");
    let sizes = |all: &[Version]| all.iter().map(Version::size).collect::<Vec<_>>();
    let mut all = Vec::from([make()]);
    for end in [2, 4] {
        ends.resize(end);
        ends.resize(9);
        all.push(make());
    }
    assert_eq!(sizes(&all), [9, 9, 9]);
    ends.wrote(3, 5);
    assert_eq!(sizes(&all), [3, 4, 9]);
    ends.resize(3);
    assert_eq!(sizes(&all), [3, 3, 3]);
    ends.resize(9);
    assert_eq!(sizes(&all), [9, 9, 9]);
    assert_eq!(all.iter().map(Version::end).collect::<Vec<_>>(), [2, 3, 3]);
    ends.wrote(6, 7);
    ends.wrote(5, 6);
    assert_eq!(sizes(&all), [5, 5, 5]);
}

#[test]
fn who_would_need_one_group_too_many_gets_no_version() {
    let ends = Ends::new(1000);
    let mut all = Vec::new();
    for end in 1..=MOST as u64 {
        all.push(ends.clone().version().expect("there is room"));
        ends.resize(end);
        ends.resize(1000);
    }
    assert!(ends.clone().version().is_none());
    all.iter().zip(1..).for_each(|(version, end)| assert_eq!(version.end(), end));
    // A cut makes one of them.
    ends.resize(0);
    all.push(ends.clone().version().expect("there is room again"));
}

#[test]
fn a_cut_asks_where_somebody_may_show_it_and_until_it_is_done() {
    let ends = Ends::new(100_000);
    let shown = ends.shown();
    assert_eq!(ends.resize(9000), Some(3));
    let (from, number) = ends.behind().unwrap();
    assert_eq!(from, 3);
    // Longer again, and cut once more before what was asked is done.
    assert_eq!(ends.resize(50_000), Some(3));
    assert_eq!(ends.resize(40_000), Some(3));
    ends.is_concealed(number);
    assert_eq!(ends.resize(50_000), Some(3));
    ends.is_concealed(ends.behind().unwrap().1);
    assert_eq!(ends.resize(60_000), None);
    drop(shown);
    assert_eq!(ends.resize(0), None);
    assert!(Ends::numbered(ends.number).is_some_and(|found| Arc::ptr_eq(&found, &ends)));
    assert_eq!(Behind::default().get(), None);
}
