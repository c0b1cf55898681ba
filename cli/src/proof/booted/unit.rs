//! The harness without a machine: canned transcripts, Linux as itself.

use super::transcript::Transcript;
use super::*;

fn boot(text: &str, stopped: Option<&str>) -> Boot {
    let mut transcript = Transcript::default();
    transcript.take(text.as_bytes());
    Boot { transcript, stopped: stopped.map(String::from) }
}

fn said(verdict: Verdict) -> (bool, String) {
    match verdict {
        Verdict::Good(text) => (true, text),
        Verdict::Bad(text) | Verdict::NotRun(text) => (false, text),
    }
}

fn two() -> [Test; 2] {
    [Test::new("a", &["/bin/a"]), Test::new("b", &["/bin/b", "x"])]
}

fn linux(_: &Test) -> Result<Outcome, String> {
    Ok(Outcome { output: "hello\n".into(), status: 0 })
}

#[test]
fn what_does_as_linux_does_is_good() {
    let text = "TEST a BEGIN\nhello\nTEST a EXIT 0\nTEST b BEGIN\nhello\nTEST b EXIT 0\n";
    assert_eq!(said(judge(&two(), &boot(text, None), linux)), (true, "2 tests in one boot".into()));
}

#[test]
fn what_differs_dies_or_does_not_run_is_named() {
    let text = "TEST a BEGIN\nHello\nTEST a EXIT 1\nTEST b BEGIN\npanic: x\n";
    let (good, text) = said(judge(&two(), &boot(text, Some("stopped after 20.0 s")), linux));
    assert!(!good);
    for part in [
        "a: ends with 1, on Linux with 0",
        "-hello\n+Hello",
        "b: did not end",
        "panic: x",
        "20.0 s",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let (_, text) = said(judge(&two(), &boot("panic: at once\n", None), linux));
    assert!(text.contains("a: did not run\nb: did not run\n"), "{text}");
    assert!(text.ends_with("said:\npanic: at once\n"), "{text}");
}

#[test]
fn the_list_is_lines_of_words() {
    assert_eq!(list(&two()), "a\t/bin/a\nb\t/bin/b\tx\n");
    let all = tests();
    for test in &all {
        assert!(!list(std::slice::from_ref(test)).trim_end().contains('\n'), "{}", test.name);
        assert_eq!(all.iter().filter(|other| other.name == test.name).count(), 1);
    }
}
