//! Billing back: what was the infrastructure's becomes its causer's (law 2).

use vortex_units::ActivityId;

use super::{Core, OpenRun};
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{Record, RecordKind};

/// How many runs of infrastructure a core remembers for billing them back.
pub(super) const OPEN_RUNS: usize = 16_384;
/// A part that has not been billed back after so many runs never will be: its packet was
/// dropped.
const STALE: u32 = 1 << 20;

impl<M: Message, P: Machine> Core<M, P> {
    /// Forgets runs whose parts were dropped, when there is no room for others.
    pub(super) fn forget_stale_runs(&mut self) {
        if self.open_runs.len() >= OPEN_RUNS {
            let now = self.run;
            self.open_runs.retain(|&run, _| now.wrapping_sub(run) < STALE);
        }
    }

    /// What the handler said of an infrastructure run: who caused it, or that this will be said later.
    pub(super) fn settle_notes(&mut self, slot: usize, record: Record) {
        let notes = self.desk.notes;
        if let Some(causer) = notes.causer {
            self.bill_back(slot, &record, causer, self.run);
        } else if notes.tokens > 0 {
            let Some(instance) = self.slots.get(slot).map(|slot| slot.instance.id) else { return };
            self.open_runs.insert(self.run, OpenRun { instance, record, parts: notes.tokens });
        }
    }

    /// Moves consumption from infrastructure to its causer, in the ledger and in the
    /// metric of the scheduler that dispatched it, so that its next decision changes.
    pub(super) fn bill_back(&mut self, slot: usize, record: &Record, causer: ActivityId, run: u32) {
        self.account_turn();
        if causer == ActivityId::INFRASTRUCTURE || !self.grid.activities().takes_bills(causer) {
            return;
        }
        let now = self.ledger.last();
        let moved = self.ledger.transfer(ActivityId::INFRASTRUCTURE, causer, record.cycles);
        let record = Record { kind: RecordKind::BILLED_BACK, cycles: moved, ..*record };
        self.grid.activities().publish(causer, self.id, self.ledger.used(causer));
        let debtor = self.holder(slot, causer);
        let creditor = self.holder(slot, ActivityId::INFRASTRUCTURE);
        let Some(entry) = self.slots.get_mut(slot) else { return };
        self.recording.billed(causer, entry.instance.sender, run, now, moved);
        entry.scheduler.resource_record(creditor, &record.credited(), now);
        entry.scheduler.resource_record(debtor, &record, now);
        if let Some(holder) = entry.clients.holder_mut(creditor) {
            holder.usage.cycles = holder.usage.cycles.saturating_sub(moved);
            holder.usage.bytes = holder.usage.bytes.saturating_sub(record.bytes);
        }
        if let Some(holder) = entry.clients.holder_mut(debtor) {
            holder.usage.cycles += moved;
            holder.usage.bytes += record.bytes;
        }
        if self.desk.charge_through
            && let Some(multiplexor) = self.levels.first_mut()
            && let Some(own) = multiplexor.client_of(causer)
        {
            multiplexor.charge(own, &record, now);
            self.note_debt(own, causer);
        }
        let listed = self.desk.refused.iter().any(|(_, refused)| *refused == causer);
        if !listed && self.is_in_debt(slot, causer) {
            self.desk.refused.push((slot, causer));
        }
    }
}
