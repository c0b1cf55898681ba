//! Changes what an activity is entitled to while the machine runs: `entitle ACTIVITY RESOURCE
//! SHARE`, where RESOURCE is a resource's name, `resource.thread` for the processors, or `all`.
//! The activity of who calls it needs `control="all"` in the configuration.
//!
//! Prints a line: what was asked for, and `ok` or the error.

use std::time::Duration;

use vortex_guest::{activity, args::Args, proc, say, time};

const USAGE: &str = "usage: entitle ACTIVITY RESOURCE|all SHARE [--core N] [--after MS]";

fn main() {
    let mut args = Args::new(USAGE);
    let core = args.number("--core");
    let after = args.number("--after").unwrap_or(0);
    let (name, resource, share) = (args.word(), args.word(), args.word());
    let (Some(name), Some(resource), Some(text)) = (name, resource, share) else {
        args.wrong("an activity, a resource and a share are needed")
    };
    let Some(share) = activity::hundredths(&text) else {
        args.wrong(&format!("'{text}' is no share, as 50 or 0.25"))
    };
    let core = match core.map(u16::try_from).transpose() {
        Ok(core) => core,
        Err(_) => args.wrong("there is no such core"),
    };
    args.end();
    time::pause(Duration::from_millis(after));
    match activity::entitle(&name, &resource, core, share) {
        Ok(()) => say!("entitle: {name} at {resource}: {text}: ok"),
        Err(error) => {
            say!("entitle: {name} at {resource}: {text}: {error}");
            proc::exit(1)
        }
    }
}
