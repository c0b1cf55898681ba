//! The system and this process in it.

use vortex_guest::out::{seen, text, worked};
use vortex_guest::{Res, proc, say, sys};

use super::devices::{MUCH, has_changed};

crate::tests!("system":
    "name" => name,
    "unknown-calls" => unknown,
    "random" => random,
    "processors" => processors,
    "thread-name" => thread_name,
    "fs-base" => fs_base,
    "give-way" => give_way,
    "priority" => priority,
    "one-user" => one_user,
    "policy" => policy,
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
    let mut much = vec![0; MUCH];
    seen("much", get_random(&mut much, 0));
    say!("everywhere {}", has_changed(&much));
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

fn one_user() {
    let mut numbers = [7_u32; 3];
    let [a, b, c] = numbers.each_mut().map(std::ptr::from_mut);
    // SAFETY: the kernel writes the three.
    seen("user", unsafe { sys!(libc::SYS_getresuid, a, b, c) });
    say!("{numbers:?}");
    let [a, b, c] = numbers.each_mut().map(std::ptr::from_mut);
    // SAFETY: as above.
    seen("group", unsafe { sys!(libc::SYS_getresgid, a, b, c) });
    say!("{numbers:?}");
    const SAME: usize = usize::MAX;
    // SAFETY: no memory is named; what is set is what is.
    seen("same user", unsafe { sys!(libc::SYS_setresuid, SAME, 0, SAME) });
    // SAFETY: as above.
    seen("same group", unsafe { sys!(libc::SYS_setresgid, 0, SAME, SAME) });
    // SAFETY: as above.
    seen("both", unsafe { sys!(libc::SYS_setreuid, 0, 0) });
    // SAFETY: as above.
    seen("neither", unsafe { sys!(libc::SYS_setregid, SAME, SAME) });
    // SAFETY: as above.
    seen("no groups", unsafe { sys!(libc::SYS_setgroups, 0, 0) });
    // SAFETY: the kernel is given no room.
    seen("how many", unsafe { sys!(libc::SYS_getgroups, 0, 0) });
    // SAFETY: no memory is written.
    seen("less than none", unsafe { sys!(libc::SYS_getgroups, SAME, 0) });
}

fn policy() {
    let mut priority = 7_i32;
    let at = &raw mut priority;
    // SAFETY: no memory is named.
    seen("policy", unsafe { sys!(libc::SYS_sched_getscheduler, 0) });
    // SAFETY: the kernel writes a number.
    seen("priority", unsafe { sys!(libc::SYS_sched_getparam, 0, at) });
    say!("{priority}");
    // SAFETY: it reads one.
    seen("the same", unsafe { sys!(libc::SYS_sched_setparam, 0, at) });
    // SAFETY: as above.
    seen("the same policy", unsafe { sys!(libc::SYS_sched_setscheduler, 0, 0, at) });
    // SAFETY: as above.
    seen("no policy", unsafe { sys!(libc::SYS_sched_setscheduler, 0, 77, at) });
    // SAFETY: as above.
    seen("no such priority", unsafe { sys!(libc::SYS_sched_setscheduler, 0, 1, at) });
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_sched_getparam, 0, 0) });
    // SAFETY: as the first.
    seen("of nobody", unsafe { sys!(libc::SYS_sched_getscheduler, 1 << 22) });
    // SAFETY: as the first.
    seen("no number", unsafe { sys!(libc::SYS_sched_getscheduler, usize::MAX) });
    for policy in [0, 1, 2, 3, 4, 5, 6] {
        // SAFETY: no memory is named.
        seen("most", unsafe { sys!(libc::SYS_sched_get_priority_max, policy) });
        // SAFETY: as above.
        seen("least", unsafe { sys!(libc::SYS_sched_get_priority_min, policy) });
    }
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
