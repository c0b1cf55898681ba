//! Links from one text of the repository to another, or to a file: what each names is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Where texts are, beside the repository's own folder.
const FOLDERS: [&str; 2] = ["docs", "experiments"];

/// Looks at all of them: how many links there are.
///
/// # Errors
/// The first text with one that leads nowhere.
pub fn all(root: &Path) -> Result<usize, String> {
    let mut count = 0;
    for text in texts(root) {
        let read = fs::read_to_string(&text);
        let read = read.map_err(|error| format!("{}: {error}", text.display()))?;
        let folder = text.parent().unwrap_or(root);
        for link in links(&read) {
            count += 1;
            if !folder.join(link).exists() {
                let name = text.strip_prefix(root).unwrap_or(&text);
                return Err(format!("{} has a link to {link}, which is not there", name.display()));
            }
        }
    }
    Ok(count)
}

/// The texts.
fn texts(root: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries.map(|entry| entry.path()).collect();
        all.sort();
        all
    };
    let mut found = list(root);
    found.retain(|path| path.is_file());
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for path in list(&folder) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    found
}

/// What a text's links name, where that is within the repository: without places in texts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let (link, _) = rest.split_once(')')?;
        let link = link.split('#').next().unwrap_or(link);
        (!link.is_empty() && !link.contains("://") && !link.contains(' ')).then_some(link)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("docs")).unwrap();
        let there = "[a](b.md#x) and [b](https://nobody.example/c.md), [c](#d)\n";
        fs::write(root.join("docs/a.md"), there).unwrap();
        assert!(all(root).unwrap_err().contains("docs/a.md has a link to b.md"));
        fs::write(root.join("docs/b.md"), "[a](../README.md)").unwrap();
        assert!(all(root).is_err());
        fs::write(root.join("README.md"), "").unwrap();
        assert_eq!(all(root), Ok(2));
    }
}
