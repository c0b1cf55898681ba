//! `logs`: what a hosted machine's console said, or one activity's services.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::args::Logs;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::out;
use crate::running::{self, Found};
use crate::table::{Align, Table};

/// How often a log is looked at again.
const LOOK: Duration = Duration::from_millis(200);

/// A longer line is cut into lines of this length.
const LONGEST: usize = 64 << 10;

/// Shows it.
pub fn run(arguments: &Logs) -> Result<ExitCode, Failure> {
    let machines = running::folder(&home::root()?);
    if arguments.list {
        list(&running::all(&machines));
        return Ok(ExitCode::SUCCESS);
    }
    let found = running::latest(&machines, arguments.machine)?;
    let path = found.console();
    let wrong = |error| Failure::Unreadable(path.clone(), error);
    let mut log = BufReader::new(File::open(&path).map_err(wrong)?);
    let number = Some(found.about.process);
    let activity = arguments.activity.as_deref();
    // What a guest prints is nothing that a terminal should obey.
    let plain = io::stdout().is_terminal();
    let show = |line: &mut Vec<u8>| {
        if let Some(text) = shown(line, activity) {
            let text = if plain { out::plain(&text) } else { text };
            out::put(&format!("{text}\n"));
        }
        line.clear();
    };
    let mut line = Vec::new();
    loop {
        // Asked before the log is read: what was said until then is there.
        let runs = running::running(&machines, number).is_ok();
        while next(&mut log, &mut line).map_err(wrong)? {
            show(&mut line);
        }
        if !arguments.follow || !runs {
            if !line.is_empty() {
                show(&mut line);
            }
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(LOOK);
    }
}

/// Reads on to the end of a line, or of what there is: whether the line is whole.
fn next(log: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let room = LONGEST.saturating_sub(line.len());
    log.take(room as u64).read_until(b'\n', line)?;
    Ok(line.ends_with(b"\n") || line.len() >= LONGEST)
}

/// A line as it is shown: of one activity without its name, of others not.
fn shown(line: &[u8], activity: Option<&str>) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    match activity {
        None => Some(text.into()),
        Some(name) => {
            let own = text.strip_prefix('[')?.strip_prefix(name)?.strip_prefix("] ")?;
            Some(own.into())
        }
    }
}

fn list(all: &[Found]) {
    use Align::{Left, Right};
    let columns = [("machine", Right), ("", Left), ("begun", Right), ("configuration", Left)];
    let mut table = Table::new(&columns);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    for found in all {
        let ago = Duration::from_secs(now.saturating_sub(found.about.begun));
        table.row([
            found.about.process.to_string(),
            if found.runs { "runs" } else { "ended" }.into(),
            format!("{} ago", human::span(ago)),
            found.about.configuration.display().to_string(),
        ]);
    }
    match table.is_empty() {
        true => out::put("No machine was hosted here yet; './vortex run' starts one.\n"),
        false => out::put(&table.render()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_that_is_not_whole_yet_is_read_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = file.reopen().unwrap();
        let mut log = BufReader::new(file.reopen().unwrap());
        let mut line = Vec::new();
        writer.write_all(b"[web] one\n[web] tw").unwrap();
        assert!(next(&mut log, &mut line).unwrap());
        assert_eq!(shown(&line, Some("web")).as_deref(), Some("one"));
        line.clear();
        assert!(!next(&mut log, &mut line).unwrap());
        assert!(!next(&mut log, &mut line).unwrap());
        writer.write_all(b"o\n").unwrap();
        assert!(next(&mut log, &mut line).unwrap());
        assert_eq!(shown(&line, Some("web")).as_deref(), Some("two"));
        line.clear();
        writer.write_all(&vec![b'a'; LONGEST + 1]).unwrap();
        assert!(next(&mut log, &mut line).unwrap());
        assert_eq!(line.len(), LONGEST);
    }

    #[test]
    fn an_activitys_lines_are_its_own() {
        let line = b"[web] hello\r\n";
        assert_eq!(shown(line, None).as_deref(), Some("[web] hello"));
        assert_eq!(shown(line, Some("web")).as_deref(), Some("hello"));
        for other in ["we", "web2", ""] {
            assert_eq!(shown(line, Some(other)), None);
        }
        assert_eq!(shown(b"vortex: up\n", Some("web")), None);
    }
}
