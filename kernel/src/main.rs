//! The kernel: reads the configuration, builds the grid on the machine, starts the cores.
#![no_std]
#![no_main]

extern crate alloc;

mod assemble;
mod clock;
mod console;
mod defaults;
mod drive;
mod memory;
mod report;
mod runs;
mod sample;
mod trace;

use alloc::sync::Arc;

use spin::Mutex;
use vortex_machine::{Boot, Cpu};

vortex_machine::main!(main);

fn main(boot: Boot) -> ! {
    let built = match assemble::assemble(&boot) {
        Ok(built) => built,
        Err(why) => {
            console::print(format_args!("vortex: {why}\n"));
            vortex_machine::power_off(vortex_machine::Status::Failed(1), boot.debug_exit());
        }
    };
    let built = Arc::new(Mutex::new(built));
    boot.launch(move |cpu: Cpu| {
        let (core, shared) = {
            let mut built = built.lock();
            (built.core(&cpu), built.shared.clone())
        };
        match core {
            Some(core) => drive::drive(core, cpu, &shared),
            None => drive::rest(cpu),
        }
    })
}
