//! `check`: every flaw of a file, or what it guarantees to whom.

mod guarantees;
mod json;
mod notes;

use std::path::Path;
use std::process::ExitCode;

use vortex_assembly::{Remark, refused, simulated};
use vortex_config::{Analysis, Config, Note, NoteKind, analyse};

use crate::args::Check;
use crate::config_file;
use crate::failure::Failure;
use crate::out;

/// Checks all the files; 1 where any has a flaw, 2 where any cannot be read, after the others.
/// A promise that is not kept is no flaw: a machine with it runs.
pub fn run(arguments: &Check) -> Result<ExitCode, Failure> {
    let mut good = true;
    let mut results = Vec::new();
    let mut unread = None;
    for (index, path) in arguments.files.iter().enumerate() {
        if index > 0 && !arguments.json {
            out::put("\n");
        }
        let read = match config_file::read(path) {
            Ok(read) => read,
            Err(failure) => {
                if let Some(before) = unread.replace(failure) {
                    eprintln!("vortex: {before}");
                }
                continue;
            }
        };
        good &= read.is_ok();
        if arguments.json {
            results.push(json::file(path, &read));
            continue;
        }
        match read {
            Ok(config) => out::put(&report(path, &config, &analyse(&config))),
            Err(flaws) => config_file::complain(path, &flaws),
        }
    }
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&results)?));
    }
    match unread {
        Some(failure) => Err(failure),
        None => Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// What is to be said of a file without a flaw.
fn report(path: &Path, config: &Config, analysis: &Analysis) -> String {
    let file = path.display();
    let broken = analysis.notes.iter().filter(|note| note.kind == NoteKind::Unsound).count();
    let state = match broken {
        0 => "sound".into(),
        1 => "no flaw, but a promise that is not kept".into(),
        _ => format!("no flaw, but {broken} promises that are not kept"),
    };
    let mut text = format!("{file}: {state}: {}\n", census(config));
    for warning in &config.warnings {
        text += &format!("{file}:{}:{}: warning: {}\n", warning.line, warning.column, warning.what);
    }
    text += "\nGuaranteed, at least, to an activity while it has work there (per core):\n\n";
    text += &guarantees::table(config, analysis);
    if analysis.cut {
        text += &format!("  and more: the first {} lines are shown\n", vortex_config::LISTED);
    }
    let of_kind = |wanted: NoteKind| -> Vec<Note> {
        analysis.notes.iter().filter(|note| note.kind == wanted).cloned().collect()
    };
    for (title, notes) in [
        ("Promises that are not kept", of_kind(NoteKind::Unsound)),
        ("The kernel refuses this, a simulation does not", remarks(refused(config))),
        ("Good to know", [of_kind(NoteKind::Remark), remarks(simulated(config))].concat()),
    ] {
        if !notes.is_empty() {
            text += &format!("\n{title}:\n\n");
        }
        text += &notes::lines(&file.to_string(), notes.iter());
    }
    text
}

/// What is said of the kernel, as notes.
fn remarks(remarks: Vec<Remark>) -> Vec<Note> {
    let note = |Remark { place, text }| Note { kind: NoteKind::Remark, place, text, right: None };
    remarks.into_iter().map(note).collect()
}

/// `4 cores, 1 resource, 3 activities beside the infrastructure`.
fn census(config: &Config) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    };
    let mut parts = vec![
        count(config.multiplexors.len(), "core", "cores"),
        count(config.resources.len(), "resource", "resources"),
        count(config.activities.len().saturating_sub(1), "activity", "activities")
            + " beside the infrastructure",
    ];
    if !config.services.is_empty() {
        parts.push(count(config.services.len(), "service", "services"));
    }
    if config.simulation.is_some() {
        parts.push("a simulation".into());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_does_not_do_or_look_at_is_told() {
        let text = std::fs::read_to_string("../examples/system-call-storm.xml").unwrap();
        let config = config_file::parse(text.as_bytes()).unwrap();
        let told = report(Path::new("f.xml"), &config, &analyse(&config));
        for line in [
            "The kernel refuses this, ",
            "'resource.process' is at home on one core",
            "frequency and overhead of <machine> are for simulation alone",
            "<simulation> is for './vortex simulate' alone",
        ] {
            assert!(told.contains(line), "{line} is not in:\n{told}");
        }
        let mut plain = config;
        plain.simulation = None;
        plain.machine.simulated = None;
        plain.resources.retain(|resource| resource.resource == vortex_config::THREAD);
        let told = report(Path::new("f.xml"), &plain, &analyse(&plain));
        assert!(!told.contains("refuses") && !told.contains("simulat"), "{told}");
    }
}
