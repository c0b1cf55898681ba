//! Devices that every system has.

use libc::O_RDWR;
use vortex_guest::out::{seen, worked};
use vortex_guest::{fd, file, say};

crate::tests!("devices":
    "null" => null,
    "zero" => zero,
    "full" => full,
    "random" => random,
    "kinds" => kinds,
);

/// More than is moved at once.
pub const MUCH: usize = 500_032;

fn open(path: &str) -> i32 {
    let fd = file::open(path, O_RDWR);
    seen("open", fd);
    fd.unwrap_or(-1)
}

fn null() {
    let fd = open("/dev/null");
    seen("write", fd::write(fd, b"12345"));
    seen("read", fd::read_text(fd, 8).map(|text| text.len()));
    seen("seek", fd::seek(fd, 100, libc::SEEK_SET));
    seen("write from nowhere", fd::write_from_nowhere(fd, 8));
    seen("read to nowhere", fd::read_to_nowhere(fd, 8));
}

fn zero() {
    let fd = open("/dev/zero");
    let mut bytes = [1; 5000];
    seen("read", fd::read(fd, &mut bytes));
    say!("zero {}", bytes.iter().all(|byte| *byte == 0));
    seen("write", fd::write(fd, b"12345"));
    seen("read to nowhere", fd::read_to_nowhere(fd, 8));
    let mut much = vec![1; MUCH];
    seen("read much", fd::read(fd, &mut much));
    say!("zero {}", much.iter().all(|byte| *byte == 0));
}

fn full() {
    let fd = open("/dev/full");
    seen("write", fd::write(fd, b"1"));
    let mut bytes = [1; 50];
    seen("read", fd::read(fd, &mut bytes));
    say!("zero {}", bytes.iter().all(|byte| *byte == 0));
}

fn random() {
    let fd = file::open("/dev/urandom", libc::O_RDONLY).unwrap_or(-1);
    let (mut one, mut two) = ([0; 64], [0; 64]);
    seen("read", fd::read(fd, &mut one));
    seen("read", fd::read(fd, &mut two));
    say!("different {}", one != two);
    let mut much = vec![0; MUCH];
    seen("read much", fd::read(fd, &mut much));
    say!("everywhere {}", has_changed(&much));
    worked("close", fd::close(fd));
}

/// Whether something else than zeros is in each part.
pub fn has_changed(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|part| part.iter().any(|byte| *byte != 0))
}

fn kinds() {
    for path in ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"] {
        match file::stat(path) {
            Ok(stat) => say!("{path}: {} {:?}", stat.kind(), stat.device()),
            Err(error) => say!("{path}: {error}"),
        }
    }
}
