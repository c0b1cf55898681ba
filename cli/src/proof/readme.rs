//! The outputs shown in README.md: each follows a comment `<!-- output: ARGUMENTS -->` and
//! must be what `./vortex ARGUMENTS` prints. And the links of all texts lead somewhere.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Extent, Verdict, links};

/// A command of the README and the output that it shows.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    arguments: String,
    output: String,
}

/// Compares them all.
pub fn run(root: &Path, _: Extent) -> Verdict {
    let text = match std::fs::read_to_string(root.join("README.md")) {
        Ok(text) => text,
        Err(error) => return Verdict::Bad(format!("cannot read README.md: {error}")),
    };
    let shown = outputs(&text);
    for Shown { arguments, output } in &shown {
        let real = match real_output(root, arguments) {
            Ok(real) => real,
            Err(error) => return Verdict::Bad(format!("./vortex {arguments}: {error}")),
        };
        if real.trim_end() != output.trim_end() {
            return Verdict::Bad(format!(
                "README.md shows another output of './vortex {arguments}' than it has. If the new \
                 one is right, put it there:\n{real}"
            ));
        }
    }
    if shown.is_empty() {
        return Verdict::Bad("README.md shows no output: no '<!-- output: … -->' in it".into());
    }
    match links::all(root) {
        Ok(links) => Verdict::Good(format!("{} outputs, {links} links", shown.len())),
        Err(why) => Verdict::Bad(why),
    }
}

fn outputs(text: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let comment = line.trim().strip_prefix("<!-- output:");
        let Some(arguments) = comment.and_then(|rest| rest.strip_suffix("-->")) else { continue };
        let mut block = lines.by_ref().skip_while(|line| !line.starts_with("```")).skip(1);
        let mut output = String::new();
        for line in block.by_ref().take_while(|line| !line.starts_with("```")) {
            output.push_str(line);
            output.push('\n');
        }
        found.push(Shown { arguments: arguments.trim().to_string(), output });
    }
    found
}

fn real_output(root: &Path, arguments: &str) -> std::io::Result<String> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments.split_whitespace())
        .current_dir(root)
        .stdin(Stdio::null())
        .output()?;
    Ok([String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_with_its_command() {
        let text = "x\n<!-- output: check a.xml -->\n```text\nline\n```\ny\n";
        let shown = Shown { arguments: "check a.xml".into(), output: "line\n".into() };
        assert_eq!(outputs(text), [shown]);
    }
}
