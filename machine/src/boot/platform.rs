//! What the firmware's tables say: the cores, and how to turn the machine off.

use alloc::vec::Vec;
use core::ptr::NonNull;

use acpi::fadt::Fadt;
use acpi::madt::{Madt, MadtEntry};
use acpi::mcfg::Mcfg;
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use spin::Once;

use crate::cpu::{Clock, IoApic};
use crate::memory::pointer;
use crate::pci::Segment;
use crate::power::SoftOff;

/// What is known of the machine.
pub(crate) struct Platform {
    /// The APIC numbers of the cores, this one's first.
    pub cores: Vec<u32>,
    pub soft_off: Option<SoftOff>,
    pub ioapic: Option<IoApic>,
    /// Where the configuration of PCI functions is.
    pub pci: Vec<Segment>,
    /// Where there is memory, from and to.
    pub memory: Vec<(u64, u64)>,
    pub clock: Once<Clock>,
}

/// The tables lie in memory that is mapped anyway.
#[derive(Clone)]
struct Direct;

impl AcpiHandler for Direct {
    unsafe fn map_physical_region<T>(
        &self,
        address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        let pointer = NonNull::new(pointer::<T>(address as u64)).unwrap_or(NonNull::dangling());
        // SAFETY: all of the first 4 GiB is mapped for good.
        unsafe { PhysicalMapping::new(address, pointer, size, size, Self) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

impl Platform {
    /// Reads the tables. Without any there is this core alone.
    pub fn find(rsdp: u64, memory: Vec<(u64, u64)>) -> Self {
        let own = raw_cpuid::CpuId::new()
            .get_feature_info()
            .map_or(0, |info| u32::from(info.initial_local_apic_id()));
        let mut platform = Self {
            cores: alloc::vec![own],
            soft_off: None,
            ioapic: None,
            pci: Vec::new(),
            memory,
            clock: Once::new(),
        };
        if rsdp == 0 {
            return platform;
        }
        // SAFETY: the loader says that the tables are there.
        let Ok(tables) = (unsafe { AcpiTables::from_rsdp(Direct, rsdp as usize) }) else {
            return platform;
        };
        if let Ok(madt) = tables.find_table::<Madt>() {
            const USABLE: u32 = 1;
            let ids = madt.get().entries().filter_map(|entry| match entry {
                MadtEntry::LocalApic(core) if core.flags & USABLE != 0 => {
                    Some(u32::from(core.apic_id))
                }
                MadtEntry::LocalX2Apic(core) if core.flags & USABLE != 0 => Some(core.x2apic_id),
                _ => None,
            });
            platform.cores.extend(ids.filter(|&id| id != own));
            platform.ioapic = madt.get().entries().find_map(|entry| match entry {
                MadtEntry::IoApic(found) => Some(IoApic {
                    address: u64::from(found.io_apic_address),
                    base: found.global_system_interrupt_base,
                }),
                _ => None,
            });
        }
        if let Ok(mcfg) = tables.find_table::<Mcfg>() {
            platform.pci.extend(mcfg.get().entries().iter().map(|entry| Segment {
                address: entry.base_address,
                buses: (entry.bus_number_start, entry.bus_number_end),
            }));
        }
        platform.soft_off = soft_off(&tables);
        platform
    }

    /// Whether there is memory between these addresses.
    pub fn is_memory(&self, start: u64, end: u64) -> bool {
        self.memory.iter().any(|&(from, to)| from < end && to > start)
    }
}

/// Finds the `_S5` package in the firmware's code by its name, as its first byte is all
/// that is wanted of it.
fn soft_off(tables: &AcpiTables<Direct>) -> Option<SoftOff> {
    let fadt = tables.find_table::<Fadt>().ok()?;
    let control = u16::try_from(fadt.pm1a_control_block().ok()?.address).ok()?;
    let dsdt = tables.dsdt().ok()?;
    // SAFETY: the table is mapped, and as long as it says.
    let code = unsafe {
        core::slice::from_raw_parts(pointer::<u8>(dsdt.address as u64), dsdt.length as usize)
    };
    let at = code.windows(4).position(|window| window == b"_S5_")?;
    // Name, package opcode, its length (one byte, or more by its top bits), the count of
    // elements, and the first: a zero, a one, or a byte behind its prefix.
    let package = code.get(at + 5..)?;
    let skip = usize::from(package.first()? >> 6) + 2;
    let sleep_type = match *package.get(skip)? {
        0x0a => *package.get(skip + 1)?,
        value => value,
    };
    Some(SoftOff { control, sleep_type: u16::from(sleep_type) })
}
