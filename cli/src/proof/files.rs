//! `check` and `simulate` on every file that is there for it: sound ones must pass, each
//! of the broken ones must be told where and why, without a panic.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Extent, Verdict};

/// Folders of sound files, and the paper's Figure 6.
const SOUND: &[&str] = &["examples", "config/tests/figure-6.xml"];
/// Folders of broken files.
const BROKEN: &[&str] = &["examples/broken", "config/tests/broken"];

/// Checks them all, and simulates each, but for those of real programs, for a moment.
pub fn run(root: &Path, _: Extent) -> Verdict {
    let sound = gather(root, SOUND);
    let broken = gather(root, BROKEN);
    if sound.is_empty() || broken.is_empty() {
        return Verdict::Bad(format!(
            "found {} sound and {} broken files in {SOUND:?} and {BROKEN:?}; expected some of each",
            sound.len(),
            broken.len()
        ));
    }
    let mut simulated = 0;
    let mut wrong = String::new();
    for file in &sound {
        let mut commands = vec![vec!["check"]];
        // Real programs are for the machine alone.
        if !is_for_machine(file) {
            commands.push(vec!["simulate", "--seconds", "0.2"]);
            simulated += 1;
        }
        for arguments in commands {
            let shown = format!("{} {}", arguments.join(" "), shown(root, file));
            match vortex(root, &arguments, file) {
                Ok(output) if output.status.success() => {}
                Ok(output) => wrong += &format!("{shown}: must succeed\n{}", said(&output)),
                Err(error) => wrong += &format!("{shown}: {error}\n"),
            }
        }
    }
    for file in &broken {
        let shown = shown(root, file);
        match vortex(root, &["check"], file) {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr)
                    .lines()
                    .any(|line| is_flaw(line) && line.contains("; expected "));
                if output.status.code() != Some(1) || !told {
                    wrong += &format!(
                        "check {shown}: must exit with 1 and say FILE:LINE:COLUMN: what; expected \
                         what, but it exited with {:?}\n{}",
                        output.status.code(),
                        said(&output)
                    );
                }
            }
            Err(error) => wrong += &format!("check {shown}: {error}\n"),
        }
    }
    if wrong.is_empty() {
        Verdict::Good(format!(
            "{} sound files, {simulated} of them simulated, {} broken ones",
            sound.len(),
            broken.len()
        ))
    } else {
        Verdict::Bad(wrong)
    }
}

/// Whether a file starts programs and describes none to simulate.
fn is_for_machine(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.contains("<service ") && !text.contains("<simulation")
}

/// Whether a line begins with `file:line:column: `.
fn is_flaw(line: &str) -> bool {
    let mut parts = line.splitn(4, ':').skip(1);
    let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    number(parts.next()) && number(parts.next())
}

fn gather(root: &Path, places: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for place in places {
        let path = root.join(place);
        if path.is_file() {
            files.push(path);
        } else if let Ok(entries) = path.read_dir() {
            let entries = entries.flatten().map(|entry| entry.path());
            files.extend(entries.filter(|path| path.extension().is_some_and(|e| e == "xml")));
        }
    }
    files.sort();
    files
}

fn shown(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn vortex(root: &Path, arguments: &[&str], file: &Path) -> std::io::Result<Output> {
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg(file)
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
}

fn said(output: &Output) -> String {
    let text =
        [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_has_a_place() {
        assert!(is_flaw("a.xml:3:14: no such thing; expected another"));
        assert!(!is_flaw("vortex: cannot read a.xml: no such file"));
    }
}
