//! The secret by which a machine's monitor knows who may give it orders: whoever may read the
//! file beside the machine's lock, which is who hosts it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Bytes of chance in it.
const LENGTH: usize = 32;
const RANDOM: &str = "/dev/urandom";

/// It, made anew for each start of a machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// Those of the system's random source.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; LENGTH];
        File::open(RANDOM)?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As it is said.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Writes it to a new file that only its owner may read.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(self.0.as_bytes())
    }

    /// Reads it.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        std::fs::read_to_string(path).map(Self)
    }
}

/// What is printed of it while something is looked into is not it.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_is_another_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = Secret::new().unwrap();
        assert_ne!(secret, Secret::new().unwrap());
        assert_eq!(secret.text().len(), 2 * LENGTH);
        secret.write(&path).unwrap();
        assert_eq!(Secret::read(&path).unwrap(), secret);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(secret.write(&path).is_err(), "what is there is not written to");
        assert!(!format!("{secret:?}").contains(secret.text()));
    }
}
