//! How much of a kernel stack can be in use: read from the kernel's machine code.
//!
//! A core has one kernel stack ([`STACK`]), with a page that is not there below it. Nothing
//! in Rust bounds a frame; so each function's instructions are followed ([`walk`]), and the
//! frames and the chains of calls are held to bounds here.
//!
//! What the bound on chains assumes:
//! - a call through a register or memory reaches whichever function needs most of those
//!   whose address is taken anywhere, and [`HOPS`] such calls are nested at most: the loop
//!   of a core, a resource's handler, its scheduler's policy, and one more;
//! - a function that calls itself, by way of others too, does so once. The loops of such
//!   calls are named in what is printed.

mod code;
mod graph;
mod walk;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::{Extent, Verdict};
use crate::human;
use crate::machine::kernel;
use code::Code;
use graph::{Graph, Needs};

/// Bytes of a kernel stack: `STACK_SIZE` of `machine/src/memory/kernel_map.rs`.
const STACK: u32 = 1 << 16;
/// Bytes that a frame may have.
const FRAME: u32 = 8 << 10;
/// Functions whose frames may be larger, and how large: each runs once, at boot, where
/// little else is on the stack.
const AT_BOOT: &[(&str, u32)] =
    &[("vortex_kernel::assemble::empty", 13 << 10), ("vortex_kernel::memory::multiplex", 9 << 10)];
/// Calls through a register or memory that may be nested.
const HOPS: u32 = 4;
/// Frames that are named where all is well.
const SHOWN: usize = 3;

/// The part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    let verdict = kernel::build(root).map_err(|error| error.to_string()).and_then(|path| {
        let elf = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let code = Code::read(&elf).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(judge(&Graph::of(&code)))
    });
    verdict.unwrap_or_else(Verdict::Bad)
}

fn judge(graph: &Graph<'_>) -> Verdict {
    let mut wrong = String::new();
    let mut frames: Vec<_> =
        graph.walks.iter().map(|(&start, walk)| (walk.depth, graph.name(start))).collect();
    frames.sort_unstable_by(|one, other| other.cmp(one));
    for &(depth, name) in &frames {
        let boot = AT_BOOT.iter().find(|(boot, _)| *boot == name);
        let bound = boot.map_or(FRAME, |&(_, bound)| bound);
        if depth > bound {
            let (depth, bound) = (bytes(depth), bytes(bound));
            // Writing to a string does not fail.
            let _ = writeln!(wrong, "the frame of {name} has {depth}, {bound} at most");
        }
    }
    let direct = graph.needs(0);
    let needs = (0..HOPS).fold(graph.needs(0), |needs, _| graph.needs(graph.deepest_taken(&needs)));
    let (deepest, own) = (most(&needs), most(&direct));
    if deepest > STACK {
        let (deepest, stack) = (bytes(deepest), bytes(STACK));
        let _ = writeln!(wrong, "a chain of calls may need {deepest} of a stack of {stack}:");
        wrong += &chain(graph, &direct);
    }
    if frames.is_empty() {
        wrong += "there is no function in the kernel\n";
    }
    if !wrong.is_empty() {
        return Verdict::Bad(wrong + &circles(graph, &direct));
    }
    let largest =
        frames.iter().take(SHOWN).map(|(depth, name)| format!("{} {name}", bytes(*depth)));
    Verdict::Good(format!(
        "{} functions; largest frames: {}; deepest chain of direct calls {}, with {HOPS} indirect \
         ones {} of {}; {}",
        frames.len(),
        largest.collect::<Vec<_>>().join(", "),
        bytes(own),
        bytes(deepest),
        bytes(STACK),
        circles(graph, &direct)
    ))
}

fn most(needs: &Needs) -> u32 {
    needs.deepest().map_or(0, |start| needs.of(start))
}

/// The deepest chain of direct calls, a function a line.
fn chain(graph: &Graph<'_>, needs: &Needs) -> String {
    let chain = needs.deepest().map(|start| needs.chain(start)).unwrap_or_default();
    let line = |start: &u64| {
        let depth = graph.walks.get(start).map_or(0, |walk| walk.depth);
        format!("  {:>8}  {}\n", human::grouped(depth.into()), graph.name(*start))
    };
    chain.iter().map(line).collect()
}

/// The functions of ours that a call leads back to.
fn circles(graph: &Graph<'_>, needs: &Needs) -> String {
    let names = needs.circles.iter().map(|&(_, to)| graph.name(to));
    let ours = names.filter(|name| name.contains("vortex_")).collect::<BTreeSet<_>>();
    let ours: Vec<_> = ours.into_iter().collect();
    format!("counted once, though calls lead back to them: {}", ours.join(", "))
}

fn bytes(number: u32) -> String {
    format!("{} bytes", human::grouped(number.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::code::Function;
    use super::*;

    /// `push rbp; mov rbp, rsp; sub rsp, 4096; touch; sub rsp, 32; call <to>; leave; ret`
    fn touches(start: u64, to: u64) -> Vec<u8> {
        let mut bytes = vec![0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0, 0x10, 0, 0];
        bytes.extend([0x48, 0xc7, 0x04, 0x24, 0, 0, 0, 0, 0x48, 0x83, 0xec, 0x20, 0xe8]);
        let next = start + bytes.len() as u64 + 4;
        bytes.extend((to.wrapping_sub(next) as u32).to_le_bytes());
        bytes.extend([0xc9, 0xc3]);
        bytes
    }

    /// `lea r11, [rsp - 20480]; l: sub rsp, 4096; touch; cmp rsp, r11; jne l; call rax; ret`
    const PROBES: &[u8] = &[
        0x4c, 0x8d, 0x9c, 0x24, 0, 0xb0, 0xff, 0xff, 0x48, 0x81, 0xec, 0, 0x10, 0, 0, 0x48, 0xc7,
        0x04, 0x24, 0, 0, 0, 0, 0x4c, 0x39, 0xdc, 0x75, 0xec, 0xff, 0xd0, 0xc3,
    ];

    fn code<'a>(functions: &[(u64, &'a [u8])], taken: &[u64]) -> Code<'a> {
        let function = |&(start, bytes): &(u64, &'a [u8])| {
            (start, Function { name: format!("f{start:x}"), start, bytes })
        };
        let functions: BTreeMap<_, _> = functions.iter().map(function).collect();
        Code { functions, taken: taken.into() }
    }

    #[test]
    fn frames_are_followed_through_probes_and_chains_through_calls() {
        let (first, last) = (touches(0x1000, 0x2000), touches(0x3000, 0x3000));
        let all = [(0x1000, &first[..]), (0x2000, PROBES), (0x3000, &last[..])];
        let code = code(&all, &[0x3000]);
        let graph = Graph::of(&code);
        let frame = 8 + 4096 + 32;
        assert_eq!(graph.walks[&0x1000].depth, frame + 8);
        assert_eq!(graph.walks[&0x2000].depth, 20_480 + 8);
        let needs = graph.needs(0);
        assert_eq!(needs.of(0x1000), frame + 8 + 20_480 + 8);
        assert_eq!(needs.chain(0x1000), [0x1000, 0x2000]);
        assert_eq!(needs.circles, BTreeSet::from([(0x3000, 0x3000)]));
        // The call through rax reaches what has its address taken.
        assert_eq!(graph.deepest_taken(&needs), frame + 8);
        let needs = graph.needs(graph.deepest_taken(&needs));
        assert_eq!(needs.of(0x1000), frame + 8 + 20_480 + 8 + frame + 8);
    }

    #[test]
    fn a_large_frame_and_a_deep_chain_fail() {
        let Verdict::Bad(text) = judge(&Graph::of(&code(&[(0x2000, PROBES)], &[]))) else {
            panic!("a frame of 20 KiB is too large")
        };
        assert!(text.contains("f2000") && text.contains("8,192"), "{text}");
        let many: Vec<_> =
            (1..=20).map(|at| (at * 0x1000, touches(at * 0x1000, at * 0x1000 + 0x1000))).collect();
        let all: Vec<_> = many.iter().map(|(start, bytes)| (*start, &bytes[..])).collect();
        let judged = |count: usize| judge(&Graph::of(&code(&all[..count], &[])));
        assert!(matches!(judged(10), Verdict::Good(_)));
        assert!(matches!(judged(20), Verdict::Bad(text) if text.contains("a chain of calls")));
        assert!(matches!(judged(0), Verdict::Bad(_)));
    }
}
