//! A fresh folder for a test to be in.

use crate::{file, out, proc};

/// A folder of our own below /tmp, and the current one while this lives.
pub struct Temp {
    path: String,
}

impl Temp {
    /// Makes it, and goes there.
    pub fn new(name: &str) -> Self {
        let path = format!("/tmp/vortex-{name}-{}", proc::pid());
        let _ = std::fs::remove_dir_all(&path);
        if let Err(error) = file::mkdir(&path, 0o755).and_then(|_| file::chdir(&path)) {
            out::fail(&format!("no folder {path}: {error}"));
        }
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Text with where it is replaced by `DIR`.
    pub fn hide(&self, text: &str) -> String {
        text.replace(&self.path, "DIR")
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = file::chdir("/");
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
