//! The list of tests: one a line, its name, then the words of its command, apart by tabs.

/// The tests; lines without a command are left out.
pub fn read(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('\t');
        let name = words.next()?;
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then_some((name, words))
    })
}
