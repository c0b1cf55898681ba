//! Orders by which schedulers are changed while the machine runs.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_abi::Errno;
use vortex_assembly::{Deed, Live};
use vortex_config::Refusal;
use vortex_grid::{Context, Unchanged};
use vortex_resources::Mail;
use vortex_resources::monitor::Changes;
use vortex_units::ActivityId;

/// The configuration as it is now, made when the machine is built, and its activities.
pub(super) struct Orders {
    pub live: Arc<Mutex<Option<Live>>>,
    pub activities: Vec<ActivityId>,
}

impl Changes for Orders {
    fn change(&mut self, order: &str, cx: &mut Context<'_, Mail>) -> Result<(), (Errno, String)> {
        let mut live = self.live.lock();
        let Some(live) = live.as_mut() else { return Err((Errno::EAGAIN, String::new())) };
        let (change, deeds) = live.judge(order).map_err(|why| {
            let error = match why {
                Refusal::NoActivity(_) => Errno::ESRCH,
                Refusal::NoScheduler(_) => Errno::ENXIO,
                Refusal::Wrong(_) => Errno::EINVAL,
                Refusal::Full(_) => Errno::ENOSPC,
            };
            (error, why.text().to_string())
        })?;
        // What activities have may be refused: by itself, and before anything is kept.
        for deed in &deeds {
            if let Deed::Grant(index, reach, terms) = deed {
                let activity = self.activities.get(*index).copied();
                let granted = activity.ok_or(Unchanged::NoActivity);
                granted.and_then(|activity| cx.grant(activity, *reach, terms)).map_err(refused)?;
            }
        }
        live.keep(&change, cx.now());
        for deed in deeds {
            match deed {
                Deed::Grant(..) => {}
                Deed::Renew(site, core, scheduler) => cx.renew(site, core, scheduler),
                Deed::Stand(site, core, standing) => cx.stand(site, core, standing),
            }
        }
        Ok(())
    }
}

fn refused(why: Unchanged) -> (Errno, String) {
    match why {
        Unchanged::NoActivity => (Errno::ESRCH, "the activity is gone".into()),
        Unchanged::Divided => {
            (Errno::EBUSY, "the activity is divided into sub-activities now".into())
        }
        Unchanged::Everywhere => (Errno::EINVAL, "that is said of one place".into()),
    }
}
