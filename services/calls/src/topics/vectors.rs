//! Registers of vectors and of floating point: kept over switches, calls and signals.

use std::arch::asm;

use libc::{SIGUSR1, c_int, c_void, siginfo_t};
use vortex_guest::out::worked;
use vortex_guest::{proc, say, sig};

crate::tests!("vectors":
    "over-switches" => switches,
    "over-signals" => signals,
    "wide-over-switches" => wide,
    "control-over-switches" => control,
    "inherited" => inherited,
);

/// Fills xmm0 to xmm3, gives way, and looks at them again.
fn kept(value: u64) -> bool {
    let (mut first, mut last) = (value, value.rotate_left(17));
    // SAFETY: registers alone, and a call of sched_yield without memory.
    unsafe {
        asm!(
            "movq xmm0, {0}", "movq xmm3, {1}", "movq xmm12, {0}",
            "mov eax, 24", "syscall",
            "pxor xmm12, xmm0", "movq {0}, xmm0", "movq rcx, xmm12", "add {0}, rcx", "movq {1}, xmm3",
            inout(reg) first, inout(reg) last,
            out("rax") _, out("rcx") _, out("r11") _,
            out("xmm0") _, out("xmm3") _, out("xmm12") _,
        );
    }
    first == value && last == value.rotate_left(17)
}

fn in_parallel(work: fn(u64) -> bool) -> usize {
    let children: Vec<_> = (1..=4_u64)
        .map(|n| {
            proc::child(move || {
                let threads = [1, 2].map(|m| {
                    std::thread::spawn(move || (0..2000).all(|turn| work(n << 32 | m << 16 | turn)))
                });
                let here = (0..2000).all(|turn| work(n << 48 | turn));
                let there = threads.into_iter().all(|thread| thread.join().unwrap_or(false));
                i32::from(!(here && there))
            })
        })
        .collect();
    children.into_iter().filter(|child| proc::wait(*child) == "exit 0").count()
}

fn switches() {
    say!("kept by {} of 4", in_parallel(kept));
}

/// The upper halves too, where there are any; otherwise it has nothing to show.
fn kept_wide(value: u64) -> bool {
    if !std::is_x86_feature_detected!("avx") {
        return true;
    }
    let input = [value, !value, value ^ 7, value.rotate_left(9)];
    let mut output = [0_u64; 4];
    // SAFETY: the processor has AVX; two arrays of 32 bytes and a call without memory.
    unsafe {
        asm!(
            "vmovdqu ymm5, [{0}]", "mov eax, 24", "syscall", "vmovdqu [{1}], ymm5", "vzeroupper",
            in(reg) input.as_ptr(), in(reg) output.as_mut_ptr(),
            out("rax") _, out("rcx") _, out("r11") _, out("xmm5") _,
        );
    }
    input == output
}

fn wide() {
    say!("kept by {} of 4", in_parallel(kept_wide));
}

extern "C" fn spoil(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: registers alone, which the return restores.
    unsafe {
        asm!(
            "pcmpeqd xmm0, xmm0", "pcmpeqd xmm3, xmm3", "pcmpeqd xmm12, xmm12",
            out("xmm0") _, out("xmm3") _, out("xmm12") _,
        );
    }
}

fn signals() {
    worked("handle", sig::handle(SIGUSR1, spoil, 0, &[]));
    let (pid, mut value) = (proc::pid() as u64, 0x1234_5678_9abc_def0_u64);
    // SAFETY: registers alone, and a kill of this process, whose handler spoils them.
    unsafe {
        asm!(
            "movq xmm0, {0}", "movq xmm12, {0}", "mov eax, 62", "syscall",
            "pxor xmm12, xmm0", "movq {0}, xmm0", "movq rcx, xmm12", "add {0}, rcx",
            inout(reg) value, in("rdi") pid, in("rsi") SIGUSR1 as u64,
            out("rax") _, out("rcx") _, out("r11") _, out("xmm0") _, out("xmm12") _,
        );
    }
    say!("kept {}", value == 0x1234_5678_9abc_def0);
}

/// How to round, of both units.
fn kept_control(value: u64) -> bool {
    let mode = (value as u32 & 3) << 13;
    let (set, mut got) = (0x1f80 | mode, 0_u32);
    let mut before = 0_u32;
    // SAFETY: two words, and a call without memory; the mode is put back at the end.
    unsafe {
        asm!(
            "stmxcsr [{2}]", "ldmxcsr [{0}]", "mov eax, 24", "syscall",
            "stmxcsr [{1}]", "ldmxcsr [{2}]",
            in(reg) &raw const set, in(reg) &raw mut got, in(reg) &raw mut before,
            out("rax") _, out("rcx") _, out("r11") _,
        );
    }
    got & 0x6000 == mode
}

fn control() {
    say!("kept by {} of 4", in_parallel(kept_control));
}

fn inherited() {
    let (mut value, child): (u64, i64) = (77_777, 0);
    let mut answer = child;
    // SAFETY: a fork by the call alone; the child compares a register and ends.
    unsafe {
        asm!(
            "movq xmm7, {0}", "mov eax, 57", "syscall",
            "test rax, rax", "jnz 2f",
            "movq rdi, xmm7", "sub rdi, {0}", "setnz dil", "movzx edi, dil",
            "mov eax, 231", "syscall", "2:",
            "movq {0}, xmm7",
            inout(reg) value, inlateout("rax") answer,
            out("rdi") _, out("rcx") _, out("r11") _, out("xmm7") _,
        );
    }
    say!("child {}", proc::wait(answer as i32));
    say!("here {value}");
}
