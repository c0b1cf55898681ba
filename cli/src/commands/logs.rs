//! `logs`: what a hosted machine's console said, or one activity's services.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
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
    loop {
        // Asked before the log is read: what was said until then is there.
        let runs = running::running(&machines, number).is_ok();
        let mut line = Vec::new();
        while next(&mut log, &mut line).map_err(wrong)? {
            if let Some(text) = shown(&line, arguments.activity.as_deref()) {
                out::put(&text);
            }
            line.clear();
        }
        if !arguments.follow || !runs {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(LOOK);
    }
}

/// Reads on to the end of a line, or of what there is.
fn next(log: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    Ok(log.read_until(b'\n', line)? > 0)
}

/// A line as it is shown: of one activity without its name, of others not.
fn shown(line: &[u8], activity: Option<&str>) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    match activity {
        None => Some(format!("{text}\n")),
        Some(name) => {
            let own = text.strip_prefix('[')?.strip_prefix(name)?.strip_prefix("] ")?;
            Some(format!("{own}\n"))
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
    use super::shown;

    #[test]
    fn an_activitys_lines_are_its_own() {
        let line = b"[web] hello\r\n";
        assert_eq!(shown(line, None).as_deref(), Some("[web] hello\n"));
        assert_eq!(shown(line, Some("web")).as_deref(), Some("hello\n"));
        for other in ["we", "web2", ""] {
            assert_eq!(shown(line, Some(other)), None);
        }
        assert_eq!(shown(b"vortex: up\n", Some("web")), None);
    }
}
