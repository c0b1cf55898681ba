//! Orders by which schedulers are changed while the machine runs.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_abi::Errno;
use vortex_abi::performance::Said;
use vortex_assembly::{Deed, Live, Ordered};
use vortex_config::{Change, Refusal};
use vortex_grid::{Context, Unchanged};
use vortex_resources::Mail;
use vortex_resources::monitor::Ordered as Became;
use vortex_resources::monitor::{Changes, Course};
use vortex_units::ActivityId;

/// Schedulers that are told in one run what they are now (law 5).
const TOLD: usize = 4;

/// The configuration as it is now, and its activities.
pub(super) struct Orders {
    /// Where it is put when the machine is built.
    built: Arc<Mutex<Option<Live>>>,
    live: Option<Live>,
    activities: Vec<ActivityId>,
    /// What is to be done of what was carried out already.
    left: VecDeque<Deed>,
    said: Option<Arc<Said>>,
}

/// How far an order has come.
enum Way {
    /// It is judged.
    Judged(Ordered),
    /// It is carried out, but for what is left.
    Kept,
}

impl Orders {
    pub fn new(built: Arc<Mutex<Option<Live>>>, activities: Vec<ActivityId>) -> Self {
        Self { built, live: None, activities, left: VecDeque::new(), said: None }
    }

    /// Carries out what was judged to be sound.
    fn carry_out(
        &mut self,
        (change, deeds): (Change, Vec<Deed>),
        cx: &mut Context<'_, Mail>,
    ) -> Became {
        // What activities have may be refused: by itself, and before anything is kept.
        for deed in deeds {
            let Deed::Grant(index, reach, terms) = deed else {
                self.left.push_back(deed);
                continue;
            };
            let activity = self.activities.get(index).copied();
            let granted = activity.ok_or(Unchanged::NoActivity);
            granted.and_then(|activity| cx.grant(activity, reach, &terms)).map_err(refused)?;
        }
        if let Some(live) = &mut self.live {
            live.keep(&change, cx.now());
        }
        self.said = None;
        Ok(())
    }

    /// Goes on, with what was carried out before first.
    fn go(&mut self, order: &str, way: &mut Way, cx: &mut Context<'_, Mail>) -> Option<Became> {
        if self.do_some(cx) {
            return None;
        }
        let Way::Judged(ordered) = way else {
            self.said();
            return Some(Ok(()));
        };
        let Some(live) = self.live() else { return Some(Err((Errno::EAGAIN, String::new()))) };
        let judged = match live.step(order, ordered) {
            Ok(judged) => judged?,
            Err(why) => return Some(Err(as_error(&why))),
        };
        match self.carry_out(judged, cx) {
            Ok(()) => *way = Way::Kept,
            Err(why) => return Some(Err(why)),
        }
        None
    }

    fn live(&mut self) -> Option<&mut Live> {
        if self.live.is_none() {
            self.live = self.built.lock().take();
        }
        self.live.as_mut()
    }

    /// Does some of what is left; whether that was anything.
    fn do_some(&mut self, cx: &mut Context<'_, Mail>) -> bool {
        let some = self.left.len().min(TOLD);
        for deed in self.left.drain(..some) {
            match deed {
                Deed::Grant(..) => {}
                Deed::Renew(site, core, scheduler) => cx.renew(site, core, scheduler),
                Deed::Stand(site, core, standing) => cx.stand(site, core, standing),
            }
        }
        some > 0
    }
}

impl Changes for Orders {
    fn step(
        &mut self,
        order: &str,
        course: &mut Course,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Became> {
        let way = course.0.take().and_then(|any| any.downcast::<Way>().ok());
        let mut way = way.unwrap_or_else(|| Box::new(Way::Judged(Ordered::default())));
        let became = self.go(order, &mut way, cx);
        if became.is_none() {
            course.0 = Some(way);
        }
        became
    }

    fn said(&mut self) -> Arc<Said> {
        if let Some(said) = &self.said {
            return said.clone();
        }
        let numbers: Vec<u32> = self.activities.iter().map(|it| it.index() as u32).collect();
        let said = self.live().map(|live| Arc::new(live.said(&numbers))).unwrap_or_default();
        self.said = Some(said.clone());
        said
    }
}

fn as_error(why: &Refusal) -> (Errno, String) {
    let error = match why {
        Refusal::NoActivity(_) => Errno::ESRCH,
        Refusal::NoScheduler(_) => Errno::ENXIO,
        Refusal::Wrong(_) => Errno::EINVAL,
        Refusal::Held(_) => Errno::EBUSY,
        Refusal::Full(_) => Errno::ENOSPC,
    };
    (error, why.text().to_string())
}

fn refused(why: Unchanged) -> (Errno, String) {
    match why {
        Unchanged::NoActivity => (Errno::ESRCH, "the activity is gone".into()),
        Unchanged::Divided => {
            let what = "the activity is divided into sub-activities now: expected it when they are \
                        closed";
            (Errno::EBUSY, what.into())
        }
        Unchanged::Everywhere => (Errno::EINVAL, "that is said of one place".into()),
    }
}
