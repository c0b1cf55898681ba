//! The programs' few arguments.

use crate::out;

/// The arguments not yet taken.
pub struct Args {
    rest: Vec<String>,
    usage: &'static str,
}

impl Args {
    /// Those of this process. `--help` prints the usage.
    pub fn new(usage: &'static str) -> Self {
        let rest: Vec<_> = std::env::args().skip(1).collect();
        if rest.iter().any(|argument| argument == "--help") {
            out::put(1, &format!("{usage}\n"));
            crate::proc::exit(0);
        }
        Self { rest, usage }
    }

    /// Whether a flag was given.
    pub fn flag(&mut self, name: &str) -> bool {
        let place = self.rest.iter().position(|argument| argument == name);
        place.map(|place| self.rest.remove(place)).is_some()
    }

    /// The number after a flag.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        let place = self.rest.iter().position(|argument| argument == name)?;
        self.rest.remove(place);
        if place == self.rest.len() {
            self.wrong(&format!("{name} wants a number"));
        }
        let value = self.rest.remove(place);
        match value.parse() {
            Ok(value) => Some(value),
            Err(_) => self.wrong(&format!("{name} wants a number, not '{value}'")),
        }
    }

    /// The word after a flag.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let place = self.rest.iter().position(|argument| argument == name)?;
        self.rest.remove(place);
        if place == self.rest.len() {
            self.wrong(&format!("{name} wants a word"));
        }
        Some(self.rest.remove(place))
    }

    /// The next word that is no flag.
    pub fn word(&mut self) -> Option<String> {
        let place = self.rest.iter().position(|argument| !argument.starts_with("--"))?;
        Some(self.rest.remove(place))
    }

    /// Everything must have been taken.
    pub fn end(self) {
        if let Some(first) = self.rest.first() {
            self.wrong(&format!("'{first}' is not known"));
        }
    }

    /// Says what is wrong and how it is right.
    pub fn wrong(&self, why: &str) -> ! {
        out::put(2, &format!("{why}\n{}\n", self.usage));
        crate::proc::exit(2)
    }
}
