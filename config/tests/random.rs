//! Whatever the text, reading ends soon and without a panic, and says either that it is
//! sound or why not.

use proptest::prelude::*;
use std::time::{Duration, Instant};
use vortex_config::{Config, analyse, limits, parse};

const SOUND: [&str; 4] = [
    include_str!("figure-6.xml"),
    include_str!("../../examples/paper-web.xml"),
    include_str!("../../examples/bus.xml"),
    include_str!("../../examples/system-call-storm.xml"),
];

/// The promise of `Config`: what it refers to is there.
fn consistent(config: &Config) {
    assert!(!config.multiplexors.is_empty());
    assert!(!config.activities.is_empty());
    for (index, scheduler) in config.schedulers.iter().enumerate() {
        assert!(!scheduler.cores.is_empty());
        for draw in &scheduler.draws {
            assert!(config.policy(draw.from).is_some());
            if let vortex_config::Source::Scheduler(other) = draw.from {
                assert!(other.index() < index);
            }
        }
    }
    for resource in &config.resources {
        assert!(!resource.cores.is_empty());
        assert!(resource.draws.iter().all(|draw| config.policy(draw.from).is_some()));
        assert!(resource.cores.iter().all(|core| config.multiplexor(*core).is_some()));
    }
    for simulated in config.simulation.iter().flat_map(|simulation| &simulation.resources) {
        assert!(simulated.sends.iter().all(|send| send.to.index() < config.resources.len()));
    }
}

fn check(text: &str) {
    let start = Instant::now();
    match parse(text) {
        Ok(config) => {
            consistent(&config);
            let _ = analyse(&config);
        }
        Err(flaws) => {
            assert!(!flaws.is_empty() && flaws.len() <= limits::FLAWS + 1);
            assert!(flaws.iter().all(|flaw| flaw.line > 0 && flaw.column > 0));
            assert!(flaws.is_sorted_by_key(|flaw| flaw.line));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20), "too slow on {} bytes", text.len());
}

/// Pieces that make text look like a configuration.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "<schedulerconfig>",
        "</schedulerconfig>",
        "<cpumultiplexor tag='m0' core='0'",
        "/>",
        ">",
        "<scheduler tag='s'",
        "</scheduler>",
        "<resourcescheduler resource='resource.tcp'",
        "</resourcescheduler>",
        " algorithm='fifo'",
        " algorithm='propshare.wfq'",
        " share='5'",
        "<cpumultiplexor tag='m0'/>",
        "<scheduler tag='s'/>",
        "<activity name='a'>",
        "</activity>",
        "<simulation duration='1 s'>",
        "</simulation>",
        "<workload activity='a'>",
        "</workload>",
        "<compute>1</compute>",
        "&amp;",
        "&#0;",
        "<![CDATA[x]]>",
        "<!--",
        "-->",
        "<?x?>",
        "=",
        "'",
        "\"",
        "é",
        "\n",
        "<",
        "-1",
        "99999999999999999999",
        "0.00",
    ];
    prop_oneof![
        4 => proptest::sample::select(words.to_vec()).prop_map(String::from),
        1 => ".{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in ".{0,400}") {
        check(&text);
    }

    #[test]
    fn text_like_a_configuration(pieces in proptest::collection::vec(piece(), 0..60)) {
        check(&pieces.concat());
        check(&format!("<schedulerconfig>{}</schedulerconfig>", pieces.concat()));
    }

    #[test]
    fn sound_files_with_a_few_wounds(
        which in 0..SOUND.len(),
        wounds in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..30, piece()), 1..5),
    ) {
        let mut text: Vec<char> = SOUND[which].chars().collect();
        for (at, cut, piece) in wounds {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn sound_files_with_a_word_changed(
        which in 0..SOUND.len(),
        at in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        // Values take each other's places, so that the text stays well-formed.
        let mut parts: Vec<&str> = SOUND[which].split('"').collect();
        let values = parts.len() / 2;
        if values > 0 {
            let (a, b) = (at.index(values) * 2 + 1, other.index(values) * 2 + 1);
            parts.swap(a, b);
        }
        check(&parts.join("\""));
    }
}

/// Hostile files near the limits.
#[test]
fn large_files_take_bounded_time() {
    let mux = "<cpumultiplexor tag='m' core='0' algorithm='propshare.wfq'/>";
    let wrap = |inner: String| format!("<schedulerconfig>{mux}{inner}</schedulerconfig>");
    check(&"<".repeat(limits::FILE));
    check(&"<a>".repeat(limits::FILE / 3));
    check(&format!("<a {}/>", "b='' ".repeat(limits::FILE / 6)));
    check(&"x".repeat(limits::FILE + 1));
    check(&wrap("<x/>".repeat(90_000)));
    check(&wrap("<activity name='a' share='0'/>".repeat(30_000)));
    check(&wrap((0..20_000).map(|n| format!("<activity name='a{n}' share='1'/>")).collect()));
    check(&wrap((0..9_000).map(|n| format!("<activity name='a{n}' share='1'/>")).collect()));
    let draw = "<cpumultiplexor tag='m'/>";
    check(&wrap(format!("<resourcescheduler>{}</resourcescheduler>", draw.repeat(40_000))));
    let ring = |n: usize| {
        format!("<scheduler tag='s{n}' algorithm='fifo'><scheduler tag='s{}'/></scheduler>", n + 1)
    };
    check(&wrap((0..255).rev().map(ring).collect()));
    check(&wrap((0..9_000).map(ring).collect()));
    check(&wrap("<param name='".repeat(50_000)));
}
