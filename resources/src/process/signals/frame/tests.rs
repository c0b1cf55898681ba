use alloc::vec::Vec;

use proptest::prelude::*;

use super::bytes::{read_half, read_word, write_half, write_word};
use super::*;
use crate::process::Pid;
use crate::process::signals::{Action, Info, Signal, SignalSet, Stack};
use vortex_machine::Registers;

const FXSAVE: Format = Format { xsave: false, parts: 0, size: 512 };
const AVX: Format = Format { xsave: true, parts: 7, size: 832 };

mod linux;

/// Memory with these bytes at an address; all else is not there.
fn memory(address: u64, bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<(), u64> {
    let bytes = bytes.to_vec();
    move |from, buffer| {
        let start = from.checked_sub(address).ok_or(from)? as usize;
        let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
        buffer.copy_from_slice(part.ok_or(from)?);
        Ok(())
    }
}

fn state(format: Format) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..format.size).map(|index| (index * 7 + 3) as u8).collect();
    write_half(&mut bytes, 24, 0x1fa0);
    bytes[464..512].fill(0);
    if format.xsave {
        bytes[512..576].fill(0);
        bytes[512] = format.parts as u8;
    }
    bytes
}

struct Case {
    registers: Registers,
    vectors: Vec<u8>,
    format: Format,
    stack: Stack,
    action: Action,
}

fn case(format: Format) -> Case {
    let registers = Registers {
        rax: 1,
        rbx: 2,
        r15: 15,
        rip: 0x40_1000,
        rsp: 0x7fff_0000_1234,
        rflags: 0x1_0f02 | 1,
        ..Registers::default()
    };
    let action = Action {
        handler: 0x40_2000,
        flags: Action::RESTORER,
        restorer: 0x40_3000,
        mask: SignalSet::of(&[Signal::USR2, Signal::KILL]),
    };
    Case { registers, vectors: state(format), format, stack: Stack::DISABLED, action }
}

impl Case {
    fn build(&self) -> Result<Built, BuildError> {
        build(&Delivery {
            registers: &self.registers,
            vectors: &self.vectors,
            format: self.format,
            blocked: SignalSet::of(&[Signal::HUP]),
            restored: SignalSet::of(&[Signal::HUP]),
            stack: self.stack,
            signal: Signal::USR1,
            action: &self.action,
            info: &Info::user(Signal::USR1, Pid(7), 0),
            trap: Trap::default(),
        })
    }

    /// As the handler's return leaves it.
    fn back(&self, built: &Built) -> Result<Returned, ReturnError<u64>> {
        let now = Registers { rsp: built.address + 8, rflags: 0x202, ..Registers::default() };
        parse_return(&now, &built.stack, self.format, memory(built.address, &built.bytes))
    }
}

fn stack(base: u64, flags: u32, size: u64) -> Stack {
    let mut bytes = [0; Stack::SIZE];
    write_word(&mut bytes, 0, base);
    write_half(&mut bytes, 8, flags);
    write_word(&mut bytes, 16, size);
    Stack::from_bytes(&bytes)
}

#[test]
fn a_handler_begins_as_a_function_does() {
    let case = case(AVX);
    let built = case.build().unwrap();
    let begun = built.registers;
    assert_eq!((begun.rsp + 8) % 16, 0);
    assert_eq!((begun.rip, begun.rdi, begun.rax), (0x40_2000, 10, 0));
    assert_eq!((begun.rsi, begun.rdx), (built.address + 312, built.address + 8));
    assert_eq!(begun.rflags & 0x1_0500, 0);
    assert!(built.address + (built.bytes.len() as u64) <= case.registers.rsp - 128);
    let expected = SignalSet::of(&[Signal::HUP, Signal::USR1, Signal::USR2]);
    assert_eq!(built.blocked, expected);
    let fpstate = read_word(&built.bytes, at::FPSTATE).unwrap();
    assert_eq!(fpstate % 64, 0);
}

#[test]
fn without_a_restorer_there_is_no_way_back() {
    let mut case = case(AVX);
    case.action.flags = 0;
    assert_eq!(case.build(), Err(BuildError::NoRestorer));
}

#[test]
fn a_frame_fits_on_the_alternate_stack_or_is_not_made() {
    let mut case = case(AVX);
    case.action.flags |= Action::ONSTACK;
    case.stack = stack(0x10_0000, 0, 8192);
    let built = case.build().unwrap();
    assert!(case.stack.contains(built.address));
    case.stack = stack(0x10_0000, 0, 1024);
    assert_eq!(case.build(), Err(BuildError::NoStack));
    // On it already: below, and no further than its end.
    case.stack = stack(0x10_0000, 0, 8192);
    case.registers.rsp = 0x10_1000;
    assert!(case.build().unwrap().address < 0x10_1000);
    case.registers.rsp = 0x10_0200;
    assert_eq!(case.build(), Err(BuildError::NoStack));
    case.action.flags &= !Action::ONSTACK;
    assert_eq!(case.build(), Err(BuildError::NoStack));
    case.registers.rsp = 100;
    assert_eq!(case.build(), Err(BuildError::NoStack));
}

#[test]
fn a_stack_that_disarms_itself_comes_back() {
    let mut case = case(AVX);
    case.action.flags |= Action::ONSTACK;
    case.stack = stack(0x10_0000, 1 << 31, 8192);
    let built = case.build().unwrap();
    assert_eq!(built.stack, Stack::DISABLED);
    assert_eq!(case.back(&built).unwrap().stack, case.stack);
}

#[test]
fn what_xsave_leaves_out_is_written_as_it_begins() {
    let mut case = case(AVX);
    case.vectors[512] = 4;
    let built = case.build().unwrap();
    let fpstate = (read_word(&built.bytes, at::FPSTATE).unwrap() - built.address) as usize;
    let state = &built.bytes[fpstate..];
    assert_eq!(read_word(state, 0), Some(0x037f));
    assert_eq!(read_half(state, 24), Some(0x1fa0), "MXCSR is always written");
    assert!(state[160..416].iter().all(|byte| *byte == 0));
    assert_eq!(state[512], 7);
}

#[test]
fn no_vector_state_is_the_first_one() {
    let case = case(AVX);
    let mut built = case.build().unwrap();
    write_word(&mut built.bytes, at::FPSTATE, 0);
    let returned = case.back(&built).unwrap();
    assert_eq!(returned.vectors, vectors::first(AVX).unwrap());
}

#[test]
fn a_bad_magic_leaves_x87_and_sse() {
    let case = case(AVX);
    let mut built = case.build().unwrap();
    let last = built.bytes.len() - 4;
    write_half(&mut built.bytes, last, 0);
    let returned = case.back(&built).unwrap();
    assert_eq!(returned.vectors[..464], case.vectors[..464]);
    assert_eq!(returned.vectors[512], 3);
    assert!(returned.vectors[576..].iter().all(|byte| *byte == 0));
}

#[test]
fn what_the_processor_would_refuse_is_malformed() {
    let case = case(AVX);
    let good = case.build().unwrap();
    let fpstate = (read_word(&good.bytes, at::FPSTATE).unwrap() - good.address) as usize;
    // MXCSR, a part that is not on, the compacted form, what the header reserves.
    for (offset, value) in [(26, 1), (513, 1), (527, 0x80), (528, 1)] {
        let mut built = good.clone();
        built.bytes[fpstate + offset] = value;
        assert_eq!(case.back(&built), Err(ReturnError::Malformed), "at {offset}");
    }
    let mut built = good.clone();
    write_word(&mut built.bytes, at::FPSTATE, good.address + fpstate as u64 + 8);
    assert_eq!(case.back(&built), Err(ReturnError::Malformed));
    let mut built = good;
    write_word(&mut built.bytes, at::FPSTATE, u64::MAX - 63);
    assert_eq!(case.back(&built), Err(ReturnError::Unread(u64::MAX - 63)));
}

proptest! {
    #[test]
    fn a_thread_returns_as_it_was(
        words in any::<[u64; 18]>(),
        rsp in 0x10_0000..0x7fff_ffff_0000_u64,
        xsave: bool,
        mask: u64,
        on_stack: bool,
    ) {
        let mut case = case(if xsave { AVX } else { FXSAVE });
        for (register, word) in order(&mut case.registers).into_iter().zip(words) {
            *register = word;
        }
        case.registers.rsp = rsp;
        case.registers.rflags = case.registers.rflags & flag::FROM_FRAME | 0x202;
        case.stack = stack(0x8000, 0, 0x8000);
        if on_stack {
            case.action.flags |= Action::ONSTACK;
        }
        case.action.mask = SignalSet::from_bits(mask);
        let built = case.build().unwrap();
        prop_assert_eq!((built.address + 8) % 16, 0);
        prop_assert_eq!(case.stack.contains(built.address), on_stack);
        prop_assert!(built.blocked.intersection(SignalSet::UNSTOPPABLE).is_empty());
        let returned = case.back(&built).unwrap();
        prop_assert_eq!(returned.registers, case.registers);
        prop_assert_eq!(returned.blocked, SignalSet::of(&[Signal::HUP]));
        prop_assert_eq!(returned.stack, case.stack);
        prop_assert_eq!(returned.vectors, case.vectors);
    }

    /// Whatever the memory holds, there is an answer.
    #[test]
    fn nothing_in_a_frame_panics(
        mut bytes in prop::collection::vec(any::<u8>(), 0..2048),
        rsp: u64,
        near: bool,
        inside in 0_u64..32,
    ) {
        let base = if near { 0x1000 } else { rsp };
        write_word(&mut bytes, at::FPSTATE, base.wrapping_add(inside * 64));
        let now = Registers { rsp: base.wrapping_add(8), ..Registers::default() };
        let result = parse_return(&now, &Stack::DISABLED, AVX, memory(base, &bytes));
        if let Ok(returned) = result {
            prop_assert_eq!(returned.vectors.len(), AVX.size);
        }
    }

    #[test]
    fn nothing_in_a_delivery_panics(rsp: u64, base: u64, size: u64, flags: u32, xsave: bool) {
        let mut case = case(if xsave { AVX } else { FXSAVE });
        case.registers.rsp = rsp;
        case.stack = stack(base, flags, size);
        case.action.flags |= Action::ONSTACK;
        let _ = case.build();
    }
}
