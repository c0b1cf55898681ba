//! Random system calls with wild arguments, the same for the same seed: `fuzz --seed S
//! --count N`. Children make them, each in an empty folder of its own and ended by an alarm;
//! the parent says only that it got all of them back.
//!
//! It is safe on a host: only what stands in [`calls`] is called. Nothing there reaches
//! another process, a name outside the child's folder, or the system's settings.

mod calls;

use vortex_guest::random::Random;
use vortex_guest::temp::Temp;
use vortex_guest::{args::Args, mem, proc, say, sig, sys};

const USAGE: &str = "usage: fuzz --seed S --count N   (N calls, by children of 500 each)";
/// Calls that a child makes.
const EACH: u64 = 500;

/// A word that a kernel might not expect.
fn wild(random: &mut Random, memory: usize) -> usize {
    match random.below(8) {
        0 => random.below(8),
        1 => random.number() as usize,
        2 => usize::MAX - random.below(4096),
        3 => 1 << random.below(64),
        4 => memory + random.below(4096),
        // The end of the page, behind which there is nothing.
        5 => memory + 4096 - random.below(16),
        6 => random.below(4096),
        _ => i32::MAX as usize + random.below(3),
    }
}

fn child(seed: u64, count: u64) -> i32 {
    let region = mem::Region::shared(2 * mem::PAGE);
    let _ = region.unmap(mem::PAGE, mem::PAGE);
    let mut random = Random::new(seed);
    for _ in 0..count {
        (0..64).for_each(|_| region.put(random.below(mem::PAGE), random.number() as u8));
        let call = random.one(calls::CALLS);
        let mut arguments = [0; 6];
        arguments.iter_mut().for_each(|word| *word = wild(&mut random, region.start()));
        calls::tame(call, &mut arguments, region.start());
        // SAFETY: none, on purpose: a call may spoil this child's memory, whose end it is
        // then. `calls` has argued that it spoils nothing else.
        let _ = unsafe { sys::call(call, &arguments) };
    }
    0
}

fn main() {
    let mut args = Args::new(USAGE);
    let seed = args.number("--seed").unwrap_or(1);
    let count = args.number("--count").unwrap_or(10_000);
    args.end();
    sig::reset();
    let temp = Temp::new("fuzz");
    let children = count.div_ceil(EACH);
    let mut reaped = 0;
    for n in 0..children {
        let pid = proc::child(|| {
            for descriptor in 0..64 {
                let _ = vortex_guest::fd::close(descriptor);
            }
            let _ = proc::set_limit(libc::RLIMIT_AS, 256 << 20, 256 << 20);
            let _ = proc::set_limit(libc::RLIMIT_FSIZE, 1 << 20, 1 << 20);
            // SAFETY: no memory is named. A second alarm follows a signal that was lost.
            let _ = unsafe { vortex_guest::sys!(libc::SYS_alarm, 2) };
            child(seed.wrapping_mul(1_000_003).wrapping_add(n), EACH.min(count - n * EACH))
        });
        // However it ended: one that stopped itself, or slept through its alarm, is killed.
        let begin = vortex_guest::time::now();
        loop {
            match proc::wait_for(pid, libc::WNOHANG) {
                Ok((0, _)) => {}
                Ok(_) => {
                    reaped += 1;
                    break;
                }
                Err(_) => break,
            }
            if vortex_guest::time::now() - begin > std::time::Duration::from_secs(5) {
                let _ = sig::kill(pid, libc::SIGKILL);
            }
            vortex_guest::time::pause(std::time::Duration::from_millis(1));
        }
    }
    drop(temp);
    say!("{reaped} of {children} children reaped");
    proc::exit(i32::from(reaped != children));
}
