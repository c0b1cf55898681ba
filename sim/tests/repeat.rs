//! Repeatable to the cycle, accounted at every step, refused where not honoured.

mod common;

use common::{example, for_ms, one_core, parse, run, scheduler};
use vortex_sim::{Options, Problem, SimError, simulate};

const EXAMPLES: [&str; 5] = ["paper-cpu", "paper-files", "paper-web", "system-call-storm", "bus"];

#[test]
fn the_same_seed_gives_the_same_report_and_trace() {
    for name in EXAMPLES {
        let options = Options { trace: usize::MAX, ..for_ms(20, 5) };
        let text = example(name);
        let (first, second) = (run(&text, &options), run(&text, &options));
        assert_eq!(first, second, "{name}");
        assert!(!first.trace.is_empty());
        let json = serde_json::to_string(&first).unwrap();
        assert!(json.contains("\"worst_interval\""));
    }
}

#[test]
fn another_seed_gives_another_run() {
    for name in ["paper-files", "paper-web"] {
        let options = |seed| Options { trace: 5_000, seed: Some(seed), ..for_ms(20, 5) };
        let (first, second) = (run(&example(name), &options(1)), run(&example(name), &options(2)));
        assert_ne!(first.trace, second.trace, "{name}");
    }
}

/// Law 1 after each step of every core, not only at the end.
#[test]
fn every_cycle_is_accounted_for_at_every_step() {
    for name in EXAMPLES {
        let options = Options { audit_every: 1, ..for_ms(10, 5) };
        let report = run(&example(name), &options);
        assert!(report.audit.checks > 10, "{name}");
    }
}

/// The trace of a core is a chain: no run begins before the one before it has ended.
#[test]
fn runs_follow_one_another() {
    let report = run(&example("paper-web"), &Options { trace: usize::MAX, ..for_ms(20, 20) });
    let mut ended = [0; 4];
    for row in &report.trace {
        let core = row.core.index();
        assert!(row.at.get() >= ended[core], "{row:?}");
        ended[core] = row.at.get() + row.cycles.get();
    }
}

#[test]
fn nothing_that_cannot_be_honoured_is_accepted() {
    let problems = |text: &str| match simulate(&parse(text), &Options::default()) {
        Err(SimError::Build(error)) => error.0.into_iter().map(|(_, problem)| problem).collect(),
        other => panic!("accepted: {other:?}"),
    };
    let work = r#"<resource name="resource.fcr" cost="1 us" memory="4 KiB"/>
      <workload activity="a"><compute> 1 us </compute><call to="resource.fcr"/></workload>"#;
    let sound = one_core("paper", &scheduler("resource.fcr", 10), work);
    run(&sound, &for_ms(1, 1));
    let cases = [
        (r#"frequency="1 GHz""#, r#"frequency="1000000001 Hz""#),
        (r#"name="a" share="50"/>"#, r#"name="a" share="50"><memory hard="1 MiB"/></activity>"#),
        (r#"<workload activity="a">"#, r#"<workload activity="a" threads="300">"#),
        (
            r#"resource="resource.fcr" algorithm"#,
            r#"resource="resource.fcr" metric="field:x" algorithm"#,
        ),
    ];
    for (from, to) in cases {
        assert!(sound.contains(from), "{from}");
        let found: Vec<Problem> = problems(&sound.replace(from, to));
        assert_eq!(found.len(), 1, "{to}: {found:?}");
    }
}

#[test]
fn a_configuration_without_a_simulation_is_idle() {
    let text = std::fs::read_to_string(format!(
        "{}/../config/tests/figure-6.xml",
        env!("CARGO_MANIFEST_DIR")
    ));
    let report = run(&text.unwrap(), &Options::default());
    assert!(report.cores.iter().all(|core| core.elapsed == core.idle));
}
