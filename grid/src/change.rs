//! Schedulers that are changed while the grid runs: their policies, and what resources and buses
//! are entitled to where they request time.
//!
//! A change is a note for who makes its part of a scheduler later, and a word to each core
//! ([`Post::tell`]), which exchanges its own part between two decisions (`core/renew.rs`): its
//! clients are added to the new policy, each as far ahead of its entitlement as it was, and the
//! ready ones told ready. Requests are in the queues beneath, which stay. How labels are bound to
//! cores stays too: where a label is bound is nothing that a policy of order decides.
//!
//! # Invariants
//! - The note is there before the word: a core that makes its part after the word was taken makes
//!   it by the note.
//! - A core exchanges its part before it lets anything more run.
//!
//! [`Post::tell`]: crate::post::Post::tell

use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId};

use crate::context::Context;
use crate::entitlement::Class;
use crate::message::Message;
use crate::policy::Scheduler;
use crate::shared::Grid;
use crate::standing::Standing;
use crate::sync::{AtomicBool, Ordering};

/// Which schedulers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The CPU multiplexors.
    Multiplexors,
    /// Those of this kind of resource.
    Resource(Class),
    /// The scheduler of schedulers with this number.
    Bus(usize),
}

/// What is new at a site.
#[derive(Clone)]
pub(crate) enum News {
    /// Another policy decides there.
    Policy(Arc<dyn Scheduler>),
    /// It stands otherwise where it requests time.
    Standing(Standing),
}

/// News of a site; of all its cores, if of none.
#[derive(Clone)]
pub(crate) struct Word {
    pub site: Site,
    pub core: Option<CoreId>,
    pub news: News,
}

impl Word {
    /// Whether nothing is left of what this one says once the other is said.
    pub fn is_past(&self, later: &Self) -> bool {
        let same = matches!(
            (&self.news, &later.news),
            (News::Policy(_), News::Policy(_)) | (News::Standing(_), News::Standing(_))
        );
        same && self.site == later.site && (later.core.is_none() || self.core == later.core)
    }

    /// Whether it is said of this site and core.
    pub fn is_of(&self, site: Site, core: CoreId) -> bool {
        self.site == site && self.core.is_none_or(|own| own == core)
    }
}

/// What was changed since the grid was made.
#[derive(Default)]
pub(crate) struct Changes {
    any: AtomicBool,
    all: Mutex<Vec<Word>>,
}

impl Changes {
    fn note(&self, word: Word) {
        let mut all = self.all.lock();
        all.retain(|earlier| !earlier.is_past(&word));
        all.push(word);
        self.any.store(true, Ordering::Release);
    }

    /// The last that was said of a site on a core and is of the wanted kind.
    fn last<T>(&self, site: Site, core: CoreId, of: impl Fn(&News) -> Option<T>) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let all = self.all.lock();
        let mut own = all.iter().rev().filter(|word| word.is_of(site, core));
        own.find_map(|word| of(&word.news))
    }

    /// The policy of a site, if it was exchanged.
    pub fn policy(&self, site: Site, core: CoreId) -> Option<Arc<dyn Scheduler>> {
        self.last(site, core, |news| match news {
            News::Policy(scheduler) => Some(scheduler.clone()),
            News::Standing(_) => None,
        })
    }

    /// How a site stands, if that was changed.
    pub fn standing(&self, site: Site, core: CoreId) -> Option<Standing> {
        self.last(site, core, |news| match news {
            News::Standing(standing) => Some(*standing),
            News::Policy(_) => None,
        })
    }
}

impl<M: Message> Grid<M> {
    /// Has another policy decide at a site, on one core or on all: with the same metric, so that
    /// what clients owe is the same. On the bill of who wants that.
    pub fn renew(
        &self,
        site: Site,
        core: Option<CoreId>,
        scheduler: Arc<dyn Scheduler>,
        payer: ActivityId,
    ) {
        self.change(Word { site, core, news: News::Policy(scheduler) }, payer);
    }

    /// Has a resource, or a bus, stand otherwise where it requests time, on one core or on all;
    /// where it is a client of its activity's it has no standing, and nothing changes.
    pub fn stand(&self, site: Site, core: Option<CoreId>, standing: Standing, payer: ActivityId) {
        self.change(Word { site, core, news: News::Standing(standing) }, payer);
    }

    fn change(&self, word: Word, payer: ActivityId) {
        self.changes.note(word.clone());
        let meant = |own: CoreId| word.core.is_none_or(|core| core == own);
        for post in self.posts.iter().filter(|post| meant(post.core())) {
            post.tell(&word, payer);
        }
    }
}

impl<M: Message> Context<'_, M> {
    /// Has another policy decide at a site: see [`Grid::renew`].
    pub fn renew(&mut self, site: Site, core: Option<CoreId>, scheduler: Arc<dyn Scheduler>) {
        self.grid.renew(site, core, scheduler, self.activity);
    }

    /// Has a resource, or a bus, stand otherwise: see [`Grid::stand`].
    pub fn stand(&mut self, site: Site, core: Option<CoreId>, standing: Standing) {
        self.grid.stand(site, core, standing, self.activity);
    }
}
