//! Images that are made, and read back by e2fsprogs and by a reader of others.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use ext4_view::Ext4;
use tar::{Builder, EntryType, Header};

use super::make::Made;
use super::*;

fn wanted() -> Wanted {
    Wanted { size: None, block: 1024, inodes: None, label: "label".into(), force: false }
}

/// A header with an owner and a time of its own.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(70_000);
    header.set_gid(12);
    header.set_mtime(1_700_000_000);
    header.set_size(size);
    header
}

/// A tar with one of each kind, and names that are hard to say.
fn sample(path: &Path) {
    let mut tar = Builder::new(fs::File::create(path).unwrap());
    let mut file = |name: &str, content: &[u8]| {
        let mut header = header(EntryType::Regular, 0o4750, content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    };
    file("a/plain", b"content");
    file("a/plain", b"content, the second");
    file("a/<2>", b"no inode");
    file("a/with \"quotes\" and 'spaces' \\ $x", b"");
    file("a/big", &vec![7; 300_000]);
    file(&format!("a/{}", "n".repeat(255)), b"long");
    let mut directory = header(EntryType::Directory, 0o1770, 0);
    tar.append_data(&mut directory, "./a/", &b""[..]).unwrap();
    for (name, target) in [("short", "plain"), ("long", &"../x".repeat(60)), ("odd", "a \"b\"")] {
        let mut link = header(EntryType::Symlink, 0o777, 0);
        tar.append_link(&mut link, format!("a/{name}"), target).unwrap();
    }
    for name in ["zz", "0", "b/other"] {
        let mut link = header(EntryType::Link, 0o4750, 0);
        tar.append_link(&mut link, name, "./a/plain").unwrap();
    }
    for (name, kind) in [("null", EntryType::Char), ("disk", EntryType::Block)] {
        let mut device = header(kind, 0o600, 0);
        device.set_device_major(259).unwrap();
        device.set_device_minor(60_000).unwrap();
        tar.append_data(&mut device, format!("dev/{name}"), &b""[..]).unwrap();
    }
    tar.append_data(&mut header(EntryType::Fifo, 0o640, 0), "dev/pipe", &b""[..]).unwrap();
    tar.finish().unwrap();
}

fn made(tar: &Path, to: &Path, wanted: &Wanted) -> Result<Made, VolumeError> {
    let contents = tempfile::tempdir().unwrap();
    make(&archive(tar, contents.path())?, to, wanted)
}

/// What `debugfs` says to one request.
fn asked(image: &Path, request: &str) -> String {
    let mut command = tools::command("debugfs").unwrap();
    let output = command.args(["-R", request]).arg(image).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_tar_is_kept_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (tar, image) = (place.path().join("t.tar"), place.path().join("t.img"));
    sample(&tar);
    for block in [1024, 2048, 4096] {
        made(&tar, &image, &Wanted { block, force: true, ..wanted() }).unwrap();
        let fs = Ext4::load_from_path(&image).unwrap();
        assert_eq!(fs.label().to_str().unwrap(), "label");
        let text = |path: &str| fs.read_to_string(path).unwrap();
        assert_eq!(text("/a/plain"), "content, the second");
        assert_eq!((text("/zz"), text("/b/other")), (text("/a/plain"), text("/0")));
        assert_eq!(text("/a/<2>"), "no inode");
        assert_eq!(text("/a/with \"quotes\" and 'spaces' \\ $x"), "");
        assert_eq!(text(&format!("/a/{}", "n".repeat(255))), "long");
        assert_eq!(fs.read("/a/big").unwrap(), vec![7; 300_000]);
        let link = |path: &str| fs.read_link(path).unwrap().display().to_string();
        assert_eq!(link("/a/short"), "plain");
        assert_eq!((link("/a/long"), link("/a/odd")), ("../x".repeat(60), "a \"b\"".into()));
        for (path, mode) in [("/a", 0o1770), ("/a/plain", 0o4750), ("/dev/pipe", 0o640)] {
            let about = fs.symlink_metadata(path).unwrap();
            assert_eq!((about.mode() & 0o7777, about.uid(), about.gid()), (mode, 70_000, 12));
            assert_eq!(about.modified().seconds(), 1_700_000_000, "{path}");
        }
        assert!(fs.symlink_metadata("/dev/pipe").unwrap().file_type().is_fifo());
        assert!(asked(&image, "stat /zz").contains("Links: 4 "));
        for (name, kind) in [("null", "character special"), ("disk", "block special")] {
            let said = asked(&image, &format!("stat /dev/{name}"));
            assert!(said.contains(kind) && said.contains("259:60000"), "{said}");
        }
        let root = fs.symlink_metadata("/").unwrap();
        assert_eq!((root.uid(), root.mode() & 0o7777), (0, 0o755));
    }
}

#[test]
fn the_same_input_gives_the_same_image() {
    let place = tempfile::tempdir().unwrap();
    let (tar, a, b) =
        (place.path().join("t"), place.path().join("a.img"), place.path().join("b.img"));
    sample(&tar);
    made(&tar, &a, &wanted()).unwrap();
    // Not within the same second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    made(&tar, &b, &wanted()).unwrap();
    assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap());
}

#[test]
fn a_directory_becomes_roots() {
    let place = tempfile::tempdir().unwrap();
    let from = place.path().join("from");
    fs::create_dir_all(from.join("sub/deep")).unwrap();
    fs::write(from.join("sub/file"), "x").unwrap();
    fs::hard_link(from.join("sub/file"), from.join("sub/deep/same")).unwrap();
    symlink("file", from.join("sub/link")).unwrap();
    fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o700)).unwrap();
    let image = place.path().join("d.img");
    let done = make(&folder(&from).unwrap(), &image, &wanted()).unwrap();
    assert_eq!(done.size, fs::metadata(&image).unwrap().len());
    let fs = Ext4::load_from_path(&image).unwrap();
    let about = fs.symlink_metadata("/sub").unwrap();
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o700, 0));
    let time = fs::metadata(from.join("sub/file")).unwrap().mtime();
    assert_eq!(fs.metadata("/sub/link").unwrap().modified().seconds(), time);
    assert!(asked(&image, "stat /sub/file").contains("Links: 2 "));
    assert_eq!(fs.read_to_string("/sub/deep/same").unwrap(), "x");
    let _socket = std::os::unix::net::UnixListener::bind(from.join("s")).unwrap();
    assert!(fs::symlink_metadata(from.join("s")).unwrap().file_type().is_socket());
    assert!(matches!(folder(&from), Err(VolumeError::Kind(name)) if name.ends_with("/s")));
}

#[test]
fn many_names_fit_and_what_suffices_does() {
    let place = tempfile::tempdir().unwrap();
    let (tar, image) = (place.path().join("t"), place.path().join("t.img"));
    let mut builder = Builder::new(fs::File::create(&tar).unwrap());
    for number in 0..700 {
        let name = format!("many/file-with-a-name-that-is-not-short-{number}");
        let content = vec![1; number * 17];
        let mut header = header(EntryType::Regular, 0o644, content.len() as u64);
        builder.append_data(&mut header, name, &content[..]).unwrap();
        // Links alone fill a directory too.
        let mut link = self::header(EntryType::Link, 0o644, 0);
        let target = format!("many/file-with-a-name-that-is-not-short-{}", number / 2);
        builder.append_link(&mut link, format!("links/{number:0>60}"), target).unwrap();
    }
    builder.finish().unwrap();
    drop(builder);
    for block in [1024, 4096] {
        let wanted = Wanted { block, force: true, ..wanted() };
        made(&tar, &image, &wanted).unwrap();
        let fs = Ext4::load_from_path(&image).unwrap();
        // With itself and what is above it.
        assert_eq!(fs.read_dir("/links").unwrap().count(), 702);
        // Whatever is too small is said to be, and what is said to suffice does.
        let mut small = 0;
        for size in [1, 40_000, 1 << 20, 3 << 20, 5 << 20, 7 << 20] {
            let wanted = Wanted { size: Some(size), ..wanted.clone() };
            match made(&tar, &image, &wanted) {
                Ok(_) => {}
                Err(VolumeError::Small { enough, .. }) => {
                    small += 1;
                    assert!(enough > size);
                    made(&tar, &image, &Wanted { size: Some(enough), ..wanted }).unwrap();
                }
                Err(other) => panic!("{size}: {other}"),
            }
        }
        assert!(small >= 4, "{small} were too small");
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_name() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let (tar, image) = (path("t"), path("t.img"));
    sample(&tar);
    fs::write(&image, "mine").unwrap();
    assert!(matches!(made(&tar, &image, &wanted()), Err(VolumeError::Exists(_))));
    assert_eq!(fs::read_to_string(&image).unwrap(), "mine");
    let few = Wanted { inodes: Some(20), force: true, ..wanted() };
    assert!(matches!(made(&tar, &image, &few), Err(VolumeError::FewInodes { .. })));
    assert_eq!(fs::read_to_string(&image).unwrap(), "mine", "what fails leaves what was there");
    fs::write(path("no"), vec![3; 2_000]).unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path("packed"), [0x1f, 0x8b, 8, 0]).unwrap();
    let refused = |name: &str| made(&path(name), &path("x.img"), &wanted()).unwrap_err();
    assert!(matches!(refused("no"), VolumeError::NoTar(..)));
    assert!(matches!(refused("empty"), VolumeError::NoTar(..)));
    assert!(matches!(refused("packed"), VolumeError::Compressed("gzip", _)));
    // A tar that ends in the middle of a file.
    let whole = fs::read(&tar).unwrap();
    fs::write(path("cut"), &whole[..200_000]).unwrap();
    assert!(matches!(refused("cut"), VolumeError::NoTar(..)));
    for (name, target) in [("x", "../../etc/passwd"), ("y", "nowhere")] {
        let mut builder = Builder::new(fs::File::create(path(name)).unwrap());
        let mut link = header(EntryType::Link, 0o644, 0);
        builder.append_link(&mut link, "link", target).unwrap();
        builder.finish().unwrap();
    }
    assert!(matches!(refused("x"), VolumeError::Outside(_)));
    assert!(matches!(refused("y"), VolumeError::NoTarget(..)));
    let mut builder = Builder::new(fs::File::create(path("z")).unwrap());
    let mut device = header(EntryType::Char, 0o600, 0);
    device.set_device_major(1).unwrap();
    device.set_device_minor(1 << 16).unwrap();
    builder.append_data(&mut device, "device", &b""[..]).unwrap();
    builder.finish().unwrap();
    assert!(matches!(refused("z"), VolumeError::Device(_)));
    assert!(!path("x.img").exists());
    assert!(matches!(tools::command("no-such-tool"), Err(VolumeError::NoTool(_))));
}

#[test]
fn a_packed_tar_is_unpacked() {
    let place = tempfile::tempdir().unwrap();
    let (tar, image) = (place.path().join("t"), place.path().join("t.img"));
    sample(&tar);
    assert!(std::process::Command::new("gzip").arg(&tar).status().unwrap().success());
    made(&place.path().join("t.gz"), &image, &wanted()).unwrap();
    let fs = Ext4::load_from_path(&image).unwrap();
    assert_eq!(fs.read_to_string("/zz").unwrap(), "content, the second");
}
