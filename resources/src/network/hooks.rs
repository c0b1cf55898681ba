//! What the network asks of the kernel: random numbers, bills, and word to who waits.

use alloc::sync::Arc;

use vortex_grid::{Context, Labels};
use vortex_memory::ObjectKind;
use vortex_network::{Bills, Hooks, SocketId};
use vortex_units::{ActivityId, Bytes};

use crate::files::FileRequest;
use crate::{Mail, System};

/// Random numbers, and the file resource.
pub struct NetHooks(pub Arc<System>);

impl Hooks<Mail> for NetHooks {
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.random.lock().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn ready(&self, socket: SocketId, cx: &mut Context<'_, Mail>) {
        if let Some(ports) = self.0.ports.get() {
            // What is ready was published before: who asks anew sees it.
            let _ = cx.send(ports.files, Labels::NONE, FileRequest::Ready(socket));
        }
    }
}

/// The memory multiplexor's bills.
pub struct NetBills;

impl Bills for NetBills {
    fn charge(&self, activity: ActivityId, bytes: u64) -> bool {
        vortex_machine::charge_object(activity, ObjectKind::Open, Bytes::new(bytes))
    }

    fn refund(&self, activity: ActivityId, bytes: u64) {
        vortex_machine::refund_object(activity, ObjectKind::Open, Bytes::new(bytes));
    }
}
