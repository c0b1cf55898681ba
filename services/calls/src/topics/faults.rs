//! Faults: which signal, why, where.

use std::arch::asm;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use libc::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, c_int, c_void, siginfo_t};
use vortex_guest::mem::{self, BOTH, PAGE, READ, Region};
use vortex_guest::out::worked;
use vortex_guest::temp::Temp;
use vortex_guest::{fd, proc, say, sig};

crate::tests!("faults":
    "unmapped" => unmapped,
    "null" => null,
    "read-only" => read_only,
    "no-access" => no_access,
    "not-executable" => not_executable,
    "jump-nowhere" => jump_nowhere,
    "kernel-address" => kernel_address,
    "non-canonical" => non_canonical,
    "divide" => divide,
    "illegal" => illegal,
    "breakpoint" => breakpoint,
    "privileged" => privileged,
    "past-end-of-file" => past_end,
    "mended" => mended,
    "skipped" => skipped,
    "blocked-kills" => blocked,
    "ignored-kills" => ignored,
    "default-kills" => default_kills,
    "stack-overflow" => stack_overflow,
    "stack-guard" => stack_guard,
);

static BASE: AtomicUsize = AtomicUsize::new(0);

/// Says what it was told, the address from `BASE` on, and ends the process.
extern "C" fn tell(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes the structure.
    let info = unsafe { &*info };
    // SAFETY: a fault's structure has an address.
    let address = unsafe { info.si_addr() } as usize;
    let (name, code) = (sig::name(signal), sig::code_name(signal, info.si_code));
    match (signal, info.si_code) {
        (SIGSEGV, 1 | 2) | (SIGBUS, _) => {
            say!("{name} {code} at {}", address.wrapping_sub(BASE.load(SeqCst)) as isize);
        }
        (SIGSEGV, _) => say!("{name} {code} address {address}"),
        _ => say!("{name} {code}"),
    }
    proc::exit(50)
}

/// Runs what faults in a child that tells of it.
fn telling(what: &str, base: usize, work: impl FnOnce()) {
    BASE.store(base, SeqCst);
    let ended = proc::outcome(|| {
        for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP] {
            worked_quietly(sig::handle(signal, tell, 0, &[]));
        }
        work();
        say!("no fault");
        0
    });
    say!("{what}: {ended}");
}

fn worked_quietly<T>(answer: vortex_guest::Res<T>) {
    if let Err(error) = answer {
        say!("handler refused: {error}");
    }
}

fn unmapped() {
    let region = Region::anonymous(4 * PAGE, BOTH);
    worked("unmap", region.unmap(PAGE, 2 * PAGE));
    telling("read", region.start(), || region.touch(PAGE + 5));
    telling("write", region.start(), || region.put(2 * PAGE + 77, 1));
}

fn null() {
    telling("read", 0, || mem::touch(0));
    telling("read at 16", 0, || mem::touch(16));
}

fn read_only() {
    let region = Region::anonymous(2 * PAGE, READ);
    telling("read", region.start(), || region.touch(3));
    telling("write", region.start(), || region.put(PAGE + 3, 1));
}

fn no_access() {
    let region = Region::anonymous(2 * PAGE, libc::PROT_NONE);
    telling("read", region.start(), || region.touch(9));
    telling("write", region.start(), || region.put(PAGE, 1));
}

fn not_executable() {
    let region = Region::anonymous(PAGE, BOTH);
    region.put(64, 0xc3);
    telling("call", region.start(), || region.enter(64));
    worked("executable", region.protect(0, PAGE, READ | libc::PROT_EXEC));
    telling("call", region.start(), || region.enter(64));
}

fn jump_nowhere() {
    let region = Region::anonymous(PAGE, BOTH);
    worked("unmap", region.unmap(0, PAGE));
    telling("call", region.start(), || region.enter(8));
}

fn kernel_address() {
    let base = 0xffff_8000_0000_0000_usize;
    telling("read", base, || mem::touch(base + 64));
    telling("read at the top", base, || mem::touch(usize::MAX));
}

fn non_canonical() {
    telling("read", 0, || mem::touch(0x0001_0000_0000_0000));
}

fn divide() {
    telling("by zero", 0, || {
        // SAFETY: it faults, which the handler ends.
        unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
    });
    telling("overflow", 0, || {
        // SAFETY: as above: the smallest number by -1.
        unsafe { asm!("idiv {0:e}", in(reg) -1, inout("eax") i32::MIN => _, inout("edx") -1 => _) };
    });
}

fn illegal() {
    telling("ud2", 0, || {
        // SAFETY: it faults, which the handler ends.
        unsafe { asm!("ud2") };
    });
}

fn breakpoint() {
    telling("int3", 0, || {
        // SAFETY: it traps, which the handler ends.
        unsafe { asm!("int3") };
    });
}

fn privileged() {
    telling("hlt", 0, || {
        // SAFETY: it faults, which the handler ends.
        unsafe { asm!("hlt") };
    });
    telling("cli", 0, || {
        // SAFETY: as above.
        unsafe { asm!("cli") };
    });
    telling("in", 0, || {
        // SAFETY: as above.
        unsafe { asm!("in al, dx", in("dx") 0x70_u16, out("al") _) };
    });
    telling("mov from cr0", 0, || {
        // SAFETY: as above.
        unsafe { asm!("mov {}, cr0", out(reg) _) };
    });
}

fn past_end() {
    let _temp = Temp::new("faults");
    let fd = super::files::make("a");
    worked("write", fd::write(fd, b"short"));
    match Region::map(2 * PAGE, READ, libc::MAP_PRIVATE, fd, 0) {
        Ok(region) => {
            say!("in its page {}", region.text(0, 8));
            telling("past it", region.start(), || region.touch(PAGE + 1));
        }
        Err(error) => say!("{error}"),
    }
}

static PLACE: AtomicUsize = AtomicUsize::new(0);

/// Makes the page at `PLACE` writable, and goes on.
extern "C" fn mend(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: a page of the test's own.
    let _ = unsafe { vortex_guest::sys!(libc::SYS_mprotect, PLACE.load(SeqCst), PAGE, BOTH) };
    BASE.fetch_add(1, SeqCst);
}

fn mended() {
    let region = Region::anonymous(2 * PAGE, READ);
    PLACE.store(region.start() + PAGE, SeqCst);
    worked("handle", sig::handle(SIGSEGV, mend, 0, &[]));
    region.put(PAGE + 10, 7);
    region.put(PAGE + 11, 8);
    say!(
        "faults {}, written {} {}",
        BASE.load(SeqCst),
        region.get(PAGE + 10),
        region.get(PAGE + 11)
    );
}

/// Goes on after the instruction, which is two bytes long.
extern "C" fn skip(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: with SA_SIGINFO the kernel passes a context; the instruction is skipped.
    unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] += 2 };
    BASE.fetch_add(1, SeqCst);
}

fn skipped() {
    worked("handle", sig::handle(SIGILL, skip, 0, &[]));
    for _ in 0..3 {
        // SAFETY: the handler skips it.
        unsafe { asm!("ud2") };
    }
    say!("skipped {}", BASE.load(SeqCst));
}

fn blocked() {
    say!(
        "{}",
        proc::outcome(|| {
            worked_quietly(sig::handle(SIGSEGV, tell, 0, &[]));
            sig::block(&[SIGSEGV]);
            i32::from(mem::load(8))
        })
    );
}

fn ignored() {
    say!(
        "{}",
        proc::outcome(|| {
            worked_quietly(sig::ignore(SIGSEGV));
            i32::from(mem::load(8))
        })
    );
}

fn default_kills() {
    say!("{}", proc::outcome(|| i32::from(mem::load(8))));
    say!(
        "{}",
        proc::outcome(|| {
            // SAFETY: it faults, which ends the process.
            unsafe { asm!("ud2") };
            0
        })
    );
}

/// Uses the stack until there is none left.
fn overflow() -> i32 {
    fn deeper(n: u64) -> u64 {
        let local = std::hint::black_box([n; 512]);
        if n == u64::MAX { 0 } else { deeper(n + 1) + local[7] }
    }
    i32::from(deeper(0) == 1)
}

extern "C" fn overflowed(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    say!("handled {}", sig::name(signal));
    proc::exit(51)
}

fn stack_overflow() {
    say!(
        "without a stack for it: {}",
        proc::outcome(|| {
            worked_quietly(sig::handle(SIGSEGV, overflowed, libc::SA_ONSTACK, &[]));
            overflow()
        })
    );
    say!(
        "with one: {}",
        proc::outcome(|| {
            let region = Region::anonymous(16 * PAGE, BOTH);
            let new = libc::stack_t {
                ss_sp: region.start() as *mut c_void,
                ss_flags: 0,
                ss_size: region.length(),
            };
            // SAFETY: the stack is memory of its own.
            worked_quietly(unsafe { vortex_guest::sys!(libc::SYS_sigaltstack, &raw const new, 0) });
            worked_quietly(sig::handle(SIGSEGV, overflowed, libc::SA_ONSTACK, &[]));
            overflow()
        })
    );
}

/// In a thread of the standard library's, whose stack ends in a page without access.
fn stack_guard() {
    say!(
        "{}",
        proc::outcome(|| {
            let thread = std::thread::spawn(|| {
                sig::reset();
                overflow()
            });
            thread.join().unwrap_or(1)
        })
    );
}
