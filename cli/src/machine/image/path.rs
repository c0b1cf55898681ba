//! A path inside the machine.

use std::fmt;

/// Absolute, without `.`, `..`, empty or trailing parts; the root itself is `/`.
///
/// # Invariants
/// Begins with `/` and has no NUL, so that it can stand in an archive and go nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(String);

impl GuestPath {
    /// The root.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// This path, if it is absolute and does not climb.
    pub fn new(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let parts: Vec<&str> =
            rest.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if text.contains('\0') || parts.contains(&"..") {
            return None;
        }
        Some(Self(format!("/{}", parts.join("/"))))
    }

    /// What a link here that says `target` means. Climbing ends at the root.
    pub fn follow(&self, target: &str) -> Self {
        let mut parts: Vec<&str> = match target.starts_with('/') {
            true => Vec::new(),
            false => self.parts().collect(),
        };
        if !target.starts_with('/') {
            parts.pop();
        }
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        Self(format!("/{}", parts.join("/")))
    }

    /// Below this.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self.0.as_str() {
            "/" => Self(format!("/{name}")),
            path => Self(format!("{path}/{name}")),
        }
    }

    /// The directory that it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/')? {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            (parent, _) => Some(Self(parent.into())),
        }
    }

    /// Its names, from the root.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Its last name; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// As text, with the slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        GuestPath::new(text).unwrap()
    }

    #[test]
    fn paths_are_absolute_and_do_not_climb() {
        assert_eq!(path("//bin/./sh/").as_str(), "/bin/sh");
        assert_eq!(path("/").as_str(), "/");
        for wrong in ["bin/sh", "", "/a/../b", "/a\0b"] {
            assert_eq!(GuestPath::new(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn links_are_followed_from_where_they_are() {
        assert_eq!(path("/bin/sh").follow("busybox").as_str(), "/bin/busybox");
        assert_eq!(path("/usr/bin/sh").follow("../lib/x").as_str(), "/usr/lib/x");
        assert_eq!(path("/bin").follow("/usr/bin").as_str(), "/usr/bin");
        assert_eq!(path("/bin").follow("../../..").as_str(), "/");
    }

    #[test]
    fn a_path_has_a_parent_and_a_name() {
        let parent = |text| path(text).parent().map(|parent| parent.0);
        assert_eq!(parent("/a/b"), Some("/a".into()));
        assert_eq!(parent("/a"), Some("/".into()));
        assert_eq!(parent("/"), None);
        assert_eq!((path("/a/b").name(), path("/").name()), ("b", ""));
        assert_eq!(GuestPath::root().join("a").join("b").as_str(), "/a/b");
    }
}
