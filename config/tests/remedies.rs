//! What is proposed instead of a flaw, or of a promise that is not kept, is itself accepted:
//! where it can be done to the file by rule it is done, and the file is read again.
//!
//! `UPDATE=1 cargo test -p vortex-config --test remedies` rewrites the expectations of the
//! unsound files, to be read before they are committed.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod edit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use edit::File;
use vortex_config::{Flaw, NoteKind, analyse, parse};

fn xml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "xml")).collect();
    files.sort();
    files
}

/// A fault of a sound file: where, what, and what would be sound.
type Fault = ((u32, u32), String, String);

/// The faults of a text that has no flaw.
fn faults(text: &str) -> Result<Vec<Fault>, Vec<Flaw>> {
    let config = parse(text)?;
    let notes = analyse(&config).notes.into_iter();
    let notes = notes.filter(|note| note.kind == NoteKind::Unsound);
    let fault = |note: vortex_config::Note| {
        ((note.place.line, note.place.column), note.text, note.right.unwrap())
    };
    Ok(notes.map(fault).collect())
}

/// Without the knobs that a changed policy would ignore, as their flaws propose.
fn without_ignored(text: &str) -> String {
    let mut text = String::from(text);
    for _ in 0..32 {
        let Err(flaws) = parse(&text) else { break };
        let Some(flaw) = flaws.iter().find(|flaw| flaw.right.starts_with("no ")) else { break };
        let mut file = File::new(&text);
        file.remove_attribute((flaw.line, flaw.column));
        text = file.text().replace("<entitlement resource=\"resource.tcp\"/>", "");
        text = text.replace("<entitlement core=\"0\"/>", "");
    }
    text
}

/// The text as one of the proposed alternatives has it.
fn carried_out(text: &str, place: (u32, u32), way: &str) -> String {
    let mut file = File::new(text);
    let way = way.trim_end_matches(", with reservations");
    let quoted: Vec<&str> = way.split('\'').skip(1).step_by(2).collect();
    let last = |words: &str| words.rsplit_once(' ').unwrap().1.to_string();
    if let Some(rest) = way.strip_prefix("priority=\"") {
        let (number, _) = rest.split_once('"').unwrap();
        file.set_of_draw(quoted[0], quoted[1], "priority", number);
    } else if let Some(rest) = way.strip_prefix("a share of at least ") {
        let (share, _) = rest.split_once(' ').unwrap();
        file.set_of_draw(quoted[0], "m0", "share", share);
    } else if let Some(share) = way.strip_prefix("a share of at most ") {
        file.set(place, "share", share);
    } else if way.starts_with("room for ") {
        let number = way.split(' ').nth(2).unwrap();
        file.set_within(place, "limits", "threads", number);
    } else if let Some(rest) = way.strip_prefix("a limit of ") {
        let (rate, _) = rest.split_once(" at ").unwrap();
        file.set_of(quoted[0], "limit", rate);
    } else if let Some(rest) = way.strip_prefix("reservations of ") {
        let rate = rest.strip_suffix(" together").unwrap();
        file.set_first("reservation", rate);
    } else if way == "no reservation there" {
        return file
            .text()
            .replace("<entitlement resource=\"resource.tcp\" reservation=\"4 %\"/>", "");
    } else if let Some(time) = way.strip_prefix("a period of at least ") {
        file.set(place, "period", time);
    } else if let Some(time) = way.strip_prefix("a timeslice of at most ") {
        file.insert_first(&format!("<machine timeslice=\"{time}\"/>"));
    } else if way.starts_with("metric=") {
        file.set(place, "metric", "cycles");
    } else if way == "none" {
        file.unset(place, "metric");
    } else if way == "fewest-bound" {
        return file.text().replace("<loadsharing core=\"1\"> fixed", "<loadsharing> fewest-bound");
    } else if way.contains(" on core ") {
        let other = if last(way.trim_end_matches(" alone")) == "1" { "m0" } else { "m1" };
        return file.text().replacen(&format!("<cpumultiplexor tag=\"{other}\"/>"), "", 1);
    } else {
        for part in way.split(" and ") {
            let (policy, at) = part.split_once(" at '").unwrap_or_else(|| panic!("'{way}'"));
            file.set_of(at.trim_end_matches('\''), "algorithm", policy);
        }
    }
    file.text()
}

#[test]
fn what_would_be_sound_is_sound() {
    let files = xml_files("tests/unsound");
    assert!(files.len() >= 15);
    let (mut wrong, mut tried) = (String::new(), 0);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let before = faults(&text).unwrap_or_else(|flaws| panic!("{}: {flaws:?}", path.display()));
        let lines = before.iter().map(|((line, column), what, right)| {
            format!("{line}:{column}: {what}; expected {right}\n")
        });
        let (found, beside) = (lines.collect::<String>(), path.with_extension("expected"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&beside, &found).unwrap();
        }
        if found.is_empty() || found != fs::read_to_string(&beside).unwrap_or_default() {
            wrong += &format!("{}:\n{found}", path.display());
        }
        for (place, what, right) in &before {
            for way in right.split(", or ") {
                tried += 1;
                let new = without_ignored(&carried_out(&text, *place, way));
                let after = faults(&new);
                let gone = after.as_ref().is_ok_and(|after| {
                    let known = |fault: &Fault| before.iter().any(|(place, ..)| *place == fault.0);
                    after.len() < before.len()
                        && after.iter().all(|fault| fault.1 != *what && known(fault))
                });
                if !gone {
                    let file = path.file_name().unwrap().display();
                    wrong += &format!("{file}: '{way}' is not accepted: {after:#?}\n{new}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried >= 25, "{tried}");
}

/// What may follow from a remedy, and has one of its own: another policy ignores other knobs, what
/// is taken away is missed.
const FOLLOWS: [&str; 5] = [
    "ignores '",
    "no scheduler of which activities are clients uses",
    "this entitlement entitles to nothing",
    "there is no group",
    "has two multiplexors",
];

/// The file with a flaw mended as it says, in each way that can be done by rule.
fn mended(text: &str, flaw: &Flaw) -> Vec<String> {
    let place = (flaw.line, flaw.column);
    let quoted = match flaw.what.split_once("has no element <") {
        Some((_, rest)) => rest.trim_end_matches('>'),
        None => flaw.what.split('\'').nth(1).unwrap_or_default(),
    };
    let replaced = |new: &str| {
        let mut file = File::new(text);
        file.replace(place, quoted, new);
        file.text()
    };
    let (right, meant) = match flaw.right.split_once(" (did you mean ") {
        Some((right, meant)) => (right, meant.strip_suffix("?)")),
        None => (flaw.right.as_str(), None),
    };
    let mut ways = Vec::new();
    if let Some(rest) = right.strip_prefix("no ") {
        let mut file = File::new(text);
        file.remove_attribute(place);
        ways.push(file.text());
        if let Some((what, policies)) = rest.split_once(" that has any: ") {
            let policy = flaw.what.split(' ').next().unwrap();
            for other in policies.split(", ") {
                ways.push(match what.ends_with("a root") {
                    true => text.replace(
                        &format!("algorithm=\"{policy}\"/>"),
                        &format!("algorithm=\"{policy}\"><param name=\"root\">{other}</param></cpumultiplexor>"),
                    ),
                    false => {
                        let mut file = File::new(text);
                        file.set_algorithm(place, other);
                        file.text()
                    }
                });
            }
        }
    } else if let Some(meant) = meant {
        ways.push(replaced(meant));
    } else if let Some(names) =
        right.strip_prefix("one of ").filter(|_| flaw.what.contains("is no "))
    {
        ways.extend(names.split(", ").map(replaced));
    } else if let Some((_, cores)) = right.split_once(": ").filter(|_| right.starts_with("one of"))
    {
        let core = flaw.what.split("core ").nth(1).unwrap().split(' ').next().unwrap();
        for other in cores.split(", ") {
            let mut file = File::new(text);
            file.replace(place, core, other);
            ways.push(file.text());
        }
    } else if let Some((_, range)) =
        right.split_once("from ").filter(|_| flaw.what.contains("is wrong here"))
    {
        let range = range.split(", ").next().unwrap();
        let (least, most) = range.split_once(" to ").unwrap();
        ways.extend([replaced(least), replaced(most)]);
    } else if let Some((_, examples)) =
        right.split_once(", as ").filter(|_| flaw.what.contains("is wrong here"))
    {
        let examples = examples.replace(" or ", ", ");
        ways.extend(examples.split(", ").map(replaced));
    }
    ways
}

#[test]
fn what_would_be_right_is_right() {
    let (mut wrong, mut kinds) = (String::new(), BTreeMap::new());
    for path in xml_files("tests/broken") {
        let text = fs::read_to_string(&path).unwrap();
        let Err(before) = parse(&text) else { panic!("{}", path.display()) };
        // Of an element that has no name or tag little else is said before it has.
        let hides = path.ends_with("many-flaws.xml");
        // Three trees, one where none can be.
        let trees = path.ends_with("groups.xml");
        for flaw in before.iter().filter(|flaw| !trees || !flaw.right.contains("a root that")) {
            let ways = mended(&text, flaw);
            let kind = if ways.is_empty() { "by hand" } else { "by rule" };
            *kinds.entry(kind).or_insert(0) += 1;
            for new in ways {
                let after = parse(&new).err().unwrap_or_default();
                let known = |new: &Flaw| {
                    hides
                        || before.iter().any(|flaw| flaw.what == new.what)
                        || FOLLOWS.iter().any(|part| new.what.contains(part))
                };
                let same = |new: &Flaw| (&new.what, new.line) == (&flaw.what, flaw.line);
                if after.iter().any(same) || !after.iter().all(known) {
                    let file = path.file_name().unwrap().display();
                    wrong += &format!("{file}: {flaw}\n  leads to {after:#?}\n{new}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{kinds:?}");
    assert!(kinds["by rule"] >= 60, "{kinds:?}");
}
