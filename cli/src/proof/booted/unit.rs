//! The harness without a machine: canned results, Linux as itself.

use super::compare::Sides;
use super::machine::{Came, list};
use super::transcript::Outcome;
use super::*;

fn outcome(output: &str, status: i32) -> Outcome {
    Outcome { output: output.into(), status }
}

fn boots(came: &[(&str, Came)]) -> Boots {
    let came = came.iter().map(|(name, came)| (name.to_string(), came.clone())).collect();
    Boots { count: 1, came, outside: "panic: x\n".into(), ..Boots::default() }
}

fn two() -> [Test; 2] {
    [Test::new("a", &["/bin/a"]), Test::new("b", &["/bin/b", "x"])]
}

fn judged(came: &[(&str, Came)], known: &str) -> (bool, String) {
    let boots = boots(came);
    let sides = Sides { oracle: "Linux", tried: "Vortex" };
    let results = Results::with(sides, &two(), &boots, |_| Ok(outcome("hello\n", 0)));
    match results.judge(&Known::parse("list", known).unwrap(), &boots) {
        Verdict::Good(text) => (true, text),
        Verdict::Bad(text) | Verdict::NotRun(text) | Verdict::SecondTry(_, text) => (false, text),
    }
}

fn good() -> Came {
    Came::Ended(outcome("hello\n", 0))
}

#[test]
fn a_machine_that_ends_badly_after_all_tests_fails_the_part() {
    let mut boots = boots(&[("a", good()), ("b", good())]);
    boots.bad_ends = "after all tests: OBJECTS LEFT\n".into();
    let sides = Sides { oracle: "Linux", tried: "Vortex" };
    let results = Results::with(sides, &two(), &boots, |_| Ok(outcome("hello\n", 0)));
    let verdict = results.judge(&Known::parse("list", "").unwrap(), &boots);
    assert!(matches!(verdict, Verdict::Bad(text) if text.starts_with("after all tests: OBJECTS")));
    assert!(!results.show(&boots).1);
}

#[test]
fn what_fails_once_and_not_again_is_not_good() {
    let bad = Came::Ended(outcome("Hello\n", 1));
    let sides = Sides { oracle: "Linux", tried: "Vortex" };
    let of = |boots: &Boots| Results::with(sides, &two(), boots, |_| Ok(outcome("hello\n", 0)));
    let first = boots(&[("a", good()), ("b", bad)]);
    let mut results = of(&first);
    let known = Known::parse("list", "").unwrap();
    assert_eq!(results.unexpected(&known), ["b"]);
    results.again(of(&boots(&[("a", good()), ("b", good())])));
    let verdict = results.judge(&known, &first);
    assert!(matches!(verdict, Verdict::SecondTry(names, _) if names == ["b"]));
}

#[test]
fn what_does_as_linux_does_is_good() {
    let note = "2 tests as on Linux, 0 known not to be, 1 boot";
    assert_eq!(judged(&[("a", good()), ("b", good())], ""), (true, note.into()));
}

#[test]
fn what_differs_dies_or_does_not_run_is_named() {
    let bad = Came::Ended(outcome("Hello\n", 1));
    let (well, text) = judged(&[("a", bad), ("b", Came::Broke("so far\n".into()))], "");
    assert!(!well);
    let parts = ["a: ends with 1, on Linux with 0", "-hello\n+Hello", "b: the machine broke"];
    for part in parts.into_iter().chain(["so far", "panic: x"]) {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(judged(&[("a", good())], "").1.contains("b: did not run"));
}

#[test]
fn what_is_known_may_fail_and_must() {
    let note = "1 tests as on Linux, 1 known not to be, 1 boot";
    let known = "# reasons\nb  is not there yet\n";
    assert_eq!(judged(&[("a", good())], known), (true, note.into()));
    let (well, text) = judged(&[("a", good()), ("b", good())], known);
    assert!(!well && text.contains("b: works now"), "{text}");
    assert!(judged(&[("a", good()), ("b", good())], "b sometimes: a race").0);
    assert!(judged(&[("a", good()), ("b", good())], "c is gone").1.contains("c: is in"));
    assert!(Known::parse("list", "name-without-reason").is_err());
    assert!(Known::parse("list", "a x\na y").is_err());
}

#[test]
fn what_is_left_out_is_told() {
    let there = Test::new("a", &["/proc/self/exe"]);
    assert_eq!(dynamic::left_out(std::slice::from_ref(&there)), "");
    let lacks = there.clone().with(["/nowhere/b".into()]);
    let tests = [there, lacks, Test::new("c", &["/nowhere/b"]), Test::new("d", &["/nowhere/d"])];
    assert_eq!(
        dynamic::left_out(&tests),
        "; left out, the host has no /nowhere/b: 2 (a, c); \
         left out, the host has no /nowhere/d: 1 (d)"
    );
}

#[test]
fn the_list_is_lines_of_words() {
    assert_eq!(list(&two()), "a\t/bin/a\nb\t/bin/b\tx\n");
    let all = tests::busybox();
    for test in &all {
        assert!(test.words.iter().all(|word| !word.contains(['\t', '\n'])), "{}", test.name);
        assert_eq!(all.iter().filter(|other| other.name == test.name).count(), 1);
    }
}
