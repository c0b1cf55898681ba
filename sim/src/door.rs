//! Where a simulated resource is in the grid, whichever of its two forms it has.

use std::sync::{Arc, OnceLock};

use vortex_grid::{Context, Core, Labels, Machine, Port, Refused, SendError, Trigger};
use vortex_units::{ActivityId, InstanceId};

use crate::message::{SimMessage, WorkRequest};
use crate::work::{FAN_OUT, Work};

/// Where the resources of the configuration are, by place.
pub(crate) type Ports = Arc<OnceLock<Vec<Option<Door>>>>;

/// The port of a simulated resource.
#[derive(Clone, Copy)]
pub(crate) enum Door {
    /// It sends nothing, so it needs no room for what it sends.
    Leaf(Port<Work<0>>),
    /// It sends.
    Inner(Port<Work<FAN_OUT>>),
}

impl Door {
    pub fn instance(self) -> InstanceId {
        match self {
            Self::Leaf(port) => port.instance(),
            Self::Inner(port) => port.instance(),
        }
    }

    /// [`Context::send`].
    pub fn send(
        self,
        cx: &mut Context<'_, SimMessage>,
        labels: Labels,
        request: WorkRequest,
    ) -> Result<(), SendError> {
        match self {
            Self::Leaf(port) => cx.send(port, labels, request),
            Self::Inner(port) => cx.send(port, labels, request),
        }
    }

    /// [`Context::send_for`].
    pub fn send_for(
        self,
        causer: ActivityId,
        cx: &mut Context<'_, SimMessage>,
        labels: Labels,
        request: WorkRequest,
    ) -> Result<(), SendError> {
        match self {
            Self::Leaf(port) => cx.send_for(causer, port, labels, request),
            Self::Inner(port) => cx.send_for(causer, port, labels, request),
        }
    }

    /// [`Context::request`].
    pub fn request(
        self,
        cx: &mut Context<'_, SimMessage>,
        labels: Labels,
        request: WorkRequest,
    ) -> Result<Trigger, SendError> {
        match self {
            Self::Leaf(port) => cx.request(port, labels, request),
            Self::Inner(port) => cx.request(port, labels, request),
        }
    }

    /// [`Core::root`].
    pub fn root<P: Machine>(
        self,
        core: &mut Core<SimMessage, P>,
        activity: ActivityId,
        labels: Labels,
        request: WorkRequest,
    ) -> Result<(), Refused> {
        match self {
            Self::Leaf(port) => core.root(activity, port, labels, request),
            Self::Inner(port) => core.root(activity, port, labels, request),
        }
    }
}
