//! How long a connection may be silent.
//!
//! What is sent is to be answered within two minutes, or what the program says. A connection on
//! which nothing is on its way may be silent for ever; where the program wants to know whether
//! the other end is there, it is asked after a while, and a few times more.

use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use vortex_units::{Cycles, Micros};

use super::Tcp;
use crate::host::Host;
use crate::options::Options;
use crate::requests::Mail;
use crate::socket::{Role, Socket, Speech, State};

/// How long something is held back at most until it fills a segment.
const CORKED: Micros = Micros::new(200_000);

impl<M: Mail<H>, H: Host> Tcp<M, H> {
    /// The other end says something: it is not asked whether it is there for a while.
    pub(super) fn is_heard(&self, speech: &mut Speech, options: &Options) {
        if options.keep_alive {
            let silence = Duration::from_micros(options.silence().get());
            speech.tcp().set_keep_alive(Some(silence));
        }
    }

    /// Before a connection sends: what has been held back for long enough goes too, and whether
    /// something is unanswered is noted.
    pub(super) fn before_sending(&self, socket: &Socket, state: &mut State, now: Cycles) {
        if !socket.is_stream() {
            return;
        }
        let State { role, options, heard, unanswered, .. } = state;
        let Role::Speaks(speech) = role else { return };
        if let Some(mut cork) = speech.cork.take_if(|cork| cork.holds()) {
            if cork.until == 0 {
                cork.until = now.saturating_add(self.wiring.frequency.cycles(CORKED)).get();
            }
            if now.get() >= cork.until {
                cork.flush(speech.tcp());
            }
            speech.cork = Some(cork);
        }
        if !is_waiting(speech) {
            *unanswered = 0;
            let silence = self.wiring.frequency.cycles(options.silence());
            if options.keep_alive && now.get() >= heard.saturating_add(silence.get()) {
                let interval = Duration::from_secs(u64::from(options.interval));
                speech.tcp().set_keep_alive(Some(interval));
            }
        } else if *unanswered == 0 {
            *unanswered = now.get();
        }
    }

    /// When a connection is to be looked at in any case, or given up.
    pub(super) fn limit(&self, socket: &Socket, state: &State, now: Cycles) -> Option<u64> {
        let given_up = self.given_up(socket, state);
        let Role::Speaks(speech) = &state.role else { return given_up };
        let corked = speech.cork.as_ref().filter(|cork| cork.holds());
        let corked = corked.map(|cork| match cork.until {
            0 => now.saturating_add(self.wiring.frequency.cycles(CORKED)).get(),
            until => until,
        });
        given_up.into_iter().chain(corked).min()
    }

    /// Whether it is to be given up.
    pub(super) fn is_over_time(&self, socket: &Socket, state: &State, now: Cycles) -> bool {
        self.given_up(socket, state).is_some_and(|limit| now.get() >= limit)
    }

    fn given_up(&self, socket: &Socket, state: &State) -> Option<u64> {
        let left = (state.deadline > 0).then_some(state.deadline);
        if !socket.is_stream() {
            return left;
        }
        let after = |since: u64, span: Micros| {
            since.saturating_add(self.wiring.frequency.cycles(span).get())
        };
        let silent = if state.unanswered > 0 {
            Some(after(state.unanswered, state.options.answer()))
        } else if state.options.keep_alive && state.heard > 0 {
            Some(after(state.heard, state.options.gone()))
        } else {
            None
        };
        left.into_iter().chain(silent).min()
    }
}

/// Whether something that was sent, or is to be, is unanswered.
fn is_waiting(speech: &mut Speech) -> bool {
    use tcp::State as S;
    let tcp = speech.tcp();
    let ends =
        matches!(tcp.state(), S::SynSent | S::SynReceived | S::FinWait1 | S::Closing | S::LastAck);
    ends || tcp.send_queue() > 0
}
