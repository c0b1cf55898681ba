//! Changes what an activity is entitled to while the machine runs: `entitle ACTIVITY RESOURCE
//! SHARE`, where RESOURCE is a resource's name, `resource.thread` for the processors, or `all`.
//! The activity of who calls it needs `control="all"` in the configuration.
//!
//! `entitle --change NAME=VALUE…` changes a scheduler, or what an activity has there, likewise.
//!
//! `entitle --begin ACTIVITY` begins one of itself in that activity, by the same right, which asks
//! for a share of 1000 there: by what that says it is known whose it is.
//!
//! Prints a line: what was asked for, and `ok` or the error.

use std::time::Duration;

use vortex_guest::{activity, args::Args, proc, say, time};

const USAGE: &str = "usage: entitle ACTIVITY RESOURCE|all SHARE [--core N] [--after MS]\n       \
    entitle --change NAME=VALUE... [--after MS]\n       \
    entitle --begin ACTIVITY [--after MS]";

/// Begins one of these in the activity.
fn begin(name: &str) {
    let words: Vec<String> = std::env::args().take(1).collect();
    let path = words.first().map_or("", String::as_str);
    match activity::begin(name, &[path, name, "all", "1000"], &["PATH=/bin"]) {
        Ok(()) => say!("begin: {name}: ok"),
        Err(error) => {
            say!("begin: {name}: {error}");
            proc::exit(1)
        }
    }
}

/// Has something changed, as these words say it.
fn change(words: &[String]) {
    let said = words.join(" ");
    match activity::change(&words.join("\n")) {
        Ok(()) => say!("change: {said}: ok"),
        Err((error, why)) => {
            say!("change: {said}: {error}: {why}");
            proc::exit(1)
        }
    }
}

fn main() {
    let mut args = Args::new(USAGE);
    let core = args.number("--core");
    let after = Duration::from_millis(args.number("--after").unwrap_or(0));
    if args.flag("--change") {
        let words: Vec<String> = std::iter::from_fn(|| args.word()).collect();
        args.end();
        time::pause(after);
        change(&words);
        return;
    }
    let begins = args.flag("--begin");
    if begins {
        let Some(name) = args.word() else { args.wrong("an activity is needed") };
        args.end();
        time::pause(after);
        begin(&name);
        return;
    }
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
    time::pause(after);
    match activity::entitle(&name, &resource, core, share) {
        Ok(()) => say!("entitle: {name} at {resource}: {text}: ok"),
        Err(error) => {
            say!("entitle: {name} at {resource}: {text}: {error}");
            proc::exit(1)
        }
    }
}
