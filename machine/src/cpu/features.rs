//! What the processor can do, and turning it on.

use raw_cpuid::{CpuId, CpuIdReaderNative};
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// What matters here of the processor's features.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// The interrupt controller's registers are the processor's.
    pub x2apic: bool,
    /// The timer takes an absolute time.
    pub tsc_deadline: bool,
    /// Supervisor mode execution prevention.
    pub smep: bool,
    /// Supervisor mode access prevention.
    pub smap: bool,
    /// User mode instruction prevention.
    pub umip: bool,
    /// Programs may set their segment bases themselves.
    pub fsgsbase: bool,
    /// Vector state is saved by XSAVE.
    pub xsave: bool,
    /// And only what has changed.
    pub xsaveopt: bool,
    /// Bits of XCR0 in use.
    pub vector_parts: u64,
    /// The cores' counters are one, and never stop.
    pub steady: bool,
    /// The counter's rate, where the processor or the hypervisor says it.
    pub tsc_megahertz: Option<u64>,
}

/// All processors' features: those of the first.
#[must_use]
pub fn features() -> &'static Features {
    static FEATURES: Once<Features> = Once::new();
    FEATURES.call_once(find)
}

fn find() -> Features {
    let cpuid = CpuId::new();
    let basic = cpuid.get_feature_info();
    let more = cpuid.get_extended_feature_info();
    let state = cpuid.get_extended_state_info();
    let basic = |test: fn(&raw_cpuid::FeatureInfo) -> bool| basic.as_ref().is_some_and(test);
    let more = |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| more.as_ref().is_some_and(test);
    let xsave = basic(raw_cpuid::FeatureInfo::has_xsave);
    let wanted = XCr0Flags::X87
        | XCr0Flags::SSE
        | XCr0Flags::AVX
        | XCr0Flags::OPMASK
        | XCr0Flags::ZMM_HI256
        | XCr0Flags::HI16_ZMM;
    // Leaf 13, subleaf 0: what the processor has.
    let has = core::arch::x86_64::__cpuid_count(13, 0);
    let vector_parts =
        if xsave { (u64::from(has.edx) << 32 | u64::from(has.eax)) & wanted.bits() } else { 0 };
    Features {
        x2apic: basic(raw_cpuid::FeatureInfo::has_x2apic),
        tsc_deadline: basic(raw_cpuid::FeatureInfo::has_tsc_deadline),
        smep: more(raw_cpuid::ExtendedFeatures::has_smep),
        smap: more(raw_cpuid::ExtendedFeatures::has_smap),
        umip: more(raw_cpuid::ExtendedFeatures::has_umip),
        fsgsbase: more(raw_cpuid::ExtendedFeatures::has_fsgsbase),
        xsave,
        xsaveopt: state.is_some_and(|state| state.has_xsaveopt()),
        vector_parts,
        steady: cpuid.get_advanced_power_mgmt_info().is_some_and(|info| info.has_invariant_tsc()),
        tsc_megahertz: frequency(&cpuid),
    }
}

/// The hypervisor's word (leaf 0x4000_0010); plain emulation has none.
fn frequency(cpuid: &CpuId<CpuIdReaderNative>) -> Option<u64> {
    let kilohertz = u64::from(cpuid.get_hypervisor_info()?.tsc_frequency()?);
    let megahertz = (kilohertz + 500) / 1_000;
    (100..10_000).contains(&megahertz).then_some(megahertz)
}

/// Turns on what is used, on this core.
pub(crate) fn enable() {
    let features = features();
    let mut cr0 = Cr0::read();
    cr0.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
    cr0.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::WRITE_PROTECT);
    // SAFETY: the kernel itself uses no floating point and writes to no read-only page.
    unsafe { Cr0::write(cr0) };
    let mut cr4 = Cr4::read();
    cr4.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::PAGE_GLOBAL);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.smep);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    cr4.set(Cr4Flags::FSGSBASE, features.fsgsbase);
    cr4.set(Cr4Flags::OSXSAVE, features.xsave);
    // SAFETY: each is a feature that the processor has, and the kernel touches no user page.
    unsafe { Cr4::write(cr4) };
    if features.xsave {
        let parts = XCr0Flags::from_bits_truncate(features.vector_parts);
        // SAFETY: parts that the processor has.
        unsafe { XCr0::write(parts) };
    }
}

/// A number that nobody can guess, where the processor makes such; else the counter's.
#[must_use]
pub fn entropy() -> u64 {
    let cpuid = CpuId::new();
    let mut value: u64 = 0;
    let mut good: u8 = 0;
    if cpuid.get_extended_feature_info().is_some_and(|more| more.has_rdseed()) {
        // SAFETY: the processor has the instruction.
        unsafe {
            core::arch::asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) good, options(nomem, nostack))
        };
    }
    if good == 0 && cpuid.get_feature_info().is_some_and(|basic| basic.has_rdrand()) {
        // SAFETY: the processor has the instruction.
        unsafe {
            core::arch::asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) good, options(nomem, nostack))
        };
    }
    if good == 0 { super::now().get() } else { value }
}
