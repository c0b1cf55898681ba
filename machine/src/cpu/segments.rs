//! Segments and the task state segment: what x86-64 has left of them.
//!
//! The order of the descriptors is SYSCALL's and SYSRET's: kernel code, kernel data, (a
//! gap), user data, user code.

use alloc::boxed::Box;
use alloc::vec;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::control::{Efer, EferFlags};
use x86_64::registers::model_specific::{LStar, Msr, SFMask};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

/// Stacks of their own for what must not trust the one in use.
pub(crate) const IST_DOUBLE_FAULT: u16 = 1;
pub(crate) const IST_NMI: u16 = 2;
const STACK: usize = 8192;

/// In units of their alignment.
struct Stack(Box<[u128]>);

impl Stack {
    /// Made where it stays, not by way of the stack in use.
    fn new() -> Self {
        Self(vec![0; STACK / size_of::<u128>()].into_boxed_slice())
    }

    fn top(&self) -> VirtAddr {
        VirtAddr::from_ptr(self.0.as_ptr_range().end)
    }
}

/// The tables of a core.
pub(crate) struct Segments {
    gdt: GlobalDescriptorTable<8>,
    tss: TaskStateSegment,
    entry: Stack,
    double_fault: Stack,
    nmi: Stack,
}

unsafe extern "C" {
    fn syscall_entry();
}

impl Segments {
    pub fn new() -> Self {
        Self {
            gdt: GlobalDescriptorTable::empty(),
            tss: TaskStateSegment::new(),
            entry: Stack::new(),
            double_fault: Stack::new(),
            nmi: Stack::new(),
        }
    }

    /// Loads them, and says where system calls enter.
    pub fn load(&mut self) {
        self.tss.privilege_stack_table[0] = self.entry.top();
        self.tss.interrupt_stack_table[usize::from(IST_DOUBLE_FAULT) - 1] = self.double_fault.top();
        self.tss.interrupt_stack_table[usize::from(IST_NMI) - 1] = self.nmi.top();
        let code = self.gdt.append(Descriptor::kernel_code_segment());
        let data = self.gdt.append(Descriptor::kernel_data_segment());
        // In place of 32-bit user code, which is not offered.
        let gap = self.gdt.append(Descriptor::kernel_data_segment());
        self.gdt.append(Descriptor::user_data_segment());
        self.gdt.append(Descriptor::user_code_segment());
        // SAFETY: the tables live for good: they are in the core's area, which is leaked.
        let tss = self.gdt.append(unsafe { Descriptor::tss_segment_unchecked(&self.tss) });
        // SAFETY: the same.
        unsafe { self.gdt.load_unsafe() };
        // SAFETY: the table that was just loaded has a code segment there.
        unsafe { CS::set_reg(code) };
        // SAFETY: and a data segment there.
        unsafe { SS::set_reg(data) };
        let null = SegmentSelector::NULL;
        // SAFETY: in 64-bit mode nothing uses these; null is allowed.
        unsafe { DS::set_reg(null) };
        // SAFETY: the same.
        unsafe { ES::set_reg(null) };
        // SAFETY: the same; the base is set when a thread is entered.
        unsafe { FS::set_reg(null) };
        // SAFETY: the same; the caller sets the base.
        unsafe { GS::set_reg(null) };
        // SAFETY: the table has the segment, which lives for good.
        unsafe { load_tss(tss) };
        const STAR: u32 = 0xc000_0081;
        let star = u64::from(gap.0 | 3) << 48 | u64::from(code.0) << 32;
        // SAFETY: the selectors follow each other as SYSCALL and SYSRET take them.
        unsafe { Msr::new(STAR).write(star) };
        LStar::write(VirtAddr::new(syscall_entry as *const () as u64));
        SFMask::write(
            RFlags::INTERRUPT_FLAG
                | RFlags::DIRECTION_FLAG
                | RFlags::TRAP_FLAG
                | RFlags::ALIGNMENT_CHECK
                | RFlags::NESTED_TASK,
        );
        // SAFETY: what SYSCALL needs was set above.
        unsafe { Efer::update(|flags| flags.insert(EferFlags::SYSTEM_CALL_EXTENSIONS)) };
    }
}
