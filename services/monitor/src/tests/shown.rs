//! The forms in which a sample is shown.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::sample;
use crate::metrics::{Form, text};
use crate::upward::Upward;
use crate::{json, text as words};

fn plain() -> String {
    text(&sample(), Form::Plain, &mut Upward::default())
}

#[test]
fn metrics_have_units_labels_and_endings() {
    let text = plain();
    for line in [
        "vortex_clock_hertz 1000000000",
        "vortex_core_elapsed_seconds_total{core=\"0\"} 10.000000007",
        "vortex_core_residue_seconds{core=\"0\"} 0",
        "vortex_core_residue_seconds{core=\"1\"} 0.000000001",
        "vortex_activity_cpu_usage_seconds_total{activity=\"a \\\"b\\\"\\\\\",core=\"0\"} 7",
        "vortex_activity_memory_usage_bytes{activity=\"web\"} 12288",
        "vortex_multiplexor_cpu_seconds_total{resource=\"resource.tcp\",core=\"0\"} 0.000000030",
        "vortex_resource_cpu_usage_seconds_total{activity=\"web\",resource=\"resource.tcp\",core=\"0\"} 1.500000000",
        "vortex_resource_transferred_bytes_total{activity=\"web\",resource=\"resource.tcp\",core=\"0\"} 4096",
        "vortex_resource_queued_requests{activity=\"web\",resource=\"resource.tcp\",core=\"0\"} 3",
        "vortex_activity_blamed_wait_seconds_total{activity=\"web\",causer=\"others\",core=\"0\"} 0.000003000",
        "vortex_resource_cpu_usage_seconds_total{activity=\"web\",resource=\"resource.thread\",core=\"0\"} 0.000000005",
        "# TYPE vortex_core_idle_seconds_total counter",
        "vortex_activity_entitled_shares{activity=\"web\",resource=\"resource.thread\"} 0.25",
        "vortex_activity_entitled_shares{activity=\"web\",resource=\"resource.thread\",core=\"1\"} 7.00",
        "vortex_activity_entitled_priority{activity=\"web\",resource=\"resource.thread\"} 3",
        "vortex_activity_reserved_per_second{activity=\"web\",resource=\"resource.thread\",unit=\"seconds\",core=\"1\"} 0.300000000",
        "vortex_activity_limited_per_second{activity=\"web\",resource=\"resource.dwr\",unit=\"bytes\"} 4000000",
        "vortex_activity_served_within_seconds{activity=\"web\",resource=\"resource.thread\",core=\"1\"} 0.020000000",
        "vortex_scheduler_policy{scheduler=\"resource.thread\",policy=\"deadline.cbs\",metric=\"cycles\",core=\"0\"} 1",
        "vortex_scheduler_shares{scheduler=\"resource.dwr\"} 30.50",
        "vortex_scheduler_limited_per_second{scheduler=\"bus\",unit=\"requests\"} 9",
    ] {
        assert!(text.lines().any(|of| of == line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("resource_memory_usage_bytes{"), "nothing is told of nothing");
}

#[test]
fn open_metrics_name_families_without_the_ending() {
    let text = text(&sample(), Form::Open, &mut Upward::default());
    assert!(text.contains(
        "# TYPE vortex_core_idle_seconds counter\n# UNIT vortex_core_idle_seconds seconds\n"
    ));
    assert!(text.contains("\nvortex_core_idle_seconds_total{core=\"0\"} 1\n"));
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[test]
fn every_line_belongs_to_the_family_before_it() {
    for form in [Form::Plain, Form::Open] {
        let text = text(&sample(), form, &mut Upward::default());
        let (mut family, mut seen) = (String::new(), Vec::new());
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().trim_end_matches("_total").into();
                assert!(!seen.contains(&family), "{family} twice");
                seen.push(family.clone());
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name.trim_end_matches("_total"), family);
            }
        }
        assert!(seen.len() > 15);
    }
}

#[test]
fn a_counter_never_goes_back_and_who_is_gone_is_forgotten() {
    let mut upward = Upward::default();
    let of = (0, 0, 0, 0, 7);
    let mut next = |figure: Option<u64>| {
        upward.next_sample();
        figure.map(|figure| upward.value(of, figure))
    };
    let seen: Vec<_> = [Some(5), Some(3), Some(9), None, Some(1)].map(&mut next).into();
    assert_eq!(seen, [Some(5), Some(5), Some(9), None, Some(1)]);
}

#[test]
fn seconds_are_exact() {
    assert_eq!(words::seconds(2_600_000_013, 2600), "1.000000005");
    assert_eq!(words::seconds(u64::MAX, 1000), "18446744073.709551615");
    assert_eq!(words::signed_seconds(-1, 1000), "-0.000000001");
    assert_eq!(words::quoted("a\"\n\\é"), "\"a\\\"\\u000a\\\\é\"");
}

#[test]
fn json_has_everything_and_the_residue() {
    let text = json::text(&sample());
    for part in [
        "{\"form\":3,\"whole\":true,\"stamp\":10000000007,\"megahertz\":1000,",
        "\"residue\":0,",
        "\"residue\":1,",
        "\"entitled\":[{\"activity\":2,\"resource\":\"resource.thread\",\"share\":0.25,\"priority\":3},",
        "{\"activity\":2,\"resource\":\"resource.thread\",\"core\":1,\"share\":7.00,\"priority\":3}],",
        "\"reserved\":[{\"activity\":2,\"resource\":\"resource.thread\",\"core\":1,\"reservation\":300000,\"period\":20000},",
        "{\"activity\":2,\"resource\":\"resource.dwr\",\"limit\":4000000}],",
        "{\"scheduler\":\"resource.dwr\",\"policy\":\"reserve.mclock\",\"metric\":\"bytes\",\"share\":30.50,\"priority\":0}",
        "{\"kind\":\"holder\",\"instance\":4,\"resource\":\"resource.tcp\",\"activity\":2,\"cycles\":1500000000,\"bytes\":4096,",
        "\"blame\":[{\"victim\":2,\"causer\":1,\"cycles\":2000},",
        "{\"activity\":1,\"name\":\"a \\\"b\\\"\\\\\"}",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    assert_eq!((depth, quoted), (0, false));
}

/// Prometheus' own tool has nothing to say against the metrics.
#[test]
fn promtool_is_content() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("not tried: no promtool (Debian's package prometheus)");
        return;
    };
    child.stdin.take().unwrap().write_all(plain().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
