//! How deep a function's own instructions push the stack, and how deep it is where it calls.
//!
//! Its instructions are followed from its entry along every jump, each once: compilers keep
//! the stack's depth a function of the place. Where a jump goes through a table, what no
//! other jump reaches is followed from that jump's depth.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::code::Function;

/// Bytes of a return address.
const RETURN: u32 = 8;

/// A call, or a jump to another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Bytes of stack of which the callee's own begin: the return address among them.
    pub depth: u32,
    /// The callee; unknown where the call goes through a register or memory.
    pub to: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Walk {
    /// The most bytes below its return address.
    pub depth: u32,
    /// All calls.
    pub calls: Vec<Call>,
    /// Addresses of code that it puts into a register.
    pub taken: Vec<u64>,
    /// Instructions that go to a stack that is not followed.
    pub unclear: Vec<u64>,
}

/// Where the stack is, relative to the function's return address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    depth: u32,
    /// The depth that the frame pointer keeps.
    frame: Option<u32>,
    /// The depth at which a loop that touches page after page ends.
    probe: Option<u32>,
    /// Whether it is another stack, which the function itself went to.
    elsewhere: bool,
}

/// Follows a function.
pub fn walk(function: &Function<'_>) -> Walk {
    let decoder = Decoder::with_ip(64, function.bytes, function.start, DecoderOptions::NONE);
    let code: BTreeMap<u64, Instruction> =
        decoder.into_iter().map(|instruction| (instruction.ip(), instruction)).collect();
    let mut walker =
        Walker { code: &code, seen: BTreeSet::new(), tables: Vec::new(), found: Walk::default() };
    walker.follow(function.start, State::default());
    // What only tables reach.
    while let Some(state) = walker.tables.pop() {
        while let Some(&ip) = code.keys().find(|ip| !walker.seen.contains(ip)) {
            walker.follow(ip, state);
        }
    }
    walker.found
}

struct Walker<'a> {
    code: &'a BTreeMap<u64, Instruction>,
    seen: BTreeSet<u64>,
    /// The state at each jump through a table.
    tables: Vec<State>,
    found: Walk,
}

impl Walker<'_> {
    fn follow(&mut self, from: u64, state: State) {
        let mut open = vec![(from, state)];
        while let Some((ip, mut state)) = open.pop() {
            let Some(instruction) = self.code.get(&ip) else { continue };
            if !self.seen.insert(ip) {
                continue;
            }
            if !state.elsewhere && !state.apply(instruction) {
                self.found.unclear.push(ip);
                state.elsewhere = true;
            }
            self.deepen(state, 0);
            self.found.taken.extend(address_taken(instruction));
            let next = instruction.next_ip();
            match instruction.flow_control() {
                FlowControl::Next | FlowControl::XbeginXabortXend => open.push((next, state)),
                FlowControl::UnconditionalBranch => self.jump(instruction, state, &mut open),
                FlowControl::ConditionalBranch => {
                    self.jump(instruction, state, &mut open);
                    open.push((next, state));
                }
                FlowControl::Call | FlowControl::IndirectCall => {
                    let direct = instruction.flow_control() == FlowControl::Call;
                    let to = direct.then(|| instruction.near_branch_target());
                    // It is deeper by its return address while it is there.
                    self.deepen(state, RETURN);
                    self.call(state, RETURN, to);
                    open.push((next, state));
                }
                FlowControl::IndirectBranch => self.tables.push(state),
                // Its handler has a stack of its own or none to return to.
                FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => {}
            }
        }
        self.tables.sort_unstable();
    }

    /// A jump inside the function, or to another in its place.
    fn jump(&mut self, instruction: &Instruction, state: State, open: &mut Vec<(u64, State)>) {
        let to = instruction.near_branch_target();
        match self.code.contains_key(&to) {
            true => open.push((to, state)),
            false => self.call(state, 0, Some(to)),
        }
    }

    fn deepen(&mut self, state: State, more: u32) {
        if !state.elsewhere {
            self.found.depth = self.found.depth.max(state.depth + more);
        }
    }

    /// From another stack it is no part of what this one needs.
    fn call(&mut self, state: State, more: u32, to: Option<u64>) {
        if !state.elsewhere {
            self.found.calls.push(Call { depth: state.depth + more, to });
        }
    }
}

impl State {
    /// After this instruction; whether it was understood.
    fn apply(&mut self, instruction: &Instruction) -> bool {
        let writes_stack = instruction.op_count() > 0
            && instruction.op0_kind() == OpKind::Register
            && instruction.op0_register() == Register::RSP;
        match instruction.mnemonic() {
            Mnemonic::Call | Mnemonic::Ret => true,
            Mnemonic::Leave => self.unwind(RETURN),
            Mnemonic::Mov if from_stack(instruction, Register::RBP) => {
                self.frame = Some(self.depth);
                true
            }
            Mnemonic::Lea if !writes_stack && instruction.memory_base() == Register::RSP => {
                let below = (instruction.memory_displacement64() as i64).checked_neg();
                let below = below.and_then(|below| u32::try_from(below).ok());
                self.probe = below.map(|below| self.depth + below).or(self.probe);
                true
            }
            Mnemonic::Cmp if writes_stack => {
                self.depth = self.probe.unwrap_or(self.depth);
                true
            }
            Mnemonic::Test => true,
            _ if !writes_stack => self.by(-i64::from(instruction.stack_pointer_increment())),
            Mnemonic::Sub if is_immediate(instruction) => self.by(instruction.immediate(1) as i64),
            Mnemonic::Add if is_immediate(instruction) => {
                self.by(-(instruction.immediate(1) as i64))
            }
            // To a multiple of a power of two, which is lower by less than that.
            Mnemonic::And if is_immediate(instruction) => {
                self.by((instruction.immediate(1) as i64).wrapping_neg() - 8)
            }
            Mnemonic::Lea if instruction.memory_base() == Register::RBP => {
                let above = instruction.memory_displacement64() as i64;
                self.frame.is_some_and(|frame| {
                    self.depth = frame;
                    self.by(-above)
                })
            }
            Mnemonic::Lea if instruction.memory_base() == Register::RSP => {
                self.by(-(instruction.memory_displacement64() as i64))
            }
            Mnemonic::Mov
                if instruction.op1_kind() == OpKind::Register
                    && instruction.op1_register() == Register::RBP =>
            {
                self.unwind(0)
            }
            _ => false,
        }
    }

    /// Deeper by so many bytes.
    fn by(&mut self, bytes: i64) -> bool {
        let depth = i64::from(self.depth).checked_add(bytes);
        match depth.and_then(|depth| u32::try_from(depth).ok()) {
            Some(depth) => {
                self.depth = depth;
                true
            }
            None => false,
        }
    }

    /// Back to where the frame pointer points, with so many bytes popped.
    fn unwind(&mut self, popped: u32) -> bool {
        self.frame.is_some_and(|frame| {
            self.depth = frame.saturating_sub(popped);
            true
        })
    }
}

fn is_immediate(instruction: &Instruction) -> bool {
    instruction.op_count() == 2
        && !matches!(instruction.op1_kind(), OpKind::Register | OpKind::Memory)
}

fn from_stack(instruction: &Instruction, to: Register) -> bool {
    instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == to
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == Register::RSP
}

/// The address that an instruction puts into a register as a number, which may be code.
fn address_taken(instruction: &Instruction) -> Option<u64> {
    match instruction.mnemonic() {
        Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
            Some(instruction.ip_rel_memory_address())
        }
        Mnemonic::Mov if is_immediate(instruction) => Some(instruction.immediate(1)),
        _ => None,
    }
}
