//! The kernel.
#![no_std]
#![no_main]

extern crate alloc;

vortex_machine::main!(main);

fn main(boot: vortex_machine::Boot) -> ! {
    vortex_machine::console_write(alloc::format!("hello {} cores, {:?} module {:?}\n", boot.cores, boot.command_line, boot.module.map(|m| m.len())).as_bytes());
    boot.launch(|mut cpu| {
        vortex_machine::console_write(alloc::format!("core {:?} at {:?} {:?}\n", cpu.id(), cpu.now(), vortex_machine::memory_counters()).as_bytes());
        if cpu.id().index() == 0 {
            let until = cpu.now() + vortex_units::Cycles::new(100_000_000);
            cpu.idle(Some(until));
            vortex_machine::power_off(vortex_machine::Status::Good, false);
        }
        loop { cpu.idle(None); }
    })
}
