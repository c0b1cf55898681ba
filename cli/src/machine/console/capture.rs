//! A machine whose console is read, and not shown.

use std::process::Command;

use super::Manner;
use super::hosted::{Listener, host};
use super::readers::Watched;
use crate::machine::ending::Ending;
use crate::machine::error::MachineError;

/// Keeps what is said.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Listener for Kept {
    fn output(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn complaint(&mut self, line: &str) {
        eprintln!("{line}");
    }
}

/// Starts a machine, and returns how it ended and what its console said.
///
/// # Errors
/// [`MachineError::NoQemu`], [`MachineError::Stop`].
pub fn capture(
    command: Command,
    events: &Watched,
    manner: Manner,
) -> Result<(Ending, String), MachineError> {
    let mut kept = Kept::default();
    let ending = host(command, events, manner, &mut kept)?;
    Ok((ending, String::from_utf8_lossy(&kept.0).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Quit;
    use super::*;

    fn within(milliseconds: u64) -> Manner {
        Manner { limit: Some(Duration::from_millis(milliseconds)), with_status: false }
    }

    #[test]
    fn what_is_said_is_kept_and_who_is_slow_is_stopped() {
        let events = super::super::watch().unwrap();
        let mut echo = Command::new("sh");
        echo.args(["-c", "echo hello; exit 0"]);
        let (ending, said) = capture(echo, &events, within(20_000)).unwrap();
        assert_eq!((ending, said.as_str()), (Ending::Good, "hello\n"));
        let mut slow = Command::new("sh");
        slow.args(["-c", "echo a; exec sleep 60"]);
        let (ending, _) = capture(slow, &events, within(300)).unwrap();
        assert_eq!(ending, Ending::Stopped(Quit::Time));
    }
}
