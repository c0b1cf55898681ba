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

/// Which of the two labels there are: flat, because every queued request holds one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Present {
    #[default]
    Neither,
    Affinity,
    Both,
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

    /// One number for both.
    #[must_use]
    pub const fn flow(label: u64) -> Self {
        Self::ordered(label, label)
    }

    /// The dependency label.
    #[must_use]
    pub const fn dependency_label(self) -> Option<u64> {
        match self.present {
            Present::Both => Some(self.dependency),
            Present::Neither | Present::Affinity => None,
        }
    }

    /// The affinity label.
    #[must_use]
    pub const fn affinity_label(self) -> Option<u64> {
        match self.present {
            Present::Neither => None,
            Present::Affinity | Present::Both => Some(self.affinity),
        }
    }
}
