//! Callgrind's output: instructions by source file and function.
//!
//! Inlined code is listed under the file that it was written in (`fi=`, `fe=`), which is
//! what tells the parts of a loop apart that the compiler has made one function of.

use std::collections::HashMap;

/// Where instructions were executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The source file of the line.
    pub file: String,
    /// The function into which the line was compiled.
    pub function: String,
}

/// Sums what was executed at each site, not counting what was called from there.
pub fn read(text: &str) -> HashMap<Site, u64> {
    let mut names: HashMap<(bool, &str), &str> = HashMap::new();
    let (mut file, mut function) = ("", "");
    let mut costs: HashMap<(&str, &str), u64> = HashMap::new();
    let mut skip = false;
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=')
            && !key.contains(' ')
        {
            match key {
                "fl" | "fi" | "fe" => file = resolve(&mut names, true, value),
                "fn" => function = resolve(&mut names, false, value),
                "cfi" | "cfl" => drop(resolve(&mut names, true, value)),
                "cfn" => drop(resolve(&mut names, false, value)),
                // The next line is the cost of the call: it is counted where it was made.
                "calls" => skip = true,
                _ => {}
            }
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let called = std::mem::take(&mut skip);
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if let Some(cost) = cost.filter(|_| !called) {
                *costs.entry((file, function)).or_default() += cost;
            }
        }
    }
    let site = |(file, function): (&str, &str)| Site {
        file: file.to_string(),
        function: function.to_string(),
    };
    costs.into_iter().map(|(key, cost)| (site(key), cost)).collect()
}

/// A name is written once, as `(7) name`, and then as `(7)`.
fn resolve<'a>(
    names: &mut HashMap<(bool, &'a str), &'a str>,
    file: bool,
    value: &'a str,
) -> &'a str {
    match value.split_once(' ') {
        Some((number, name)) => {
            names.insert((file, number), name);
            name
        }
        None => names.get(&(file, value)).copied().unwrap_or(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_not_counted_and_inlined_code_is_told_apart() {
        let text = "events: Ir\nfl=(1) a.rs\nfn=(1) outer\n3 10\nfi=(2) b.rs\n+4 5\nfe=(1)\n\
                    cfn=(2) inner\ncalls=1 9\n* 100\n* 1\n\nfl=(2)\nfn=(2)\n9 100\n";
        let costs = read(text);
        let at = |file: &str, function: &str| {
            costs.get(&Site { file: file.into(), function: function.into() }).copied()
        };
        assert_eq!(at("a.rs", "outer"), Some(11));
        assert_eq!(at("b.rs", "outer"), Some(5));
        assert_eq!(at("b.rs", "inner"), Some(100));
    }
}
