//! Stopping and continuing.

use libc::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGTSTP, SIGUSR1, WCONTINUED, WNOHANG, WUNTRACED};
use vortex_guest::mem::{PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::{proc, say, sig};

crate::tests!("stops":
    "stop-continue" => stop_continue,
    "stops-by-itself" => by_itself,
    "kill-stopped" => kill_stopped,
    "terminate-stopped" => terminate_stopped,
    "not-asked-for" => not_asked,
    "handled" => handled,
    "continue-handled" => continue_handled,
    "pending-cleared" => pending_cleared,
    "does-not-run" => does_not_run,
);

const ALL: i32 = WUNTRACED | WCONTINUED;

fn told(child: i32, options: i32) {
    let answer = proc::wait_for(child, options);
    seen(
        "told",
        answer.map(|(pid, status)| match pid {
            0 => "nothing".to_string(),
            _ => proc::ended(status),
        }),
    );
}

fn idle() -> i32 {
    proc::child(|| {
        loop {
            vortex_guest::time::pause(std::time::Duration::from_secs(1));
        }
    })
}

fn stop_continue() {
    let child = idle();
    for _ in 0..2 {
        worked("stop", sig::kill(child, SIGSTOP));
        told(child, ALL);
        told(child, ALL | WNOHANG);
        worked("continue", sig::kill(child, SIGCONT));
        told(child, ALL);
        told(child, ALL | WNOHANG);
    }
    worked("kill", sig::kill(child, SIGKILL));
    told(child, ALL);
}

fn by_itself() {
    for signal in [SIGSTOP, SIGTSTP] {
        let child = proc::child(|| {
            // A group that somebody outside it, in its session, is the parent of.
            let _ = proc::set_group(0, 0);
            sig::raise(signal).map_or(1, |_| 7)
        });
        told(child, ALL);
        worked("continue", sig::kill(child, SIGCONT));
        told(child, ALL & WUNTRACED);
    }
}

fn kill_stopped() {
    let child = idle();
    worked("stop", sig::kill(child, SIGSTOP));
    told(child, ALL);
    worked("kill", sig::kill(child, SIGKILL));
    told(child, ALL);
}

fn terminate_stopped() {
    let child = idle();
    worked("stop", sig::kill(child, SIGSTOP));
    told(child, ALL);
    worked("terminate", sig::kill(child, SIGTERM));
    told(child, ALL | WNOHANG);
    worked("continue", sig::kill(child, SIGCONT));
    told(child, WUNTRACED);
}

fn not_asked() {
    let child = idle();
    worked("stop", sig::kill(child, SIGSTOP));
    told(child, ALL);
    worked("stop again", sig::kill(child, SIGSTOP));
    told(child, WNOHANG);
    worked("kill", sig::kill(child, SIGKILL));
    told(child, 0);
}

fn handled() {
    let child = proc::child(|| {
        let _ = sig::handle(SIGTSTP, sig::NOTE, 0, &[]);
        let _ = sig::raise(SIGTSTP);
        sig::noted() as i32
    });
    told(child, ALL);
}

fn continue_handled() {
    let child = proc::child(|| {
        let _ = sig::handle(SIGCONT, sig::NOTE, 0, &[]);
        let _ = sig::raise(SIGSTOP);
        sig::noted() as i32
    });
    told(child, ALL);
    worked("continue", sig::kill(child, SIGCONT));
    told(child, WUNTRACED);
}

/// A stop and a continuation that wait take each other away.
fn pending_cleared() {
    sig::block(&[SIGTSTP, SIGCONT]);
    worked("stop", sig::raise(SIGTSTP));
    say!("pending {}", sig::names(sig::pending()));
    worked("continue", sig::raise(SIGCONT));
    say!("pending {}", sig::names(sig::pending()));
}

fn does_not_run() {
    let word = Region::shared(PAGE).word(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    let child = proc::child(|| {
        let _ = sig::handle(SIGUSR1, sig::NOTE, 0, &[]);
        loop {
            word.fetch_add(1, order);
        }
    });
    proc::until(|| word.load(order) > 0);
    worked("stop", sig::kill(child, SIGSTOP));
    told(child, ALL);
    let before = word.load(order);
    (0..100).for_each(|_| proc::give_way());
    say!("unchanged {}", word.load(order) == before);
    worked("continue", sig::kill(child, SIGCONT));
    proc::until(|| word.load(order) != before);
    worked("kill", sig::kill(child, SIGKILL));
    say!("{}", proc::wait(child));
}
