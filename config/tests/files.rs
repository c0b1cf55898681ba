//! The example files are sound; each broken one has exactly the flaws beside it.
//!
//! `UPDATE=1 cargo test -p vortex-config --test files` rewrites the expectations, to be
//! read before they are committed.

use std::fs;
use std::path::{Path, PathBuf};

use vortex_config::{analyse, parse};

fn xml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "xml")).collect();
    files.sort();
    files
}

#[test]
fn every_broken_file_has_exactly_its_flaws() {
    let files = xml_files("tests/broken");
    assert!(files.len() >= 30);
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let found = match parse(&text) {
            Ok(_) => String::from("no flaw\n"),
            Err(flaws) => flaws.iter().map(|flaw| format!("{flaw}\n")).collect(),
        };
        let beside = file.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&beside, &found).unwrap();
        }
        if found.starts_with("no flaw") || found != fs::read_to_string(&beside).unwrap_or_default()
        {
            wrong += &format!("{}:\n{found}", file.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_example_is_sound_and_draws_no_warning() {
    let files = xml_files("../examples");
    assert!(files.len() >= 5);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let config = parse(&text).unwrap_or_else(|flaws| panic!("{}: {flaws:#?}", file.display()));
        assert!(config.warnings.is_empty(), "{}: {:?}", file.display(), config.warnings);
        // An example is for the simulator, or for real programs on the machine.
        let runs = config.simulation.is_some() || !config.services.is_empty();
        assert!(runs, "{}", file.display());
        assert!(!analyse(&config).guarantees.is_empty(), "{}", file.display());
    }
}
