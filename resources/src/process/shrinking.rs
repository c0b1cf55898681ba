//! The end of who has more memory than it should: when another activity needs what can be had
//! by nothing else.

use alloc::format;
use alloc::string::String;

use vortex_units::ActivityId;

use super::resource::{Cx, Processes};
use super::signals::{Info, Signal};

impl Processes {
    /// The process of an activity that has most pages ends (SIGKILL, said on the console), if
    /// none is ending already. False if there is none.
    pub(super) fn shrink(&mut self, activity: ActivityId, cx: &mut Cx<'_>) -> bool {
        let live = || {
            let own = self.records.iter().filter(|record| !record.is_zombie());
            own.map(|record| &record.process).filter(|process| process.activity == activity)
        };
        if live().any(|process| process.is_ending()) {
            return true;
        }
        let largest = live().max_by_key(|process| process.memory().space.held());
        let Some(largest) = largest.cloned() else { return false };
        let name = largest.name().0;
        let (name, pid) = (String::from_utf8_lossy(&name), largest.pid.0);
        let text = format!(
            "vortex: {name} ({pid}) ends: its activity has more than its soft limit of memory, \
             and another needs some\r\n"
        );
        vortex_machine::console_write(text.as_bytes());
        self.post(&largest, Info::kernel(Signal::KILL), None, cx).is_ok()
    }
}
