//! Where the parts of an address space lie: at places that nobody can guess, or, for figures
//! that can be repeated, always at the same.
//!
//! ```text
//!  program  heap →        ← mappings        ← stack │ end
//!  base     brk           map_top        stack_top
//! ```

use vortex_machine::PAGE;

const PAGE_U64: u64 = PAGE as u64;
/// Where a position-independent program is put, at the lowest.
const BASE: u64 = 0x5555_5555_4000;
/// The end of the stack, at the highest.
const STACK_TOP: u64 = 0x7fff_ffff_e000;
/// Where `mmap` looks for room, downwards, at the highest.
const MAP_TOP: u64 = 0x7fff_f000_0000;
/// Bits of a page's number that are random, as on Linux: 2^28 places for the program and for
/// mappings, 2^22 for the stack, 32 MiB for the heap.
const PLACES: u64 = 1 << 28;
const STACK_PLACES: u64 = 1 << 22;
const HEAP_PLACES: u64 = 1 << 13;

/// The places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where a position-independent program begins.
    pub base: u64,
    /// How far the heap lies behind the program.
    pub heap: u64,
    /// The end of the stack.
    pub stack_top: u64,
    /// How many bytes at the end of the stack stay free.
    pub stack_skip: u64,
    /// Below which mappings lie.
    pub map_top: u64,
}

impl Layout {
    /// Always the same.
    pub const FIXED: Self =
        Self { base: BASE, heap: 0, stack_top: STACK_TOP, stack_skip: 0, map_top: MAP_TOP };

    /// By random numbers, for a stack of at most so many bytes.
    pub fn random(stack: u64, mut word: impl FnMut() -> u64) -> Self {
        let mut pages = |places: u64| word() % places * PAGE_U64;
        let stack_top = STACK_TOP - pages(STACK_PLACES);
        // Below the lowest stack that there can be, and a gap.
        let lowest = STACK_TOP - STACK_PLACES * PAGE_U64 - stack.next_multiple_of(PAGE_U64);
        let map_top = lowest - (MAP_GAP + pages(PLACES));
        let (base, heap) = (BASE + pages(PLACES), pages(HEAP_PLACES));
        let stack_skip = (word() % PAGE_U64) & !15;
        Self { base, heap, stack_top, stack_skip, map_top }
    }
}

/// Between the lowest stack and the highest mapping.
const MAP_GAP: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use vortex_machine::USER_END;

    #[test]
    fn parts_stay_apart_at_both_ends_of_chance() {
        const STACK: u64 = 1 << 30;
        for number in [0, u64::MAX, 0x1234_5678_9abc_def0] {
            let layout = Layout::random(STACK, || number);
            assert!(layout.stack_top < USER_END);
            assert!(layout.map_top < layout.stack_top - STACK);
            assert!(layout.base + (1 << 40) < layout.map_top, "a terabyte for the program");
            for place in [layout.base, layout.heap, layout.stack_top, layout.map_top] {
                assert_eq!(place % PAGE_U64, 0);
            }
            assert!(layout.stack_skip < PAGE_U64 && layout.stack_skip.is_multiple_of(16));
        }
    }

    #[test]
    fn chance_moves_every_part() {
        let of = |mut seed: u64| {
            Layout::random(1 << 23, || {
                seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                seed >> 16
            })
        };
        let (one, two) = (of(1), of(2));
        assert_ne!(one.base, two.base);
        assert_ne!(one.heap, two.heap);
        assert_ne!(one.stack_top, two.stack_top);
        assert_ne!(one.map_top, two.map_top);
    }
}
