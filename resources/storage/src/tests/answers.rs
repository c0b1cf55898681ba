//! What disks say of themselves, and of commands: bytes from the specifications, and any.

use std::vec;

use proptest::prelude::*;

use crate::scsi::{Advice, Capacity, Command, Inquiry, Sense, units};
use crate::virtio_scsi::{ANSWER, answer};
use crate::{Address, Volume, VolumeId};

#[test]
fn commands_are_the_specifications_bytes() {
    let bytes = |command: Command, length: usize| command.encoded()[..length].to_vec();
    let read = |block, count| Command::Read { block, count };
    assert_eq!(bytes(read(0x0102_0304, 8), 10), [0x28, 0, 1, 2, 3, 4, 0, 0, 8, 0]);
    let far = bytes(read(1 << 32, 8), 16);
    assert_eq!(far, [0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]);
    let long = bytes(Command::Write { block: 1, count: 0x1_0000 }, 16);
    assert_eq!(long, [0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(bytes(Command::Synchronize, 10), [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(Command::Inquiry(36), 6), [0x12, 0, 0, 0, 36, 0]);
    assert_eq!(bytes(Command::ReportLuns(256), 12), [0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    let capacity = [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
    assert_eq!(bytes(Command::ReadCapacity16, 16), capacity);
    assert_eq!(Address { target: 5, unit: 0x123 }.encoded(), [1, 5, 0x41, 0x23, 0, 0, 0, 0]);
}

#[test]
fn sense_is_read_in_both_forms() {
    let sense = |key, code, qualifier| Some(Sense { key, code, qualifier });
    let mut fixed = [0; 18];
    (fixed[0], fixed[2], fixed[12], fixed[13]) = (0xf0, 0x26, 0x29, 3);
    assert_eq!(Sense::parse(&fixed), sense(6, 0x29, 3));
    assert_eq!(Sense::parse(&fixed[..8]), sense(6, 0, 0));
    assert_eq!(Sense::parse(&[0x72, 3, 0x11, 4, 0, 0, 0, 0]), sense(3, 0x11, 4));
    for none in [&[][..], &[0x70], &[0x11; 18], &[0; 18]] {
        assert_eq!(Sense::parse(none), None);
    }
    assert_eq!(sense(6, 0x29, 0).unwrap().advice(), Advice::Again);
    assert_eq!(sense(2, 4, 1).unwrap().advice(), Advice::Again);
    assert_eq!(sense(2, 4, 2).unwrap().advice(), Advice::Failed);
    assert_eq!(sense(1, 0x17, 0).unwrap().advice(), Advice::Done);
}

#[test]
fn capacities_that_no_disk_has_are_none() {
    let long = |last: u64, size: u32| {
        Capacity::parse16(&[&last.to_be_bytes()[..], &size.to_be_bytes()].concat())
    };
    assert_eq!(long(99, 512), Some(Capacity { blocks: 100, block_size: 512 }));
    assert_eq!(long(1 << 40, 4096).map(|c| c.blocks), Some((1 << 40) + 1));
    for (last, size) in [(99, 0), (99, 520), (99, 256), (99, 8192), (u64::MAX, 512), (1 << 60, 512)]
    {
        assert_eq!(long(last, size), None, "{last} of {size}");
    }
    let short = |last: u32| Capacity::parse10(&[last.to_be_bytes(), [0, 0, 2, 0]].concat());
    assert_eq!(short(7), Some(Capacity { blocks: 8, block_size: 512 }));
    assert_eq!(short(u32::MAX), None);
}

#[test]
fn names_are_for_people() {
    let mut bytes = [b' '; 36];
    bytes[0] = 0;
    bytes[8..12].copy_from_slice(b"QEMU");
    bytes[16..25].copy_from_slice(b"HARD\x1bDISK");
    let inquiry = Inquiry::parse(&bytes);
    assert_eq!((inquiry.name.as_str(), inquiry.is_disk), ("QEMU HARD DISK", true));
    bytes[0] = 0x05;
    assert!(!Inquiry::parse(&bytes).is_disk, "a CD-ROM");
    bytes[0] = 0x20;
    assert!(!Inquiry::parse(&bytes).is_disk, "not connected");
}

#[test]
fn volumes_are_named_and_numbered_as_linux_does() {
    let name = |minor| VolumeId::of_minor(minor).map(|id| (std::format!("{id}"), id.minor()));
    assert_eq!(name(0), Some(("sda".into(), 0)));
    assert_eq!(name(15), Some(("sda15".into(), 15)));
    assert_eq!(name(33), Some(("sdc1".into(), 33)));
    assert_eq!(name(26 * 16), None);
    assert_eq!(name(u32::MAX), None);
}

#[test]
fn volumes_overlap_where_a_block_is_of_both() {
    let volume = |target, first, blocks| {
        let address = Address { target, unit: 0 };
        Volume { address, block_size: 512, first, blocks, name: std::string::String::new() }
    };
    let disk = volume(0, 0, 100);
    for (first, blocks, over) in [(10, 10, true), (0, 1, true), (99, 1, true), (100, 9, false)] {
        assert_eq!(disk.overlaps(&volume(0, first, blocks)), over, "{first}");
        assert_eq!(volume(0, first, blocks).overlaps(&disk), over, "{first}");
    }
    assert!(!volume(0, 10, 10).overlaps(&volume(0, 20, 10)));
    assert!(!disk.overlaps(&volume(1, 0, 100)));
}

#[test]
fn units_are_those_that_a_disk_can_be() {
    let mut list = vec![0, 0, 0, 40, 0, 0, 0, 0];
    for entry in [[0, 0], [0, 7], [0x41, 2], [0x80, 1], [1, 1]] {
        list.extend(entry);
        list.extend([0; 6]);
    }
    assert_eq!(units(&list), [0, 7, 0x102]);
    list[3] = 16;
    assert_eq!(units(&list), [0, 7]);
    assert!(units(&[0xff; 8]).is_empty());
    assert_eq!(units(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), [1]);
}

proptest! {
    #[test]
    fn no_answer_does_harm(bytes in prop::collection::vec(any::<u8>(), ANSWER..300)) {
        let head: [u8; ANSWER] = bytes[..ANSWER].try_into().unwrap();
        let _ = answer(&head);
        let _ = (Sense::parse(&bytes), Inquiry::parse(&bytes), Capacity::parse16(&bytes));
        prop_assert!(units(&bytes).len() <= 16);
    }
}
