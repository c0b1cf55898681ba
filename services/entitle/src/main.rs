//! Changes what an activity is entitled to while the machine runs: `entitle ACTIVITY RESOURCE
//! SHARE`, where RESOURCE is a resource's name, `resource.thread` for the processors, or `all`.
//! The activity of who calls it needs `control="all"` in the configuration.
//!
//! Prints a line: what was asked for, and `ok` or the error.

use std::ffi::CString;
use std::time::Duration;

use vortex_guest::{Errno, Res, args::Args, proc, say, sys, time};

const USAGE: &str = "usage: entitle ACTIVITY RESOURCE|all SHARE [--core N] [--after MS]";
/// The system call, one of Vortex's own.
const NUMBER: i64 = 22_028;

/// A share as the configuration writes it, in hundredths.
fn hundredths(text: &str) -> Option<u32> {
    let (units, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if units.is_empty() || rest.len() > 2 || !digits(units) || !digits(rest) {
        return None;
    }
    let rest: u32 = format!("{rest:0<2}").parse().ok()?;
    units.parse::<u32>().ok()?.checked_mul(100)?.checked_add(rest)
}

fn entitle(activity: &str, resource: &str, core: i32, share: u32) -> Res<usize> {
    let string = |text: &str| CString::new(text).map_err(|_| Errno(libc::EINVAL));
    let (activity, resource) = (string(activity)?, string(resource)?);
    // SAFETY: the kernel reads both strings up to their zeros, and writes nothing.
    unsafe { sys!(NUMBER, activity.as_ptr(), resource.as_ptr(), core, share) }
}

fn main() {
    let mut args = Args::new(USAGE);
    let core = args.number("--core");
    let after = args.number("--after").unwrap_or(0);
    let (activity, resource, share) = (args.word(), args.word(), args.word());
    let (Some(activity), Some(resource), Some(text)) = (activity, resource, share) else {
        args.wrong("an activity, a resource and a share are needed")
    };
    let Some(share) = hundredths(&text) else {
        args.wrong(&format!("'{text}' is no share, as 50 or 0.25"))
    };
    let core = match core.map(i32::try_from) {
        None => -1,
        Some(Ok(core)) => core,
        Some(Err(_)) => args.wrong("there is no such core"),
    };
    args.end();
    time::pause(Duration::from_millis(after));
    match entitle(&activity, &resource, core, share) {
        Ok(_) => say!("entitle: {activity} at {resource}: {text}: ok"),
        Err(error) => {
            say!("entitle: {activity} at {resource}: {text}: {error}");
            proc::exit(1)
        }
    }
}
