//! The paper's experiments (§4.2, §4.3, §4.4) and the bus of §3.1, simulated.

mod common;

use common::{assert_paper_shares, example, for_ms, run};

#[test]
fn cpu_bound_threads_have_their_shares_in_every_second() {
    let report = run(&example("paper-cpu"), &for_ms(20_000, 1_000));
    assert_paper_shares(&report, 0.05);
    assert_eq!(report.samples.len(), 19 * 4);
    for row in &report.shares {
        assert!(row.worst_interval.0.abs() <= 0.5, "{row:?}");
    }
    for core in &report.cores {
        assert_eq!(core.idle.get(), 0);
    }
}

#[test]
fn file_reads_have_their_shares_on_every_core() {
    let report = run(&example("paper-files"), &for_ms(150, 50));
    assert_paper_shares(&report, 0.5);
    for row in &report.shares {
        assert!(row.deviation.0.abs() <= 0.5, "{row:?}");
    }
    for resource in ["resource.aior", "resource.fcr", "resource.asr"] {
        let served: Vec<f64> = ["a", "b", "c"]
            .map(|activity| report.usage(activity, resource).unwrap().requests.get() as f64)
            .into();
        let all: f64 = served.iter().sum();
        for (served, share) in served.iter().zip([50.0, 33.0, 17.0]) {
            assert!((100.0 * served / all - share).abs() <= 1.0, "{resource}: {served} of {all}");
        }
    }
    let cached = report.usage("a", "resource.fcr").unwrap();
    assert!(cached.memory.get() >= 8, "a read holds 32 KiB while it lasts");
    assert!(report.refusals.is_empty());
}

#[test]
fn packets_are_billed_to_whom_they_turn_out_to_be_for() {
    let report = run(&example("paper-web"), &for_ms(125, 25));
    for resource in ["resource.dir", "resource.ndrr"] {
        let row = report.usage("infrastructure", resource).unwrap();
        let all: u64 = ["infrastructure", "a", "b", "c"]
            .map(|activity| report.usage(activity, resource).unwrap().cycles.get())
            .iter()
            .sum();
        assert!(row.cycles.get() * 1_000 <= all, "{resource} keeps {row:?} of {all}");
    }
    // The device is the bottleneck, scheduled by bytes.
    let bytes = ["a", "b", "c"]
        .map(|activity| report.usage(activity, "resource.dwr").unwrap().bytes.get() as f64);
    let all: f64 = bytes.iter().sum();
    for (bytes, share) in bytes.iter().zip([50.0, 33.0, 17.0]) {
        assert!((100.0 * bytes / all - share).abs() <= 1.0, "{bytes} of {all}");
    }
    let rate = all * 8.0;
    assert!((rate - 125e6).abs() < 5e6, "the device moved {rate} bytes a second");
    // More comes than can be answered: the rest is refused where its causer is found.
    assert!(report.refusals.iter().all(|refusal| refusal.reason == "too many requests"));
    assert!(!report.refusals.is_empty());
}

/// Two resources beneath a bus that counts bytes, both with more to do than there is.
#[test]
fn a_bus_holds_the_shares_of_its_resources() {
    let text = example("bus").replace(r#"<device rate="200 MB" room="1 MiB"/>"#, "");
    let text = text.replace(r#"bytes="1500""#, r#"bytes="32 KiB""#);
    let text = text.replace("<compute> 2 us </compute> <call", "<compute> 1 us </compute> <call");
    let text = text.replace(r#"threads="4""#, r#"threads="60""#);
    let text = text.replace(r#"share="60""#, r#"share="6000""#);
    let text = text.replace(r#"cost="1 us""#, r#"cost="3 us""#);
    let report = run(&text, &for_ms(200, 50));
    let bytes = |activity, resource| report.usage(activity, resource).unwrap().bytes.get() as f64;
    let ratio = bytes("reader", "resource.drwr") / bytes("sender", "resource.dwr");
    assert!((ratio - 2.0).abs() < 0.02, "2 : 1 by bytes, not {ratio}");
}
