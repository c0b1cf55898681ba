//! All that is in a file system, in one number.

use vortex_guest::{file, say};

use crate::calls::{get_at, names};
use crate::fail;

/// FNV-1a.
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Says it: names, kinds, modes, links, times, sizes and contents. What e2fsprogs makes by
/// itself is not counted.
pub fn tell(place: &str) {
    let mut sum = Sum(0xcbf2_9ce4_8422_2325);
    let (mut left, mut count) = (vec![place.to_string()], 0_u64);
    while let Some(path) = left.pop() {
        count += 1;
        let stat = file::lstat(&path).unwrap_or_else(|error| fail(&format!("{path}: {error}")));
        let name = path.strip_prefix(place).unwrap_or(&path);
        let (kind, mode, links) = (stat.kind(), stat.mode(), stat.links());
        sum.add(format!("{name} {kind} {mode:o} {links} {}\n", stat.changed()).as_bytes());
        match kind {
            "folder" => {
                let all = names(&path).unwrap_or_else(|error| fail(&format!("{path}: {error}")));
                let all = all.iter().rev().filter(|name| *name != "lost+found");
                left.extend(all.map(|name| format!("{path}/{name}")));
            }
            "link" => {
                let target = file::readlink(&path, 4_096);
                sum.add(target.unwrap_or_else(|error| fail(&format!("{path}: {error}"))).as_bytes())
            }
            "regular" => {
                let content = file::open(&path, libc::O_RDONLY).and_then(|fd| {
                    let content = get_at(fd, 0, stat.size() as usize + 1);
                    vortex_guest::fd::close(fd)?;
                    content
                });
                sum.add(&content.unwrap_or_else(|error| fail(&format!("{path}: {error}"))));
            }
            _ => {}
        }
    }
    say!("files: tree {:016x} of {count} names", sum.0);
}
