//! What is large: directories of 100,000 names, files beyond 2 GiB.

use std::collections::BTreeSet;
use std::format;

use super::driver::Driver;
use super::tools::{assert_clean, debugfs, image};
use crate::{FileBlock, Ino, New, Options, Replace};

const NAMES: u32 = 100_000;

#[test]
fn a_directory_of_100000_names() {
    let bytes = image(&["-b", "4096", "-N", "110000"], 14_000);
    let options = Options { cached: 1000, ..Options::default() };
    let mut driver = Driver::mount(bytes, options);
    let dir = driver.create(Ino::ROOT, "large", New::Directory).expect("a directory");
    for number in 0..NAMES {
        driver.create(dir, &format!("name {number}"), New::File).expect("a file");
    }
    let bytes = driver.unmount();
    assert_clean(&bytes, "100,000 names");
    let mut driver = Driver::mount(bytes, options);
    // The index is built once; then a lookup is a lookup.
    driver.lookup(dir, "name 5").expect("it is there");
    driver.stops = 0;
    for number in (0..NAMES).step_by(7) {
        driver.lookup(dir, &format!("name {number}")).expect("it is there");
        assert!(driver.lookup(dir, &format!("no {number}")).is_err());
    }
    assert_eq!(driver.stops, 0, "nothing is looked through");
    let names = driver.names(dir).expect("a directory");
    let different: BTreeSet<_> = names.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!((names.len(), different.len()), (NAMES as usize, NAMES as usize));
    for number in 0..NAMES {
        if number % 10 != 0 {
            driver.unlink(dir, &format!("name {number}")).expect("removed");
        }
    }
    for number in (0..NAMES).step_by(10) {
        let (old, new) = (format!("name {number}"), format!("another {number}"));
        let (from, to) = ((dir, old.as_bytes()), (dir, new.as_bytes()));
        driver.run(|ext2, c| ext2.rename(c, from, to, Replace::No)).expect("renamed");
    }
    assert_eq!(driver.names(dir).expect("a directory").len(), NAMES as usize / 10);
    for number in (0..NAMES).step_by(10) {
        driver.unlink(dir, &format!("another {number}")).expect("removed");
    }
    driver.rmdir(Ino::ROOT, "large").expect("removed");
    assert_clean(&driver.unmount(), "all removed");
}

#[test]
fn a_file_is_as_large_as_its_pointers_reach() {
    for form in [["-b", "1024"], ["-b", "4096"]] {
        let mut driver = Driver::mount(image(&form, 3000), Options::default());
        let ino = driver.create(Ino::ROOT, "file", New::File).expect("a file");
        let most = driver.ext2.largest_file();
        let size = u64::from(driver.ext2.block_size());
        for at in [0, 11, 12, 12 + size / 4, 500_000, 3_000_000] {
            driver.write(ino, at * size, format!("at {at}").as_bytes()).expect("written");
        }
        driver.write(ino, most - 4, b"last").expect("written");
        let refused = driver.write(ino, most - 2, b"beyond");
        assert_eq!(refused, Err(vortex_abi::Errno::EFBIG));
        let last = FileBlock::new(((most - 1) / size) as u32);
        let runs = driver.run(|ext2, _| ext2.map(ino, last, 1)).expect("a block");
        assert!(runs[0].at.is_some());
        let bytes = driver.unmount();
        assert_clean(&bytes, "a large file");
        assert!(debugfs(&bytes, "stat /file").contains(&format!("Size: {most}")));
        let mut driver = Driver::mount(bytes, Options::default());
        driver.cut(ino, 600_000 * size).expect("cut");
        driver.cut(ino, 12 * size + 1).expect("cut");
        assert_eq!(
            driver.run(|ext2, _| ext2.inode(ino)).expect("an inode").sectors as u64,
            4 * size / 512
        );
        driver.unlink(Ino::ROOT, "file").expect("removed");
        assert_clean(&driver.unmount(), "removed");
    }
}
