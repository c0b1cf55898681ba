//! Against Linux itself: the layout as its users' headers have it, and frames that it made
//! (`captured/capture.c`).

use core::mem::{offset_of, size_of};

use super::*;

const OWN: &[u8] = include_bytes!("captured/own.bin");
const ALTERNATE: &[u8] = include_bytes!("captured/alternate.bin");

#[test]
fn the_layout_is_that_of_linux() {
    use libc::{siginfo_t, stack_t, ucontext_t};
    let context = |offset| at::CONTEXT + offset;
    assert_eq!(at::FLAGS, context(offset_of!(ucontext_t, uc_flags)));
    assert_eq!(at::STACK, context(offset_of!(ucontext_t, uc_stack)));
    assert_eq!(at::REGISTERS, context(offset_of!(ucontext_t, uc_mcontext.gregs)));
    assert_eq!(at::FPSTATE, context(offset_of!(ucontext_t, uc_mcontext.fpregs)));
    assert_eq!(at::MASK, context(offset_of!(ucontext_t, uc_sigmask)));
    let register = |index: i32| at::REGISTERS + index as usize * 8;
    assert_eq!(at::SEGMENTS, register(libc::REG_CSGSFS));
    assert_eq!(at::ERROR, register(libc::REG_ERR));
    assert_eq!(at::TRAP, register(libc::REG_TRAPNO));
    assert_eq!(at::OLD_MASK, register(libc::REG_OLDMASK));
    assert_eq!(at::CR2, register(libc::REG_CR2));
    assert_eq!(Info::SIZE, size_of::<siginfo_t>());
    assert_eq!(Stack::SIZE, size_of::<stack_t>());
    assert_eq!(
        (0, 8, 16),
        (offset_of!(stack_t, ss_sp), offset_of!(stack_t, ss_flags), offset_of!(stack_t, ss_size))
    );
    let offsets = (
        offset_of!(siginfo_t, si_signo),
        offset_of!(siginfo_t, si_errno),
        offset_of!(siginfo_t, si_code),
    );
    assert_eq!(offsets, (0, 4, 8));
}

#[test]
fn registers_are_in_the_order_of_linux() {
    let mut registers = Registers::default();
    for (index, register) in order(&mut registers).into_iter().enumerate() {
        *register = index as u64;
    }
    let r = registers;
    let expected = [
        (r.r8, libc::REG_R8),
        (r.r9, libc::REG_R9),
        (r.r10, libc::REG_R10),
        (r.r11, libc::REG_R11),
        (r.r12, libc::REG_R12),
        (r.r13, libc::REG_R13),
        (r.r14, libc::REG_R14),
        (r.r15, libc::REG_R15),
        (r.rdi, libc::REG_RDI),
        (r.rsi, libc::REG_RSI),
        (r.rbp, libc::REG_RBP),
        (r.rbx, libc::REG_RBX),
        (r.rdx, libc::REG_RDX),
        (r.rax, libc::REG_RAX),
        (r.rcx, libc::REG_RCX),
        (r.rsp, libc::REG_RSP),
        (r.rip, libc::REG_RIP),
        (r.rflags, libc::REG_EFL),
    ];
    for (place, name) in expected {
        assert_eq!(place, name as u64);
    }
}

/// Parses a frame that Linux has made, and makes it again: it must be the same, at the same
/// place, but for what Linux does not write.
fn made_again(file: &[u8], on_alternate: bool) {
    let address = read_word(file, 0).unwrap();
    let linux = &file[8..];
    let fpstate = (read_word(linux, at::FPSTATE).unwrap() - address) as usize;
    let software = fpstate + 464;
    let format = Format {
        xsave: true,
        parts: read_word(linux, software + 8).unwrap(),
        size: read_half(linux, software + 16).unwrap() as usize,
    };
    // The state at the call to kill(2): what is in no frame is as it was.
    let flags = read_word(linux, at::REGISTERS + 17 * 8).unwrap();
    let now = Registers { rsp: address + 8, rflags: flags, ..Registers::default() };
    let read = memory(address, linux);
    let returned = parse_return(&now, &Stack::DISABLED, format, read).unwrap();
    assert_eq!(returned.blocked, SignalSet::of(&[Signal::HUP]));
    assert_eq!(returned.registers.rax, 0, "kill(2) has returned");
    assert_eq!(returned.registers.rdi, u64::from(read_half(linux, at::INFO + 16).unwrap()));
    assert_eq!(read_word(&returned.vectors, 160 + 7 * 16), Some(1.5_f64.to_bits()));
    assert_eq!(returned.stack.contains(address), on_alternate);

    let given: &[u8; Info::SIZE] = linux[at::INFO..at::END].try_into().unwrap();
    let info = Info::from_user(Signal::USR1, given, true).unwrap();
    assert_eq!(&info.to_bytes(), given);
    let on_stack = if on_alternate { Action::ONSTACK } else { 0 };
    let action = Action {
        handler: 0x40_2000,
        flags: Action::RESTORER | Action::SIGINFO | on_stack,
        restorer: read_word(linux, at::RESTORER).unwrap(),
        mask: SignalSet::of(&[Signal::USR2]),
    };
    let built = build(&Delivery {
        registers: &returned.registers,
        vectors: &returned.vectors,
        format,
        blocked: returned.blocked,
        restored: returned.blocked,
        stack: returned.stack,
        signal: Signal::USR1,
        action: &action,
        info: &info,
        trap: Trap {
            number: read_word(linux, at::TRAP).unwrap(),
            error: read_word(linux, at::ERROR).unwrap(),
            cr2: read_word(linux, at::CR2).unwrap(),
        },
    })
    .unwrap();
    assert_eq!(built.address, address);
    assert_eq!(built.bytes.len(), linux.len());
    // Padding of stack_t, what sigcontext reserves, and the gap before the vector state.
    let unwritten = [at::STACK + 12..at::STACK + 16, at::FPSTATE + 8..at::MASK, at::END..fpstate];
    // A thread that never had an alternate stack: see `Stack::DISABLED`.
    let flags = at::STACK + 8;
    let free = |offset| {
        unwritten.iter().any(|range| range.contains(&offset)) || (!on_alternate && offset == flags)
    };
    for (offset, (ours, theirs)) in built.bytes.iter().zip(linux).enumerate() {
        if !free(offset) {
            assert_eq!(ours, theirs, "at {offset}");
        }
    }
}

#[test]
fn a_frame_of_linux_is_made_again() {
    made_again(OWN, false);
}

#[test]
fn a_frame_of_linux_on_the_alternate_stack_is_made_again() {
    made_again(ALTERNATE, true);
}
