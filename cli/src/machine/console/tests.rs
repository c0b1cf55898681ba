//! Attending programs that stand for QEMU.

use std::sync::mpsc::channel;

use super::*;

struct Nameless;

impl Names for Nameless {
    fn name(&self, _: u64, _: bool) -> Option<String> {
        None
    }
}

fn attended(script: &str, manner: Manner, said: &[Event]) -> Ending {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Process::start(&mut command).unwrap();
    let (sender, receiver) = channel();
    readers::output(process.pipes().output, sender.clone());
    for event in said {
        if let Event::Quit(quit) = event {
            sender.send(Event::Quit(*quit)).unwrap();
        }
    }
    attend(&mut process, &receiver, Backtrace::new(Nameless), manner).unwrap()
}

#[test]
fn it_is_attended_to_its_own_end() {
    let manner = Manner { limit: Some(Duration::from_secs(60)), with_status: true };
    assert_eq!(attended("exit 0", manner, &[]), Ending::Good);
    assert_eq!(attended("exit 1", manner, &[]), Ending::Good);
    assert_eq!(attended("exit 7", manner, &[]), Ending::Status(3));
    assert_eq!(attended("exec >&-; sleep 0.2; exit 255", manner, &[]), Ending::Fault);
}

#[test]
fn what_holds_its_output_open_is_not_waited_for() {
    let began = Instant::now();
    let ending = attended("sleep 30 & exit 0", Manner::default(), &[]);
    assert_eq!(ending, Ending::Good);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_key_a_signal_and_the_end_of_its_time_stop_it() {
    let keys = [Event::Quit(Quit::Keys)];
    assert_eq!(attended("sleep 30", Manner::default(), &keys), Ending::Stopped(Quit::Keys));
    let signal = [Event::Quit(Quit::Signal(15))];
    let ending = attended("sleep 30", Manner::default(), &signal);
    assert_eq!(ending, Ending::Stopped(Quit::Signal(15)));
    let manner = Manner { limit: Some(Duration::from_millis(50)), with_status: false };
    assert_eq!(attended("sleep 30", manner, &[]), Ending::Stopped(Quit::Time));
}
