//! The same as `check` prints, for programs.

use std::path::Path;

use serde_json::{Value, json};
use vortex_assembly::{Remark, refused, simulated};
use vortex_config::{Config, Flaw, Level, NoteKind, Reserved, analyse};

use super::guarantees::{activity, reason_of, scope};

/// A file's result.
pub fn file(path: &Path, read: &Result<Config, Vec<Flaw>>) -> Value {
    let file = path.display().to_string();
    match read {
        Err(flaws) => {
            let flaws: Vec<_> = flaws
                .iter()
                .map(|flaw| {
                    json!({
                        "line": flaw.line, "column": flaw.column,
                        "what": flaw.what, "expected": flaw.right,
                    })
                })
                .collect();
            json!({ "file": file, "sound": false, "flaws": flaws })
        }
        Ok(config) => sound(&file, config),
    }
}

fn sound(file: &str, config: &Config) -> Value {
    let analysis = analyse(config);
    let warnings: Vec<_> = config
        .warnings
        .iter()
        .map(|warning| {
            json!({ "line": warning.line, "column": warning.column, "what": warning.what })
        })
        .collect();
    let guarantees: Vec<_> = analysis
        .guarantees
        .iter()
        .map(|guarantee| {
            json!({
                "activity": activity(config, guarantee.activity),
                "of": scope(config, guarantee.scope),
                "core": guarantee.core.get(),
                "of_service": level(guarantee.of_resource),
                "of_core": level(guarantee.of_core),
                "holds": {
                    "rounds_us": guarantee.holds.rounds.get(),
                    "rounds_requests": guarantee.holds.requests,
                    "on_average": guarantee.holds.on_average,
                },
                "reserved": guarantee.reserved.as_ref().map(reserved),
            })
        })
        .collect();
    let notes: Vec<_> = analysis
        .notes
        .iter()
        .map(|note| {
            json!({
                "line": note.place.line, "column": note.place.column,
                "unsound": note.kind == NoteKind::Unsound, "what": note.text,
                "expected": note.right,
            })
        })
        .collect();
    json!({
        "file": file, "sound": true, "warnings": warnings, "guarantees": guarantees,
        "notes": notes, "cut": analysis.cut,
        "refused_by_kernel": remarks(refused(config)),
        "for_simulation_alone": remarks(simulated(config)),
    })
}

/// What is said of the kernel.
fn remarks(remarks: Vec<Remark>) -> Value {
    let one = |Remark { place, text }| json!({ "line": place.line, "column": place.column, "what": text });
    remarks.into_iter().map(one).collect()
}

/// What is reserved; of time, in microseconds.
fn reserved(reserved: &Reserved) -> Value {
    json!({
        "a_second": reserved.rate.get(), "period_us": reserved.period.map(|period| period.get()),
        "text": reserved.to_string(),
    })
}

/// At least this part, in parts per billion, or why nothing.
fn level(level: Level) -> Value {
    match level {
        Level::AtLeast(fraction) => json!({ "billionths": fraction.billionths() }),
        Level::None(reason) => json!({ "billionths": 0, "because": reason_of(reason) }),
    }
}
