//! Partition tables: those that sfdisk writes, and any bytes.

use std::process::{Command, Stdio};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::partition::{Extent, Flaw, Reader};

const BLOCKS: u64 = 64 * 2048;

/// Reads a table from an image of so many bytes a block.
fn read(image: &[u8], block: u32) -> Reader {
    let size = block as usize;
    let mut reader = Reader::new(block, (image.len() / size) as u64);
    let mut turns = 0;
    while let Some(wanted) = reader.wanted() {
        let from = usize::try_from(wanted.block).ok().and_then(|at| at.checked_mul(size));
        let bytes = from.and_then(|from| image.get(from..from + wanted.blocks as usize * size));
        assert!(wanted.blocks as usize * size <= 4096);
        reader.read(bytes);
        turns += 1;
        assert!(turns < 200, "it does not end");
    }
    reader
}

/// An image that sfdisk has divided; `None` without sfdisk on this host.
fn divided(script: &str) -> Option<Vec<u8>> {
    use std::io::Write as _;
    let path = std::env::temp_dir().join(std::format!(
        "vortex-{}-{:x}.img",
        std::process::id(),
        script.len() * 31 + script.bytes().map(usize::from).sum::<usize>()
    ));
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(BLOCKS * 512).unwrap();
    let places = ["sfdisk", "/sbin/sfdisk", "/usr/sbin/sfdisk"];
    let child = places.iter().find_map(|program| {
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn().ok()
    });
    let image = child.map(|mut child| {
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "sfdisk: {script}");
        std::fs::read(&path).unwrap()
    });
    std::fs::remove_file(&path).unwrap();
    image
}

fn extent(number: u8, first: u64, blocks: u64) -> Extent {
    Extent { number, first, blocks }
}

#[test]
fn what_sfdisk_has_divided_by_gpt() {
    let Some(image) = divided("label: gpt\nstart=2048, size=4096\nstart=8192, size=100\n") else {
        return;
    };
    let expected = [extent(1, 2048, 4096), extent(2, 8192, 100)];
    let reader = read(&image, 512);
    assert_eq!((reader.partitions(), reader.flaws()), (&expected[..], &[][..]));
    // The first copy damaged, in its header or in its entries: the second serves.
    for at in [512 + 20, 1024 + 33] {
        let mut broken = image.clone();
        broken[at] ^= 1;
        let reader = read(&broken, 512);
        assert_eq!((reader.partitions(), reader.flaws()), (&expected[..], &[Flaw::First][..]));
        // And both.
        let last = broken.len() - 512 + 40;
        broken[last] ^= 1;
        let reader = read(&broken, 512);
        assert_eq!((reader.partitions(), reader.flaws()), (&[][..], &[Flaw::Both][..]));
    }
}

#[test]
fn what_sfdisk_has_divided_by_mbr() {
    let script = "label: dos\nstart=2048, size=2048, type=83\n\
        start=4096, size=20480, type=5\nstart=40960, size=512, type=82\n\
        start=6144, size=1000, type=83\nstart=10240, size=2000, type=83\n";
    let lines: Vec<_> = script.lines().collect();
    let numbered = std::format!(
        "{}\n1: {}\n2: {}\n4: {}\n5: {}\n6: {}\n",
        lines[0],
        lines[1],
        lines[2],
        lines[3],
        lines[4],
        lines[5]
    );
    let Some(image) = divided(&numbered) else { return };
    let reader = read(&image, 512);
    assert_eq!(reader.flaws(), []);
    assert_eq!(
        reader.partitions(),
        [
            extent(1, 2048, 2048),
            extent(4, 40960, 512),
            extent(5, 6144, 1000),
            extent(6, 10240, 2000)
        ]
    );
}

/// A table of these entries: kind, first block, blocks.
fn mbr(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut block = vec![0; 512];
    for (place, (kind, first, blocks)) in entries.iter().enumerate() {
        let at = 446 + place * 16;
        block[at + 4] = *kind;
        block[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        block[at + 12..at + 16].copy_from_slice(&blocks.to_le_bytes());
    }
    block[510..].copy_from_slice(&[0x55, 0xaa]);
    block
}

#[test]
fn partitions_that_cannot_be_are_left_out_and_said() {
    let table = mbr(&[(0x83, 0, 10), (0x83, 10, 10), (0x83, 15, 10), (0x83, 90, 20)]);
    let mut image = vec![0; 100 * 512];
    image[..512].copy_from_slice(&table);
    let reader = read(&image, 512);
    assert_eq!(reader.partitions(), [extent(2, 10, 10)]);
    let flaws = [Flaw::Partition(0), Flaw::Partition(15), Flaw::Partition(90)];
    assert_eq!(reader.flaws(), flaws);
}

#[test]
fn a_chain_that_leads_back_ends() {
    let mut image = vec![0; 100 * 512];
    image[..512].copy_from_slice(&mbr(&[(5, 10, 80)]));
    image[10 * 512..11 * 512].copy_from_slice(&mbr(&[(0x83, 1, 4), (5, 10, 10)]));
    image[20 * 512..21 * 512].copy_from_slice(&mbr(&[(0x83, 1, 4)]));
    let reader = read(&image, 512);
    assert_eq!(reader.partitions(), [extent(5, 11, 4), extent(6, 21, 4)]);
    assert_eq!(reader.flaws(), [], "an empty place ends it");
    image[20 * 512..21 * 512].copy_from_slice(&mbr(&[(0x83, 1, 4), (5, 10, 10)]));
    assert_eq!(read(&image, 512).flaws(), [Flaw::Chain]);
}

#[test]
fn an_empty_disk_and_a_file_system_have_no_partitions() {
    assert_eq!(read(&vec![0; 64 * 512], 512).partitions(), []);
    // The first block of a FAT file system ends as a table does.
    let mut image = vec![0x41; 64 * 512];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    let reader = read(&image, 512);
    assert_eq!((reader.partitions(), reader.flaws()), (&[][..], &[][..]));
    assert_eq!(read(&[0; 512], 512).partitions(), []);
}

proptest! {
    /// Any bytes: the reader ends, and names nothing that is not on the disk.
    #[test]
    fn no_table_does_harm(
        mut image in prop::collection::vec(any::<u8>(), 40 * 512),
        protective: bool,
        changes in prop::collection::vec((0_usize..40 * 512, any::<u8>()), 0..20),
    ) {
        for (at, value) in changes {
            image[at] = value;
        }
        image[446..462].fill(0);
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        for entry in 0..4 {
            image[446 + entry * 16] = 0;
            // Half of what is named lies on the disk.
            image[446 + entry * 16 + 9..446 + entry * 16 + 12].fill(0);
        }
        image[450] = if protective { 0xee } else { 5 };
        image[454..462].copy_from_slice(&[1, 0, 0, 0, 39, 0, 0, 0]);
        if protective {
            image[512..520].copy_from_slice(b"EFI PART");
        }
        let reader = read(&image, 512);
        for part in reader.partitions() {
            prop_assert!(part.blocks > 0 && part.first + part.blocks <= 40);
        }
    }
}
