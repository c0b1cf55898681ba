//! Requests for an activity that is found to have caused this work (law 2): what comes from outside
//! is the infrastructure's until it is known whose it is.
//!
//! To its causer such a request is a root: it is refused where the activity is at its end, has as
//! much on its way as it may, or owes too much.

use vortex_units::ActivityId;

use crate::context::{Context, SendError};
use crate::labels::Labels;
use crate::message::{Carries, Message, Port, wrap_request};
use crate::request::Trigger;
use crate::resource::Resource;

/// What becomes of a request whose causer is in debt.
#[derive(Clone, Copy)]
enum Debtor {
    Refused,
    Taken,
}

impl<M: Message> Context<'_, M> {
    /// Sends a request for the activity that is found to have caused this work. Only
    /// infrastructure may: work of an activity stays that activity's (law 2). To the causer
    /// this is a root, and refused like one: what comes from outside is dropped here.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn send_for<R>(
        &mut self,
        causer: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let activity = self.causing(causer, Debtor::Refused)?;
        self.send_as(activity, to, labels, request)
    }

    /// As [`Self::send_for`], also where the causer is in debt: for who sees to it himself that
    /// little of that waits. Under charge-through only: there what it costs is charged to the
    /// causer's own client, and while that owes too much at the multiplexor it is held back where
    /// it is sent to (`core/debt.rs`), instead of being lost.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn send_for_debtor<R>(
        &mut self,
        causer: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let activity = self.causing(causer, Debtor::Taken)?;
        self.send_as(activity, to, labels, request)
    }

    /// As [`Self::request`], for the activity that is found to have caused this work, as
    /// [`Self::send_for`]: only infrastructure may, and to the causer it is a root. The answer
    /// comes to this request.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn request_for<R>(
        &mut self,
        causer: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<Trigger, SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let activity = self.causing(causer, Debtor::Refused)?;
        self.ask_as(activity, to.instance(), labels, wrap_request::<M, R>(request))
    }

    /// Whose a request is that `causer` has caused, if it may be made now.
    fn causing(&self, causer: ActivityId, debtor: Debtor) -> Result<ActivityId, SendError> {
        if self.activity != ActivityId::INFRASTRUCTURE || causer == self.activity {
            return Ok(self.activity);
        }
        if !self.grid.activities().is_alive(causer) {
            return Err(SendError::NoSuchActivity);
        }
        let refused = || self.desk.refused.iter().any(|(_, refused)| *refused == causer);
        if !(matches!(debtor, Debtor::Taken) && self.desk.charge_through) && refused() {
            return Err(SendError::OverBudget);
        }
        if !self.grid.activities().takes_roots(causer) {
            return Err(SendError::NoRoom);
        }
        Ok(causer)
    }
}
