//! Dependency and affinity labels (§3.1, §3.1.1).

/// The labels of a request.
///
/// A dependency label orders: requests of one sender and one activity with the same
/// dependency label execute in the order made. An affinity label places: requests with it
/// run on one core while its binding lasts. As dependent requests must not be spread over
/// cores, a dependency label comes with the affinity label that it fixes; there is no way
/// to write the one without the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    dependency: u64,
    affinity: u64,
    present: Present,
}

/// A dependency label. Those of flows are apart from the others: a flow's is never found with
/// another affinity label than its own number, so nobody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    number: u64,
    is_flow: bool,
}

impl Dependency {
    /// A number that few others have.
    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.number
    }
}

/// Which of the two labels there are: flat, because every queued request holds one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Present {
    #[default]
    Neither,
    Affinity,
    Both,
    Flow,
}

impl Labels {
    /// No order and no place: the request runs on its sender's core if the resource is
    /// there, else where its activity is bound.
    pub const NONE: Self = Self { dependency: 0, affinity: 0, present: Present::Neither };

    /// A place without an order.
    #[must_use]
    pub const fn affinity(label: u64) -> Self {
        Self { dependency: 0, affinity: label, present: Present::Affinity }
    }

    /// An order, with the place that keeps it.
    ///
    /// While requests with this dependency label are outstanding, another affinity label
    /// with it is refused where it is sent.
    #[must_use]
    pub const fn ordered(dependency: u64, affinity: u64) -> Self {
        Self { dependency, affinity, present: Present::Both }
    }

    /// One number for both. Its order is its own: a request that is [`Self::ordered`] by the
    /// same number is not of the flow.
    #[must_use]
    pub const fn flow(label: u64) -> Self {
        Self { dependency: label, affinity: label, present: Present::Flow }
    }

    /// The dependency label.
    #[must_use]
    pub const fn dependency_label(self) -> Option<Dependency> {
        match self.present {
            Present::Both => Some(Dependency { number: self.dependency, is_flow: false }),
            Present::Flow => Some(Dependency { number: self.dependency, is_flow: true }),
            Present::Neither | Present::Affinity => None,
        }
    }

    /// A dependency label and the affinity label that it is to fix, where that is not fixed
    /// by what they are.
    pub(crate) const fn to_fix(self) -> Option<(u64, u64)> {
        match self.present {
            Present::Both => Some((self.dependency, self.affinity)),
            Present::Neither | Present::Affinity | Present::Flow => None,
        }
    }

    /// The affinity label.
    #[must_use]
    pub const fn affinity_label(self) -> Option<u64> {
        match self.present {
            Present::Neither => None,
            Present::Affinity | Present::Both | Present::Flow => Some(self.affinity),
        }
    }
}
