//! The system and this process in it.

use vortex_guest::out::{seen, text, worked};
use vortex_guest::{Res, proc, say, sys};

crate::tests!("system":
    "name" => name,
    "unknown-calls" => unknown,
    "random" => random,
    "processors" => processors,
    "thread-name" => thread_name,
    "fs-base" => fs_base,
    "give-way" => give_way,
    "priority" => priority,
);

fn name() {
    // SAFETY: all zero is a value of it.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure.
    worked("uname", unsafe { sys!(libc::SYS_uname, &raw mut name) });
    let show = |field: &[libc::c_char]| {
        let bytes: Vec<u8> = field.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        text(&bytes)
    };
    say!("{} {}", show(&name.sysname), show(&name.machine));
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_uname, sys::NOWHERE) });
}

fn unknown() {
    for number in [600, 1023, 100_000, 1 << 31, -1] {
        // SAFETY: no such call exists.
        seen("call", unsafe { sys!(number) });
    }
}

fn get_random(bytes: &mut [u8], flags: u32) -> Res {
    // SAFETY: the kernel writes within the slice.
    unsafe { sys!(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), flags) }
}

fn random() {
    let (mut one, mut two) = ([0; 32], [0; 32]);
    seen("bytes", get_random(&mut one, 0));
    seen("bytes", get_random(&mut two, 0));
    say!("different {}", one != two);
    seen("none", get_random(&mut [], 0));
    seen("wrong flags", get_random(&mut one, 64));
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_getrandom, sys::NOWHERE, 8, 0) });
}

fn processors() {
    let mut set = [0_u64; 128];
    let size = size_of_val(&set);
    // SAFETY: the kernel writes within the array.
    let answer = unsafe { sys!(libc::SYS_sched_getaffinity, 0, size, set.as_mut_ptr()) };
    say!("answered {}", answer.is_ok_and(|size| size >= 8 && size % 8 == 0));
    say!("some {}", set.iter().map(|word| word.count_ones()).sum::<u32>() > 0);
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_sched_getaffinity, 1 << 22, size, set.as_mut_ptr()) };
    seen("of nobody", answer);
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_sched_getaffinity, 0, 3, set.as_mut_ptr()) };
    seen("odd size", answer);
}

fn thread_name() {
    let mut bytes = [0_u8; 16];
    // SAFETY: the kernel reads a string, and writes 16 bytes.
    let set =
        unsafe { sys!(libc::SYS_prctl, libc::PR_SET_NAME, c"a name that is too long".as_ptr()) };
    seen("set", set);
    // SAFETY: as above.
    seen("get", unsafe { sys!(libc::SYS_prctl, libc::PR_GET_NAME, bytes.as_mut_ptr()) });
    say!("{}", text(&bytes));
    // SAFETY: no memory is named.
    seen("no such thing", unsafe { sys!(libc::SYS_prctl, 9999) });
}

fn fs_base() {
    const GET: usize = 0x1003;
    let (mut base, own): (usize, usize);
    base = 0;
    // SAFETY: the kernel writes a word.
    seen("get", unsafe { sys!(libc::SYS_arch_prctl, GET, &raw mut base) });
    // SAFETY: the first word of a thread's own memory is its address.
    unsafe { std::arch::asm!("mov {}, fs:[0]", out(reg) own, options(nostack, readonly)) };
    say!("right {}", base == own);
    // SAFETY: no memory is named.
    seen("no such thing", unsafe { sys!(libc::SYS_arch_prctl, 0x7777, 0) });
    const SET: usize = 0x1002;
    // SAFETY: it is refused: no user's address.
    seen("the kernel's", unsafe { sys!(libc::SYS_arch_prctl, SET, 1_usize << 63) });
}

fn give_way() {
    // SAFETY: no memory is named.
    seen("yield", unsafe { sys!(libc::SYS_sched_yield) });
}

fn priority() {
    let child = proc::outcome(|| {
        // SAFETY: no memory is named. The call answers with 20 less the niceness.
        let before = unsafe { sys!(libc::SYS_getpriority, 0, 0) };
        say!("in range {}", before.is_ok_and(|value| (1..=40).contains(&value)));
        // SAFETY: as above.
        seen("lowest", unsafe { sys!(libc::SYS_setpriority, 0, 0, 19) });
        // SAFETY: as above.
        seen("then", unsafe { sys!(libc::SYS_getpriority, 0, 0) });
        0
    });
    say!("{child}");
}
