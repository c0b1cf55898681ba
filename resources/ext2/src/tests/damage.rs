//! Damaged images: errors, in bounded steps, and nothing worse.

use std::println;
use std::vec::Vec;

use super::driver::Driver;
use super::images::FORMS;
use super::random::{Dice, seeds};
use super::tools::image;
use crate::{Ino, Kind, New, Options, Replace};

/// A file system with some of everything.
fn sample(form: &[&str], blocks: u32) -> Vec<u8> {
    let mut driver = Driver::mount(image(form, blocks), Options::default());
    for number in 0..6 {
        let dir =
            driver.create(Ino::ROOT, &std::format!("d{number}"), New::Directory).expect("made");
        for name in 0..20 {
            let file = driver.create(dir, &std::format!("f{name}"), New::File).expect("made");
            driver.write(file, name * 20_000, &[name as u8; 3000]).expect("written");
        }
        driver.create(dir, "short", New::Symlink(b"f1")).expect("made");
        driver.create(dir, "long", New::Symlink(&[b'l'; 200])).expect("made");
    }
    driver.unmount()
}

/// Everything that can be asked of it, without looking at what it answers.
fn use_it(driver: &mut Driver, dice: &mut Dice) {
    let mut dirs = std::vec![Ino::ROOT];
    let mut seen = 0;
    while let Some(dir) = dirs.pop() {
        let Ok(names) = driver.names(dir) else { continue };
        for (name, ino) in names.into_iter().take(40) {
            seen += 1;
            if seen > 400 {
                return;
            }
            let Ok(inode) = driver.run(|ext2, _| ext2.inode(ino)) else { continue };
            let _ = driver.lookup(dir, &name);
            match inode.kind {
                Kind::Directory => {
                    dirs.push(ino);
                    let _ = driver.create(ino, "new", New::Directory);
                    let _ = driver.create(ino, "newer", New::File);
                    let _ = driver.rmdir(ino, "new");
                }
                Kind::Symlink => drop(driver.run(|ext2, _| ext2.readlink(ino))),
                _ => {
                    if inode.size < 1 << 22 {
                        let _ = driver.read(ino);
                    }
                    let _ = driver.write(ino, dice.below(200_000), b"something");
                    if dice.below(2) == 0 {
                        let _ = driver.run(|ext2, c| ext2.set_size(c, ino, 5000));
                    }
                }
            }
            match dice.below(4) {
                0 => drop(driver.unlink(dir, &name)),
                1 => {
                    let (from, to) = ((dir, name.as_bytes()), (Ino::ROOT, &b"moved"[..]));
                    let _ = driver.run(|ext2, c| ext2.rename(c, from, to, Replace::Yes));
                }
                _ => {}
            }
        }
    }
}

fn damage(bytes: &mut [u8], dice: &mut Dice, form: &[&str]) {
    let block = form[1].parse::<u64>().expect("a block size");
    for _ in 0..1 + dice.below(20) {
        // Metadata are at the beginning, and directories and pointers soon behind.
        let far = [2048, 8 * block, 80 * block, bytes.len() as u64][dice.below(4) as usize];
        let at = (1024 + dice.below(far)) as usize % bytes.len();
        match dice.below(4) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.throw() as u8,
            2 => {
                let at = at & !3;
                let value = dice.below(3000) as u32;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            _ => {
                let end = (at + dice.below(64) as usize).min(bytes.len());
                bytes[at..end].fill(if dice.below(2) == 0 { 0 } else { 255 });
            }
        }
    }
}

#[test]
fn a_damaged_image_costs_errors() {
    let samples: Vec<_> = FORMS.iter().map(|form| (*form, sample(form, 2000))).collect();
    let (mut mounted, mut refused) = (0, 0);
    for seed in seeds(40, 20_000) {
        let mut dice = Dice(seed);
        let (form, bytes) = &samples[dice.below(samples.len() as u64) as usize];
        println!("seed {seed}");
        let mut bytes = bytes.clone();
        damage(&mut bytes, &mut dice, form);
        let options = Options { unchecked: true, cached: 100, ..Options::default() };
        match Driver::try_mount(bytes, options) {
            Ok((mut driver, _)) => {
                mounted += 1;
                use_it(&mut driver, &mut dice);
                let _ = driver.run(|ext2, c| ext2.unmount(c));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(mounted > 10 * refused / 100 && refused > 0, "{mounted} mounted, {refused} refused");
}
