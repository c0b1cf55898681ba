//! `experiment file-read`: is what a resource does for several processes attributed to them,
//! and shared as they are entitled (§4.3, Figures 9 to 11)? `experiments/file-read/README.md`
//! says what it must show, and where its bounds come from.

mod figures;
mod print;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Beside, Stage, fill};
use crate::args::{FileRead, ShareForm};
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::disk::{Disk, Disks};
use crate::machine::size::Cores;
use crate::out;
use crate::volume::{self, VolumeError, Wanted};
use figures::Figures;

const TEMPLATE: &str = "experiments/file-read/machine.xml";
/// Seconds of a run beside its samples: until the first, and after the last.
const AROUND: u32 = 3;
/// Bytes of each file: what is read of it, and more.
const BYTES: usize = 64 << 10;
const FILES: [&str; 3] = ["a", "b", "c"];

/// Runs it.
pub fn run(arguments: &FileRead) -> Result<ExitCode, Failure> {
    let accelerator = Accelerator::choose(arguments.accel, arguments.counted)?;
    if arguments.counted && arguments.cores > Cores::LEAST {
        return Err(Failure::Unexpected("one core in counted time", arguments.cores.to_string()));
    }
    let stage = Stage { accelerator, counted: arguments.counted, cores: arguments.cores };
    let forms = match arguments.shares {
        Some(form) => vec![form],
        None => vec![ShareForm::Paper, ShareForm::ChargeThrough],
    };
    let mut all = Vec::new();
    for form in forms {
        let figures = measure(stage, arguments, form)?;
        let checks = figures.checks();
        all.push((figures, checks));
    }
    if arguments.json {
        let each = all
            .iter()
            .map(|(figures, checks)| serde_json::json!({ "figures": figures, "checks": checks }));
        let each: Vec<_> = each.collect();
        out::put(&format!("{}\n", serde_json::to_string_pretty(&each)?));
    } else {
        let each: Vec<_> = all.iter().map(|(of, checks)| print::report(of, checks)).collect();
        out::put(&each.join("\n\n"));
    }
    let good = all.iter().flat_map(|(_, checks)| checks).all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The template, which has the paper's form, in this one.
fn in_form(template: &str, form: ShareForm) -> String {
    match form {
        ShareForm::Paper => template.into(),
        ShareForm::ChargeThrough => {
            template.replace(r#"shares="paper""#, r#"shares="charge-through""#)
        }
    }
}

fn measure(stage: Stage, arguments: &FileRead, form: ShareForm) -> Result<Figures, Failure> {
    let seconds = arguments.seconds;
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    let folder = tempfile::tempdir();
    let unwritable = |error| VolumeError::Write(std::env::temp_dir(), error);
    let folder = folder.map_err(unwritable)?;
    let image = folder.path().join("disk.img");
    let files = folder.path().join("files");
    fs::create_dir(&files).map_err(unwritable)?;
    for name in FILES {
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
        fs::write(files.join(name), bytes).map_err(unwritable)?;
    }
    let wanted = Wanted {
        size: Some(4 << 20),
        block: 4096,
        inodes: None,
        label: "file-read".into(),
        force: false,
    };
    volume::make(&volume::folder(&files)?, &image, &wanted)?;
    eprintln!(
        "vortex: {} cores, {seconds} samples: {} s of the machine's time",
        stage.cores,
        seconds + AROUND
    );
    let values = BTreeMap::from([
        ("seconds", seconds + AROUND),
        ("samples", seconds + 1),
        ("looks", arguments.looks),
    ]);
    let config = fill(&in_form(&template, form), stage.cores, &values);
    let disks = Disks { disks: vec![Disk::new(&image)], depth: None };
    let beside = Beside { disks: Some(&disks), ..Beside::default() };
    // Counted time passes more slowly than the host's.
    let limit = Duration::from_secs(u64::from(seconds + AROUND) * 60 + 60);
    let console = stage.run_with(&config, &["reads", "sampler"], limit, beside)?;
    let samples = samples::read(&console)?;
    Figures::of(&samples, stage, form, &console)
        .ok_or(Failure::Unexpected("samples of a machine at work", console))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_in_the_template() {
        let template = fs::read_to_string(home::root().unwrap().join(TEMPLATE)).unwrap();
        for form in [r#"shares="paper""#, r#"shares="charge-through""#] {
            let wanted = match form.contains("paper") {
                true => ShareForm::Paper,
                false => ShareForm::ChargeThrough,
            };
            assert_eq!(in_form(&template, wanted).matches(form).count(), 1);
        }
    }
}
