//! All that is on an image, read on the host: by `ext4-view`, and by `debugfs` what is in files
//! (`ext4-view` does not read an ext2 file with a hole as large as what a block of blocks names)
//! and which names are of one file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use ext4_view::{Ext4, FileType};

use crate::volume::tools;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Kind and permission bits.
    mode: u16,
    owner: (u32, u32),
    /// When it was changed, in seconds since 1970.
    time: i64,
    /// Of a file, what is in it; of a symbolic link, where it leads.
    content: Vec<u8>,
    /// The first name of the same file.
    first: String,
}

/// All of it, by its names.
pub type Names = BTreeMap<String, Found>;

/// Made by e2fsprogs, not by whom we look at.
const NOT: &str = "/lost+found";

/// Reads an image.
///
/// # Errors
/// In words.
pub fn read(image: &Path) -> Result<Names, String> {
    let fs = Ext4::load_from_path(image).map_err(|error| error.to_string())?;
    let (mut names, mut left) = (Names::new(), vec![String::from("/")]);
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    while let Some(path) = left.pop() {
        let wrong = |error: ext4_view::Ext4Error| format!("{path}: {error}");
        let about = fs.symlink_metadata(path.as_str()).map_err(wrong)?;
        let content = match about.file_type() {
            FileType::Regular => {
                files.push(path.clone());
                Vec::new()
            }
            FileType::Symlink => {
                let target = fs.read_link(path.as_str()).map_err(wrong)?;
                AsRef::<[u8]>::as_ref(&target).to_vec()
            }
            FileType::Directory => {
                folders.push(path.clone());
                for entry in fs.read_dir(path.as_str()).map_err(wrong)? {
                    let entry = entry.map_err(wrong)?;
                    let name = entry.file_name();
                    let name = name.as_str().map_err(|error| format!("{path}: {error}"))?;
                    let below = join(&path, name);
                    if !matches!(name, "." | "..") && below != NOT {
                        left.push(below);
                    }
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        let (owner, time) = ((about.uid(), about.gid()), about.modified().seconds());
        let found = Found { mode: about.mode(), owner, time, content, first: path.clone() };
        names.insert(path, found);
    }
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut lines = String::new();
    for (number, path) in files.iter().enumerate() {
        lines += &format!("dump \"{path}\" \"{}/{number}\"\n", place.path().display());
    }
    lines.extend(folders.iter().map(|folder| format!("ls -p \"{folder}\"\n")));
    let inodes = inodes(&debugfs(image, &lines)?);
    for (number, path) in files.iter().enumerate() {
        let content = std::fs::read(place.path().join(number.to_string()));
        let content = content.map_err(|error| format!("{path}: {error}"))?;
        names.get_mut(path).into_iter().for_each(|found| found.content = content.clone());
    }
    let mut firsts: BTreeMap<u64, String> = BTreeMap::new();
    for (path, found) in &mut names {
        let inode = *inodes.get(path).ok_or_else(|| format!("{path}: debugfs has no inode"))?;
        found.first = firsts.entry(inode).or_insert_with(|| path.clone()).clone();
    }
    Ok(names)
}

fn join(folder: &str, name: &str) -> String {
    if folder == "/" { format!("/{name}") } else { format!("{folder}/{name}") }
}

/// What `debugfs` says to these lines.
fn debugfs(image: &Path, lines: &str) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    file.write_all(lines.as_bytes()).map_err(|error| error.to_string())?;
    let mut command = tools::command("debugfs").map_err(|error| error.to_string())?;
    command.arg("-f").arg(file.path()).arg(image);
    let output = tools::output("debugfs", &mut command).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The inodes' numbers by their names, from what `debugfs` lists: `/14/120777/0/0/NAME/10/`.
fn inodes(said: &str) -> BTreeMap<String, u64> {
    let (mut numbers, mut at) = (BTreeMap::from([("/".into(), 2)]), String::new());
    for line in said.lines() {
        if let Some(folder) = line.strip_prefix("debugfs: ls -p ") {
            at = folder.trim_matches('"').into();
        }
        let mut words = line.split('/').skip(1);
        let number = words.next().and_then(|word| word.parse().ok());
        if let (Some(number), Some(name)) = (number, words.nth(3)) {
            numbers.insert(join(&at, name), number);
        }
    }
    numbers
}

/// The first difference, in words; nothing where there is none.
pub fn difference(one: &Names, other: &Names) -> Option<String> {
    let all = one.keys().chain(other.keys());
    all.filter_map(|path| match (one.get(path), other.get(path)) {
        (Some(one), Some(other)) if one == other => None,
        (Some(_), None) => Some(format!("{path} is only on the first")),
        (None, _) => Some(format!("{path} is only on the second")),
        (Some(one), Some(other)) if one.content != other.content => {
            Some(format!("{path} has {} and {} bytes", one.content.len(), other.content.len()))
        }
        (Some(one), Some(other)) => {
            let told = |found: &Found| {
                format!("{:o} {:?} {} {}", found.mode, found.owner, found.time, found.first)
            };
            Some(format!("{path}: {} and {}", told(one), told(other)))
        }
    })
    .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{self, Wanted};

    #[test]
    fn what_differs_is_found() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        std::fs::create_dir_all(from.join("sub")).unwrap();
        std::fs::write(from.join("sub/a"), "content").unwrap();
        std::fs::hard_link(from.join("sub/a"), from.join("b")).unwrap();
        std::fs::write(from.join("c"), "content").unwrap();
        let image = place.path().join("i");
        let made = || {
            let wanted =
                Wanted { size: None, block: 1024, inodes: None, label: "".into(), force: true };
            volume::make(&volume::folder(&from).unwrap(), &image, &wanted).unwrap();
            read(&image).unwrap()
        };
        let first = made();
        assert_eq!(first.keys().collect::<Vec<_>>(), ["/", "/b", "/c", "/sub", "/sub/a"]);
        assert_eq!(first["/sub/a"].first, "/b");
        assert_eq!(difference(&first, &made()), None);
        // Another file with the same content is another.
        std::fs::remove_file(from.join("b")).unwrap();
        std::fs::copy(from.join("c"), from.join("b")).unwrap();
        assert!(difference(&first, &made()).is_some());
        std::fs::write(from.join("c"), "Content").unwrap();
        let second = made();
        std::fs::write(from.join("c"), "content").unwrap();
        assert!(difference(&second, &made()).unwrap().starts_with("/c "));
    }
}
