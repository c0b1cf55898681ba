//! Pages that fill all that there may be, and then what the kernel keeps for it: pages make room
//! for that, so nothing is refused.

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{fd, file, pipe, proc, say};

/// A file, made when there is no room for it.
const PATH: &str = "/tmp/hog-crowd";
/// Pipes, with a page in each.
const PIPES: usize = 64;
/// Children, which have all pages too.
const CHILDREN: usize = 12;

/// So many pages, a file of an eighth of them, pipes, children.
pub fn crowd(pages: usize) {
    let region = Region::anonymous(pages * PAGE, BOTH);
    let mark = |page: usize| (page as u64 * 11 + 5) as u8;
    (0..pages).for_each(|page| region.put(page * PAGE, mark(page)));
    let has = |page: usize| region.get(page * PAGE) == mark(page);

    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let data = file::open_mode(PATH, flags, 0o600).and_then(|to| {
        let all = (0..pages / 8).try_for_each(|_| fd::write(to, &[7; PAGE]).map(drop));
        fd::close(to)?;
        all
    });
    say!("crowd: a file: {}", said(data.err()));
    // Folders take of the tree, a little each.
    let names = (0..pages / 4)
        .try_for_each(|number| file::mkdir(&format!("{PATH}-{number}"), 0o700).map(drop));
    say!("crowd: names: {}", said(names.err()));
    let mut ends = Vec::new();
    let pipes = (0..PIPES).try_for_each(|_| {
        let made = pipe::pipe(0)?;
        ends.push((made.out, made.into));
        fd::write(made.into, &[9; PAGE]).map(drop)
    });
    say!("crowd: pipes: {}", said(pipes.err()));
    let sees = (0..pages).all(has);
    say!("crowd: every page: {sees}");

    let gate = pipe::plain();
    let mut made = 0;
    let refused = (0..CHILDREN).try_for_each(|_| {
        proc::fork(|| {
            let _ = fd::close(gate.into);
            let end = fd::read(gate.out, &mut [0]);
            i32::from(end != Ok(0) || !(0..pages).step_by(pages / 16 + 1).all(has))
        })?;
        made += 1;
        Ok(())
    });
    say!("crowd: children: {made}, {}", said(refused.err()));
    let _ = fd::close(gate.into);
    let mut good = 0;
    while let Ok((_, status)) = proc::wait_for(-1, 0) {
        good += usize::from(status == 0);
    }
    say!("crowd: they have every page: {}", good == made);
    let again = (0..pages).all(has);
    for (out, into) in ends {
        let _ = (fd::close(out), fd::close(into));
    }
    let _ = file::unlink(PATH);
    for number in 0..pages / 4 {
        let _ = file::rmdir(&format!("{PATH}-{number}"));
    }
    say!("crowd: {again}");
}

fn said(refused: Option<vortex_guest::Errno>) -> String {
    refused.map_or("none refused".into(), |error| error.to_string())
}
