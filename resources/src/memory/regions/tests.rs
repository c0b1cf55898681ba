use super::*;

fn region(end: u64) -> Region {
    Region::zeros(end)
}

#[test]
fn a_hole_is_cut_out_of_the_middle() {
    let mut regions = Regions::default();
    assert!(regions.insert(0x10000, region(0x20000)));
    regions.remove(0x14000, 0x15000);
    assert_eq!(regions.find(0x13fff).map(|(start, r)| (start, r.end)), Some((0x10000, 0x14000)));
    assert!(regions.find(0x14000).is_none());
    assert_eq!(regions.find(0x15000).map(|(start, r)| (start, r.end)), Some((0x15000, 0x20000)));
}

#[test]
fn the_source_moves_with_a_cut() {
    let mut regions = Regions::default();
    let backing = Backing::File(Arc::new(Image::default()), 0x3000, 100);
    assert!(regions.insert(0x10000, Region { backing, ..region(0x14000) }));
    assert!(regions.protect(0x11000, 0x12000, Access::Read));
    let (_, middle) = regions.find(0x11000).unwrap();
    assert!(matches!(middle.backing, Backing::File(_, 0x3000, 4196)));
    assert_eq!(middle.access, Access::Read);
    assert_eq!(regions.find(0x12000).unwrap().1.access, Access::Write);
}

#[test]
fn protection_needs_no_holes() {
    let mut regions = Regions::default();
    assert!(regions.insert(0x10000, region(0x11000)));
    assert!(regions.insert(0x12000, region(0x13000)));
    assert!(!regions.protect(0x10000, 0x13000, Access::None));
    assert_eq!(regions.find(0x10000).unwrap().1.access, Access::Write);
}

#[test]
fn places_are_found_from_the_top() {
    let mut regions = Regions::default();
    assert!(regions.insert(0x30000, region(0x31000)));
    assert_eq!(regions.place(0x1000, 0x32000), Some(0x31000));
    assert_eq!(regions.place(0x2000, 0x32000), Some(0x2e000));
    assert_eq!(regions.place(0x1000, 0x30800 & !0xfff), Some(0x2f000));
    assert_eq!(regions.place(0x4_0000, 0x32000), None);
}

#[test]
fn nothing_lies_outside_the_programs_half() {
    let mut regions = Regions::default();
    assert!(!regions.insert(0, region(0x1000)));
    assert!(!regions.insert(0x10000, region(0x10000)));
    assert!(!regions.insert(0x10000, region(0x10800)));
    assert!(!regions.insert(USER_END - 0x1000, region(USER_END + 0x1000)));
}

#[test]
fn a_region_grows_up_to_the_next() {
    let mut regions = Regions::default();
    assert!(regions.insert(0x10000, region(0x12000)));
    assert!(regions.insert(0x20000, region(0x21000)));
    assert!(!regions.extend(0x11000, 0x13000));
    assert!(!regions.extend(0x10000, 0x21000));
    assert!(regions.extend(0x10000, 0x20000));
    assert!(regions.all(0x10000, 0x21000, |region| region.may_write));
    assert!(!regions.all(0x10000, 0x22000, |_| true));
}

#[test]
fn a_fork_copies_what_was_written_or_has_no_other_source() {
    let mut regions = Regions::default();
    let file = |end| Region {
        backing: Backing::File(Arc::new(Image::default()), 0x3000, 0),
        ..region(end)
    };
    assert!(regions.insert(0x10000, file(0x12000)));
    assert!(regions.insert(0x12000, file(0x14000)));
    assert!(regions.insert(0x20000, region(0x21000)));
    assert!(regions.insert(0x30000, Region { shared: true, ..region(0x31000) }));
    let own = |regions: &Regions, address| {
        let mut room = [(0, 0); 2];
        let (count, _) = regions.ranges(address, Region::is_own, &mut room);
        room[..count].to_vec()
    };
    assert_eq!(own(&regions, 0), [(0x20000, 0x21000)]);
    regions.write(0x12000);
    assert_eq!(own(&regions, 0x10000), [(0x12000, 0x14000), (0x20000, 0x21000)]);
    assert_eq!(own(&regions, 0x13000), [(0x13000, 0x14000), (0x20000, 0x21000)]);
    assert_eq!(own(&regions, 0x21000), []);
    let mut room = [(0, 0); 1];
    assert_eq!(regions.ranges(0x21000, |_| true, &mut room), (1, None));
    assert_eq!(room, [(0x30000, 0x31000)]);
}

#[test]
fn what_shows_a_page_is_found_within_what_one_run_may_look_at() {
    const COUNT: u64 = 5;
    let (shared, other) = (Shared::zeros(4 << 12), Shared::zeros(4 << 12));
    let mut regions = Regions::default();
    for place in 0..=COUNT {
        let of = if place == COUNT { &shared } else { &other };
        let start = 0x10_0000 * (place + 1);
        let backing = Backing::Shared(of.clone(), 0x1000);
        let region = Region { backing, shared: true, ..region(start + 0x2000) };
        assert!(regions.insert(start, region));
    }
    let source = Source::Shared(shared);
    let (mut left, mut from, mut runs) = (2, 0, 0);
    let found = loop {
        let (found, next) = regions.showing(&source, 2, from, &mut left);
        if found.is_some() {
            break found;
        }
        // What is left is for all that is looked at in a run.
        assert_eq!(left, 0);
        (left, from, runs) = (2, next.unwrap(), runs + 1);
    };
    assert_eq!((found, runs), (Some(0x10_0000 * (COUNT + 1) + 0x1000), 2));
    // Its first page is before what it shows, its third behind it.
    for index in [0, 3] {
        assert_eq!(regions.showing(&source, index, 0, &mut 100), (None, None));
    }
}
