//! Hoarding the kernel's objects: of each kind so many until it is refused; then all goes
//! back, and again.

use std::time::Duration;

use vortex_guest::mem::{PAGE, Region};
use vortex_guest::{fd, file, pipe, proc, say, sig, time};

/// Again and again, for so long; tells of the first time.
pub fn hoard(most: u64, seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    let told = once(most);
    say!("{told}");
    while time::now() < end {
        let again = once(most);
        if again != told {
            say!("not the same again: {again}");
        }
    }
}

/// So many until one is refused: how it was, and what there is then.
fn until_refused<T, E: std::fmt::Display>(
    most: u64,
    mut one: impl FnMut() -> Result<T, E>,
) -> (String, Vec<T>) {
    let mut all = Vec::new();
    for _ in 0..most {
        match one() {
            Ok(made) => all.push(made),
            Err(error) => return (error.to_string(), all),
        }
    }
    ("none refused".into(), all)
}

fn once(most: u64) -> String {
    let (files, opened) = until_refused(most, || file::open("/dev/null", libc::O_RDONLY));
    for &one in &opened {
        let _ = fd::close(one);
    }
    let (pipes, made) = until_refused(most, || pipe::pipe(0));
    for one in &made {
        let _ = (fd::close(one.out), fd::close(one.into));
    }
    // Neighbours with other rights are not one region.
    let mut number = 0;
    let (mappings, mapped) = until_refused(most, || {
        number += 1;
        let rights = if number % 2 == 0 { libc::PROT_READ } else { libc::PROT_NONE };
        Region::map(PAGE, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    });
    for one in &mapped {
        let _ = one.unmap(0, PAGE);
    }
    let signal = libc::SIGRTMIN() + 1;
    sig::block(&[signal]);
    let (signals, _) = until_refused(most, || sig::queue(proc::pid(), signal, 0));
    while sig::take(&[signal], 0).is_ok() {}
    format!("objects: files {files}, pipes {pipes}, mappings {mappings}, signals {signals}")
}
