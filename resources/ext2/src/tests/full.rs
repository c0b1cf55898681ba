//! A file system that is filled to the last block and inode, and emptied again.

use std::vec::Vec;
use std::{format, println};

use super::driver::{Driver, caller};
use super::images::FORMS;
use super::tools::{assert_clean, image};
use crate::{FileBlock, Ino, New, Options};
use vortex_abi::Errno;

#[test]
fn the_last_block_is_given_and_nothing_is_lost() {
    for form in FORMS {
        println!("{form:?}");
        let mut driver = Driver::mount(image(form, 3000), Options::default());
        let before = driver.ext2.statistics();
        let mut files: Vec<(Ino, u64)> = Vec::new();
        for number in 0.. {
            let Ok(ino) = driver.create(Ino::ROOT, &format!("file {number}"), New::File) else {
                break;
            };
            let mut count = 0;
            loop {
                let size = u64::from(driver.ext2.block_size());
                match driver.run(|ext2, c| ext2.allocate(c, ino, FileBlock::new(count), 50)) {
                    Ok(runs) => count += runs.iter().map(|run| run.count).sum::<u32>(),
                    Err(errno) => {
                        assert_eq!(errno, Errno::ENOSPC);
                        break;
                    }
                }
                driver.run(|ext2, c| ext2.wrote(c, ino, u64::from(count) * size)).expect("size");
                if count > 700 {
                    break;
                }
            }
            files.push((ino, count.into()));
            if driver.ext2.statistics().free == 0 {
                break;
            }
        }
        let full = driver.ext2.statistics();
        assert_eq!(full.free, 0, "not a block is left");
        let bytes = driver.unmount();
        assert_clean(&bytes, "full");
        let mut driver = Driver::mount(bytes, Options::default());
        assert_eq!(driver.ext2.statistics(), full);
        // A name needs a block only where the directory has no room.
        let one = driver.create(Ino::ROOT, "one more", New::File).expect("an inode is left");
        let more = driver.run(|ext2, c| ext2.allocate(c, one, FileBlock::new(0), 1));
        assert_eq!(more, Err(Errno::ENOSPC));
        assert_eq!(driver.create(Ino::ROOT, "directory", New::Directory), Err(Errno::ENOSPC));
        driver.unlink(Ino::ROOT, "one more").expect("removed");
        for (number, _) in files.iter().enumerate() {
            driver.unlink(Ino::ROOT, &format!("file {number}")).expect("removed");
        }
        assert_eq!(driver.ext2.statistics(), before, "all is given back");
        // What has just been freed is given again, without waiting for others.
        let again = driver.create(Ino::ROOT, "again", New::File).expect("an inode");
        driver.write(again, 0, &[7; 400_000]).expect("written");
        assert_clean(&driver.unmount(), "emptied");
    }
}

#[test]
fn the_last_inode_is_given() {
    let form = ["-b", "1024", "-N", "64"];
    let mut driver = Driver::mount(image(&form, 2000), Options::default());
    let before = driver.ext2.statistics();
    let mut made = 0;
    while driver.create(Ino::ROOT, &format!("{made}"), New::File).is_ok() {
        made += 1;
    }
    assert_eq!(made, before.free_inodes);
    let refused = driver.create(Ino::ROOT, "more", New::File);
    assert_eq!(refused, Err(Errno::ENOSPC));
    for number in 0..made {
        driver.unlink(Ino::ROOT, &format!("{number}")).expect("removed");
    }
    assert_eq!(driver.ext2.statistics(), before);
    assert_clean(&driver.unmount(), "emptied");
}

#[test]
fn reserved_blocks_are_for_the_superuser() {
    let mut driver = Driver::mount(image(&["-b", "1024", "-m", "10"], 2000), Options::default());
    let ino = driver.create(Ino::ROOT, "file", New::File).expect("a file");
    driver.caller = caller(1000);
    let mut count = 0;
    while let Ok(runs) = driver.run(|ext2, c| ext2.allocate(c, ino, FileBlock::new(count), 50)) {
        count += runs.iter().map(|run| run.count).sum::<u32>();
    }
    let left = driver.ext2.statistics();
    assert_eq!((left.free, left.available), (200, 0));
    driver.caller = caller(0);
    driver.run(|ext2, c| ext2.allocate(c, ino, FileBlock::new(count), 1)).expect("reserved");
}

#[test]
fn a_directory_takes_32000_links() {
    let form = ["-b", "1024", "-N", "33000"];
    let mut driver = Driver::mount(image(&form, 45_000), Options::default());
    let mut made = 0;
    let refused = loop {
        match driver.create(Ino::ROOT, &format!("{made}"), New::Directory) {
            Ok(_) => made += 1,
            Err(errno) => break errno,
        }
    };
    // Itself, its parent (the root is its own), and lost+found.
    assert_eq!((refused, made), (Errno::EMLINK, 32_000 - 3));
    assert_clean(&driver.unmount(), "many directories");
}
