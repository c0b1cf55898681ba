//! Files of the host's that a configuration's services find in the machine
//! (`<files from= at=/>`): a file, a directory, or what is in a tar archive.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Failure;
use crate::machine::image::{self, GuestPath, Tree};
use crate::volume;

/// How names of tar archives end.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".txz"];

/// Where names begin, and where archives are unpacked: gone when this is dropped.
#[derive(Debug)]
pub struct Served {
    base: PathBuf,
    unpacked: Vec<TempDir>,
}

impl Served {
    /// Names are seen from the folder of this configuration, or from here without one.
    pub fn beside(config: Option<&Path>) -> Self {
        let base = config.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        Self { base, unpacked: Vec::new() }
    }

    /// Puts what is at `from` to `to`.
    ///
    /// # Errors
    /// Those of reading, of the archive and of the tree.
    pub fn take(&mut self, tree: &mut Tree, from: &str, to: &GuestPath) -> Result<(), Failure> {
        let path = self.base.join(from);
        if !path.is_file() || !ARCHIVES.iter().any(|ending| from.ends_with(ending)) {
            return Ok(image::take(tree, &path, to)?);
        }
        let folder = tempfile::tempdir().map_err(|e| Failure::Unwritable(path.clone(), e))?;
        let entries = volume::archive(&path, folder.path())?;
        self.unpacked.push(folder);
        Ok(volume::plant(&entries, tree, to, &path)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::machine::image::Node;

    #[test]
    fn a_directory_a_file_and_an_archive_are_served() {
        let host = tempfile::tempdir().unwrap();
        let at = |name: &str| host.path().join(name);
        fs::create_dir(at("site")).unwrap();
        fs::write(at("site/index.html"), "hello").unwrap();
        let mut archive = tar::Builder::new(fs::File::create(at("site.tar")).unwrap());
        archive.append_dir_all("./pages", at("site")).unwrap();
        archive.finish().unwrap();
        let mut served = Served::beside(Some(&at("services.xml")));
        let mut tree = Tree::new();
        let guest = |path: &str| GuestPath::new(path).unwrap();
        served.take(&mut tree, "site", &guest("/srv/a")).unwrap();
        served.take(&mut tree, "site.tar", &guest("/srv/b")).unwrap();
        served.take(&mut tree, "site/index.html", &guest("/srv/c")).unwrap();
        for path in ["/srv/a/index.html", "/srv/b/pages/index.html", "/srv/c"] {
            let Some((_, Node::File(image::Content::Host(from), _))) = tree.find(&guest(path))
            else {
                panic!("{path} is no file");
            };
            assert_eq!(fs::read_to_string(from).unwrap(), "hello");
        }
        assert!(served.take(&mut tree, "none", &guest("/x")).is_err());
        fs::write(at("bad.tar"), "no archive").unwrap();
        assert!(served.take(&mut tree, "bad.tar", &guest("/x")).is_err());
    }
}
