//! What the loader says: memory, the command line, the module, the firmware's tables.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use pvh::start_info::{MemmapTableEntry, MemmapType, ModlistEntry, START_MAGIC_VALUE, StartInfo};
use vortex_units::Cycles;

use crate::memory::{image_end, pointer};
use crate::statics;

const REGIONS: usize = 32;
const MIB: u64 = 1 << 20;
/// As far as the boot tables reach.
const REACH: u64 = 4 << 30;

/// The loader's words, copied.
pub(crate) struct Loaded {
    pub began: Cycles,
    memory: [(u64, u64); REGIONS],
    module: Option<(u64, u64)>,
    command_line: Option<&'static CStr>,
    rsdp: u64,
}

/// Reads a value of the loader's.
fn read<T: Copy>(physical: u64) -> Option<T> {
    if physical == 0 || physical.checked_add(size_of::<T>() as u64)? > REACH {
        return None;
    }
    // SAFETY: mapped by the boot tables; any bytes are a valid `T`, the callers' plain
    // structures of integers.
    Some(unsafe { pointer::<T>(physical).read_unaligned() })
}

impl Loaded {
    /// `None` if the loader did not keep to PVH.
    pub fn read(start_info: u64, began: Cycles) -> Option<Self> {
        let info: StartInfo =
            read(start_info).filter(|info: &StartInfo| info.magic == START_MAGIC_VALUE)?;
        let mut memory = [(0, 0); REGIONS];
        let mut places = memory.iter_mut();
        for index in 0..u64::from(info.memmap_entries) {
            let at = info.memmap_paddr + index * size_of::<MemmapTableEntry>() as u64;
            let entry: MemmapTableEntry = read(at)?;
            if entry.ty() == MemmapType::Ram
                && let Some(place) = places.next()
            {
                *place = (entry.addr, entry.addr.saturating_add(entry.size));
            }
        }
        let module =
            (info.nr_modules > 0).then(|| read::<ModlistEntry>(info.modlist_paddr)).flatten();
        Some(Self {
            began,
            memory,
            module: module.map(|module| (module.paddr, module.size)),
            command_line: text(info.cmdline_paddr),
            rsdp: info.rsdp_paddr,
        })
    }

    /// Hands all memory that is free to the frames' keeper; returns its end.
    pub fn give_frames(&self) -> u64 {
        let mut free = statics::FREE.lock();
        let (from, to) = self.module.map_or((0, 0), |(at, size)| (at, at + size));
        let low = image_end().max(MIB);
        for &(start, end) in &self.memory {
            // As the boot tables reach no further, what is beyond is given later.
            let (start, end) = (start.max(low), end);
            if start >= end {
                continue;
            }
            if from < end && to > start {
                free.add(start, from.clamp(start, end));
                free.add(to.clamp(start, end), end);
            } else {
                free.add(start, end);
            }
        }
        self.memory.iter().map(|region| region.1).max().unwrap_or(0)
    }

    /// Where there is memory, from and to.
    pub fn memory(&self) -> Vec<(u64, u64)> {
        self.memory.iter().copied().filter(|(start, end)| start < end).collect()
    }

    /// Whether there is memory between these addresses.
    pub fn is_memory(&self, start: u64, end: u64) -> bool {
        self.memory.iter().any(|region| region.0 < end && region.1 > start)
    }

    pub fn rsdp(&self) -> u64 {
        self.rsdp
    }

    /// The module's bytes.
    pub fn module(&self) -> Option<&'static [u8]> {
        let (at, size) = self.module?;
        // SAFETY: the loader's memory, never given out as frames, and mapped for good.
        Some(unsafe { core::slice::from_raw_parts(pointer(at), size as usize) })
    }

    pub fn take_command_line(&mut self) -> String {
        // What is no text becomes a word that nobody knows.
        self.command_line.take().map(|line| line.to_string_lossy().into()).unwrap_or_default()
    }
}

fn text(physical: u64) -> Option<&'static CStr> {
    if physical == 0 || physical >= REACH {
        return None;
    }
    // SAFETY: the loader says that there is a string, ended by zero, and it lies below the
    // frames that are given out or is copied before those are used.
    Some(unsafe { CStr::from_ptr(pointer(physical)) })
}
