//! Images that `mke2fs -d` filled, in all forms that are served, read and compared.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::string::String;
use std::vec;
use std::vec::Vec;
use std::{format, println};

use tempfile::TempDir;

use super::driver::Driver;
use super::tools::{assert_clean, debugfs, image};
use crate::{Ino, Kind, New, Options};

/// The forms of file systems that are served.
pub const FORMS: &[&[&str]] = &[
    &["-b", "1024"],
    &["-b", "2048"],
    &["-b", "4096"],
    &["-b", "1024", "-I", "128"],
    &["-b", "4096", "-I", "128"],
    &["-b", "1024", "-r", "0", "-O", "none", "-I", "128"],
    &["-b", "4096", "-O", "^dir_index,^resize_inode,^filetype,^sparse_super,^large_file"],
];

fn fill(folder: &Path) {
    fs::create_dir(folder.join("empty")).expect("a folder");
    fs::create_dir_all(folder.join("a/b/c")).expect("folders");
    fs::write(folder.join("a/file"), b"hello").expect("a file");
    fs::write(folder.join("a/none"), b"").expect("a file");
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(folder.join("a/b/large"), large).expect("a file");
    fs::hard_link(folder.join("a/file"), folder.join("a/b/again")).expect("a link");
    symlink("short", folder.join("a/short")).expect("a link");
    symlink("l".repeat(300), folder.join("a/long")).expect("a link");
    symlink("m".repeat(59), folder.join("a/59")).expect("a link");
    symlink("m".repeat(60), folder.join("a/60")).expect("a link");
    for number in 0..700 {
        fs::write(folder.join(format!("a/b/c/a name of the file {number}")), format!("{number}"))
            .expect("a file");
    }
    let sparse = fs::File::create(folder.join("sparse")).expect("a file");
    sparse.set_len(20_000_000).expect("a size");
    std::os::unix::fs::FileExt::write_at(&sparse, b"middle", 9_999_999).expect("a write");
}

fn compare(driver: &mut Driver, dir: Ino, folder: &Path) {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut there: Vec<String> =
        driver.names(dir).expect("a directory").into_iter().map(|(name, _)| name).collect();
    there.retain(|name| name != "lost+found");
    there.sort();
    assert_eq!(there, names, "{}", folder.display());
    for name in names {
        let path = folder.join(&name);
        let ino = driver.lookup(dir, &name).expect("it is there");
        let found = driver.run(|ext2, _| ext2.inode(ino)).expect("an inode");
        let truth = fs::symlink_metadata(&path).expect("metadata");
        assert_eq!(u32::from(found.mode), truth.mode(), "{}", path.display());
        assert_eq!(found.modified.seconds as u32, truth.mtime() as u32, "{}", path.display());
        match found.kind {
            Kind::Directory => compare(driver, ino, &path),
            Kind::Symlink => {
                let target = driver.run(|ext2, _| ext2.readlink(ino)).expect("a link");
                let truth = fs::read_link(&path).expect("a link");
                assert_eq!(String::from_utf8_lossy(&target), truth.to_string_lossy());
            }
            _ => {
                assert_eq!(u64::from(found.links), truth.nlink(), "{}", path.display());
                assert!(driver.read(ino).expect("bytes") == fs::read(&path).expect("bytes"));
            }
        }
    }
    assert_eq!(driver.lookup(dir, "not there"), Err(vortex_abi::Errno::ENOENT));
}

#[test]
fn what_mke2fs_put_there_is_read() {
    let folder = TempDir::new().expect("a folder");
    fill(folder.path());
    for form in FORMS {
        println!("{form:?}");
        let path = folder.path().to_string_lossy();
        let options = [*form, &["-d", &path]].concat();
        let bytes = image(&options, if form[1] == "4096" { 8192 } else { 20_000 });
        let before = bytes.clone();
        let only = Options { read_only: true, ..Options::default() };
        let mut driver = Driver::mount(bytes, only);
        compare(&mut driver, Ino::ROOT, folder.path());
        assert!(driver.unmount() == before, "reading changes nothing");
        // Mounted to be written to and unmounted, it is as clean as it was.
        let mut driver = Driver::mount(before, Options { cached: 64, ..Options::default() });
        compare(&mut driver, Ino::ROOT, folder.path());
        assert_clean(&driver.unmount(), "unmounted");
    }
}

#[test]
fn what_is_made_is_there_and_clean() {
    for form in FORMS {
        println!("{form:?}");
        let mut driver = Driver::mount(image(form, 8192), Options::default());
        let dir = driver.create(Ino::ROOT, "dir", New::Directory).expect("a directory");
        let file = driver.create(dir, "file", New::File).expect("a file");
        let content: Vec<u8> = (0..700_000_u32).map(|i| (i % 253) as u8).collect();
        driver.write(file, 0, &content).expect("written");
        let link = driver.create(dir, "link", New::Symlink(b"file")).expect("a link");
        let long = driver.create(dir, "long", New::Symlink(&[b'x'; 500])).expect("a link");
        let node = driver.create(dir, "node", New::Character(0x0501)).expect("a node");
        driver.run(|ext2, c| ext2.link(c, file, Ino::ROOT, b"other")).expect("linked");
        assert!(driver.read(file).expect("read") == content);
        let bytes = driver.unmount();
        assert_clean(&bytes, "made");
        let told = debugfs(&bytes, "stat /dir/file");
        assert!(told.contains(&format!("Inode: {}", file.get())), "{told}");
        assert!(told.contains("Size: 700000") && told.contains("Links: 2"), "{told}");
        let mut driver = Driver::mount(bytes, Options::default());
        assert_eq!(driver.walk("dir/file"), Ok(file));
        assert_eq!(driver.walk("other"), Ok(file));
        assert!(driver.read(file).expect("read") == content);
        assert_eq!(driver.run(|ext2, _| ext2.readlink(link)).expect("a link"), b"file");
        assert_eq!(driver.run(|ext2, _| ext2.readlink(long)).expect("a link"), vec![b'x'; 500]);
        assert_eq!(driver.run(|ext2, _| ext2.inode(node)).expect("a node").device, 0x0501);
        driver.run(|ext2, c| ext2.set_size(c, file, 100_000)).expect("cut");
        assert!(driver.read(file).expect("read") == content[..100_000]);
        driver.unlink(dir, "file").expect("removed");
        driver.unlink(Ino::ROOT, "other").expect("removed");
        for name in ["link", "long", "node"] {
            driver.unlink(dir, name).expect("removed");
        }
        driver.rmdir(Ino::ROOT, "dir").expect("removed");
        let statistics = driver.ext2.statistics();
        let bytes = driver.unmount();
        assert_clean(&bytes, "removed");
        let driver = Driver::mount(bytes, Options::default());
        assert_eq!(driver.ext2.statistics(), statistics);
        let empty = Driver::mount(image(form, 8192), Options::default());
        assert_eq!(driver.ext2.statistics(), empty.ext2.statistics(), "all is given back");
    }
}
