//! The configuration reader on arbitrary text: it must not panic, must answer soon, and
//! what it accepts must be fit for analysis.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match vortex_config::parse(text) {
        Ok(config) => drop(vortex_config::analyse(&config)),
        Err(flaws) => assert!(!flaws.is_empty()),
    }
});
