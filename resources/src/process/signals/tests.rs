use alloc::collections::VecDeque;

use proptest::prelude::*;

use super::restart::{Interrupted, Resumed, resume, resumed};
use super::*;
use crate::process::Pid;
use vortex_abi::Errno;
use vortex_machine::{Fault, FaultKind, Registers};

fn signal(number: i32) -> Signal {
    Signal::new(number).unwrap()
}

#[test]
fn numbers_and_names() {
    assert_eq!(Signal::new(0), None);
    assert_eq!(Signal::new(65), None);
    assert_eq!(Signal::new(-1), None);
    assert_eq!(alloc::format!("{} {}", signal(11), signal(34)), "SIGSEGV SIGRTMIN+2");
    for number in 1..=64 {
        assert_eq!(SignalSet::of(&[signal(number)]).bits(), 1 << (number - 1));
        assert_eq!(SignalSet::of(&[signal(number)]).lowest(), Some(signal(number)));
    }
    assert_eq!(SignalSet::EMPTY.lowest(), None);
    assert_eq!(SignalSet::ALL.iter().count(), 64);
}

#[test]
fn kill_and_stop_are_never_blocked() {
    let all = SignalSet::EMPTY.changed(How::Set, SignalSet::ALL);
    assert_eq!(all.complement(), SignalSet::UNSTOPPABLE);
    assert_eq!(all.changed(How::Unblock, SignalSet::ALL), SignalSet::EMPTY);
    assert_eq!(How::new(3), Err(Errno::EINVAL));
}

#[test]
fn actions_keep_their_rules() {
    let mut actions = Actions::default();
    let ignore = Action { handler: 1, ..Action::default() };
    assert_eq!(actions.set(Signal::KILL, ignore), Err(Errno::EINVAL));
    assert_eq!(actions.set(Signal::STOP, ignore), Err(Errno::EINVAL));
    let (_, discarded) = actions.set(Signal::TERM, ignore).unwrap();
    assert_eq!(discarded, SignalSet::of(&[Signal::TERM]));
    let handler =
        Action { handler: 0x1000, flags: u64::MAX, mask: SignalSet::ALL, ..Action::default() };
    let (_, discarded) = actions.set(Signal::USR1, handler).unwrap();
    assert!(discarded.is_empty());
    assert_eq!(actions.get(Signal::USR1).flags, Action::KNOWN);
    assert_eq!(actions.get(Signal::USR1).mask.complement(), SignalSet::UNSTOPPABLE);
    // It was asked to run once.
    assert!(matches!(actions.deliver(Signal::USR1), Delivered::Handler(_)));
    let then = Delivered::Default(Disposition::Terminate);
    assert_eq!(actions.deliver(Signal::USR1), then);
    assert!(actions.discards(Signal::TERM, SignalSet::EMPTY));
    assert!(!actions.discards(Signal::TERM, SignalSet::of(&[Signal::TERM])));
    assert_eq!(actions.deliver(Signal::CONT), Delivered::Ignored);
    actions.after_exec();
    assert_eq!(actions.get(Signal::TERM), ignore);
    assert_eq!(actions.get(Signal::USR1), Action::default());
}

#[test]
fn a_fault_cannot_be_ignored() {
    let mut actions = Actions::default();
    let handler = Action { handler: 0x1000, ..Action::default() };
    actions.set(Signal::SEGV, handler).unwrap();
    let mut blocked = SignalSet::of(&[Signal::HUP]);
    actions.force(Signal::SEGV, &mut blocked);
    assert_eq!(actions.deliver(Signal::SEGV), Delivered::Handler(handler));
    blocked.insert(Signal::SEGV);
    actions.force(Signal::SEGV, &mut blocked);
    assert_eq!(blocked, SignalSet::of(&[Signal::HUP]));
    assert_eq!(actions.deliver(Signal::SEGV), Delivered::Default(Disposition::Core));
}

#[test]
fn an_action_has_the_kernels_layout() {
    let action = Action { handler: 1, flags: 2, restorer: 3, mask: SignalSet::from_bits(4) };
    let bytes = action.to_bytes();
    assert_eq!(bytes.map(u32::from).iter().sum::<u32>(), 10);
    assert_eq!((bytes[0], bytes[8], bytes[16], bytes[24]), (1, 2, 3, 4));
    assert_eq!(Action::from_bytes(&bytes), action);
}

#[test]
fn causes_have_the_kernels_layout() {
    let half = |info: &Info, at: usize| {
        i32::from_le_bytes(info.to_bytes()[at..at + 4].try_into().unwrap())
    };
    let halves = |info: Info, at: &[usize]| -> alloc::vec::Vec<i32> {
        at.iter().map(|at| half(&info, *at)).collect()
    };
    let user = Info::user(Signal::TERM, Pid(5), 6);
    assert_eq!(halves(user, &[0, 4, 8, 16, 20]), [15, 0, libc::SI_USER, 5, 6]);
    let queued = Info::queued(Signal::RTMIN, Pid(5), 6, 7);
    assert_eq!(halves(queued, &[0, 8, 16, 20, 24, 28]), [32, libc::SI_QUEUE, 5, 6, 7, 0]);
    assert_eq!(half(&Info::tkill(Signal::TERM, Pid(5), 6), 8), libc::SI_TKILL);
    assert_eq!(half(&Info::kernel(Signal::TERM), 8), libc::SI_KERNEL);
    let timer = Info::timer(Signal::ALRM, 1, 2, 3);
    assert_eq!(halves(timer, &[8, 16, 20, 24]), [libc::SI_TIMER, 1, 2, 3]);
    let child = Info::child(Signal::CHLD, Pid(5), 6, Ended::Killed(Signal::KILL), (7, 8));
    let expected = [17, libc::CLD_KILLED, 5, 6, 9, 7, 8];
    assert_eq!(halves(child, &[0, 8, 16, 20, 24, 32, 40]), expected);
    let fault = Info::fault(Cause::SEGV_ACCERR, 0x1_0000_0002);
    assert_eq!(halves(fault, &[0, 8, 16, 20]), [11, 2, 2, 1]);
    let fault = Fault { kind: FaultKind::Protection, code: 0, address: 9 };
    assert_eq!(
        halves(Info::fault(Cause::of(fault.kind, true), fault.address), &[0, 8, 16]),
        [11, libc::SI_KERNEL, 0]
    );
}

#[test]
fn nobody_pretends_to_be_the_kernel() {
    let kernel = Info::kernel(Signal::TERM).to_bytes();
    assert_eq!(Info::from_user(Signal::TERM, &kernel, false), Err(Errno::EPERM));
    let tkill = Info::tkill(Signal::TERM, Pid(1), 0).to_bytes();
    assert_eq!(Info::from_user(Signal::TERM, &tkill, false), Err(Errno::EPERM));
    let queued = Info::queued(Signal::TERM, Pid(1), 2, 3);
    assert_eq!(Info::from_user(Signal::TERM, &queued.to_bytes(), false), Ok(queued));
}

#[test]
fn floating_point_faults_are_told_apart() {
    let mut vectors = [0; 512];
    (vectors[0], vectors[24], vectors[25]) = (0x7f, 0x80, 0x1f);
    (vectors[0], vectors[2]) = (0x7b, 0x04);
    assert_eq!(Cause::floating_point(&vectors), Cause::FPE_FLTDIV);
    (vectors[0], vectors[24], vectors[25]) = (0x7f, 0x88, 0x1b);
    assert_eq!(Cause::floating_point(&vectors), Cause::FPE_FLTOVF);
    assert_eq!(Cause::floating_point(&[]), Cause::FPE_FLTINV);
}

#[test]
fn alternate_stacks() {
    let given = |base: u64, flags: u32, size: u64| {
        let mut bytes = [0; Stack::SIZE];
        bytes[..8].copy_from_slice(&base.to_le_bytes());
        bytes[8..12].copy_from_slice(&flags.to_le_bytes());
        bytes[16..].copy_from_slice(&size.to_le_bytes());
        Stack::from_bytes(&bytes)
    };
    let none = Stack::DISABLED;
    assert_eq!(none.changed(given(0x1000, 0, 2047), 0), Err(Errno::ENOMEM));
    assert_eq!(none.changed(given(0x1000, 4, 4096), 0), Err(Errno::EINVAL));
    assert_eq!(none.changed(given(0x1000, 2, 1), 0), Ok(none));
    let stack = none.changed(given(0x1000, 0, 4096), 0).unwrap();
    assert_eq!(stack.changed(none, 0x1800), Err(Errno::EPERM));
    assert_eq!(stack.report(0x1800)[8], 1);
    assert_eq!(stack.report(0x1000)[8], 0, "the lowest byte is below all frames");
    assert_eq!(stack.report(0x2000)[8], 1);
    assert_eq!(none.report(0x1800)[8], 2);
    assert_eq!((stack.top(0), stack.top(0x1800)), (Some(0x2000), None));
    let disarmed = none.changed(given(0x1000, 1 << 31, 4096), 0).unwrap();
    assert_eq!(disarmed.changed(none, 0x1800), Ok(none));
    assert_eq!(disarmed.entered(), none);
    assert_eq!(disarmed.report(0x1800)[8..12], (1_u32 << 31).to_le_bytes());
}

#[test]
fn interrupted_calls() {
    let plain = Action { handler: 0x1000, ..Action::default() };
    let again = Action { flags: Action::RESTART, ..plain };
    let table = [
        (Interrupted::Always, [Resumed::Repeat, Resumed::Repeat, Resumed::Repeat]),
        (Interrupted::Restart, [Resumed::Repeat, Resumed::Fail, Resumed::Repeat]),
        (Interrupted::RestartUnlessHandler, [Resumed::Rest, Resumed::Fail, Resumed::Fail]),
        (Interrupted::NoHandler, [Resumed::Repeat, Resumed::Fail, Resumed::Fail]),
        (Interrupted::Eintr, [Resumed::Fail, Resumed::Fail, Resumed::Fail]),
    ];
    for (interrupted, expected) in table {
        let all = [None, Some(&plain), Some(&again)].map(|handler| resumed(interrupted, handler));
        assert_eq!(all, expected, "{interrupted:?}");
    }
    let registers = Registers { rip: 0x1002, rax: 5, rdi: 9, ..Registers::default() };
    let repeated = resume(registers, 35, Resumed::Repeat);
    assert_eq!((repeated.rip, repeated.rax, repeated.rdi), (0x1000, 35, 9));
    let rest = resume(registers, 35, Resumed::Rest);
    assert_eq!((rest.rip, rest.rax), (0x1000, libc::SYS_restart_syscall as u64));
    let failed = resume(registers, 35, Resumed::Fail);
    assert_eq!((failed.rip, failed.rax as i64), (0x1002, -i64::from(libc::EINTR)));
}

#[test]
fn beyond_the_limit_only_kill_succeeds() {
    let mut pending = Pending::default();
    let (first, second) = (signal(40), signal(41));
    for value in 0..REALTIME_LIMIT as u64 {
        assert_eq!(pending.add(Info::queued(first, Pid(1), 0, value)), Ok(Added::Waits));
    }
    assert_eq!(pending.add(Info::queued(second, Pid(1), 0, 0)), Err(Errno::EAGAIN));
    assert_eq!(pending.add(Info::user(second, Pid(1), 0)), Ok(Added::Waits));
    assert_eq!(pending.add(Info::user(second, Pid(1), 0)), Ok(Added::Already));
    assert_eq!(pending.add(Info::kernel(Signal::TERM)), Ok(Added::Waits));
    pending.discard(SignalSet::of(&[first]));
    assert_eq!(pending.take(SignalSet::EMPTY), Some(Info::kernel(Signal::TERM)));
    assert_eq!(pending.take(SignalSet::EMPTY), Some(Info::user(second, Pid(0), 0)));
    assert_eq!(pending.take(SignalSet::EMPTY), None);
    assert_eq!(pending.add(Info::queued(second, Pid(1), 0, 0)), Ok(Added::Waits));
}

#[test]
fn stopping_and_continuing_undo_each_other() {
    assert_eq!(SignalSet::undone_by(Signal::CONT), SignalSet::STOPPING);
    assert_eq!(SignalSet::undone_by(Signal::TSTP), SignalSet::of(&[Signal::CONT]));
    assert!(SignalSet::undone_by(Signal::TERM).is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Add(i32, u64),
    Take(u64),
    Discard(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..=64, 0..100_u64).prop_map(|(number, value)| Step::Add(number, value)),
        3 => prop_oneof![Just(0), any::<u64>()].prop_map(Step::Take),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(a, b)| Step::Discard(a & b)),
    ]
}

/// The order in which the numbers are taken.
fn taken_order() -> impl Iterator<Item = i32> {
    [9].into_iter().chain([4, 5, 7, 8, 11, 31]).chain(1..=64)
}

proptest! {
    #[test]
    fn pending_is_a_list(steps in prop::collection::vec(step(), 0..200)) {
        let mut pending = Pending::default();
        let mut model: VecDeque<Info> = VecDeque::new();
        for step in steps {
            match step {
                Step::Add(number, value) => {
                    let info = Info::queued(signal(number), Pid(1), 2, value);
                    let already = model.iter().any(|other| other.signal == info.signal);
                    let added = pending.add(info).unwrap();
                    if number < 32 && already {
                        prop_assert_eq!(added, Added::Already);
                    } else {
                        prop_assert_eq!(added, Added::Waits);
                        model.push_back(info);
                    }
                }
                Step::Take(blocked) => {
                    let blocked = SignalSet::from_bits(blocked);
                    let place = taken_order().find_map(|number| {
                        let signal = signal(number);
                        let first = || model.iter().position(|info| info.signal == signal);
                        if blocked.contains(signal) { None } else { first() }
                    });
                    let expected = place.and_then(|place| model.remove(place));
                    prop_assert_eq!(pending.peek(blocked), expected.map(|info| info.signal));
                    prop_assert_eq!(pending.take(blocked), expected);
                }
                Step::Discard(set) => {
                    let set = SignalSet::from_bits(set);
                    pending.discard(set);
                    model.retain(|info| !set.contains(info.signal));
                }
            }
            let set = model.iter().map(|info| info.signal).collect::<SignalSet>();
            prop_assert_eq!(pending.set(), set);
        }
    }
}
