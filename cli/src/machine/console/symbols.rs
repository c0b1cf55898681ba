//! What the kernel's addresses mean, read from its ELF file.

use std::path::{Path, PathBuf};

use addr2line::Loader;

use super::backtrace::Names;
use crate::machine::error::MachineError;

/// Functions and lines of one program.
pub struct Symbols {
    loader: Loader,
    /// Cut from the paths of source files.
    root: PathBuf,
}

impl Symbols {
    /// Reads them; source files below `root` are named from there.
    ///
    /// # Errors
    /// [`MachineError::Symbols`].
    pub fn read(program: &Path, root: &Path) -> Result<Self, MachineError> {
        let loader = Loader::new(program)
            .map_err(|error| MachineError::Symbols(program.to_path_buf(), error.to_string()))?;
        Ok(Self { loader, root: root.to_path_buf() })
    }

    /// Function and line, and into what they were inlined.
    fn lines(&self, address: u64) -> Option<String> {
        let mut frames = self.loader.find_frames(address).ok()?;
        let mut parts = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|function| function.demangle().ok());
            let name = name.map(|name| short(&name)).or_else(|| self.symbol(address));
            let place = frame.location.and_then(|at| Some((at.file?, at.line.unwrap_or(0))));
            let place = place.map(|(file, line)| format!("{}:{line}", self.file(file)));
            parts.extend(match (name, place) {
                (Some(name), Some(place)) => Some(format!("{name} ({place})")),
                (name, place) => name.or(place),
            });
        }
        if parts.is_empty() { self.symbol(address) } else { Some(parts.join(" in ")) }
    }

    fn symbol(&self, address: u64) -> Option<String> {
        let name = self.loader.find_symbol(address)?;
        Some(short(&addr2line::demangle_auto(name.into(), None)))
    }

    fn file<'a>(&self, file: &'a str) -> std::borrow::Cow<'a, str> {
        let path = Path::new(file);
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy()
    }
}

impl Names for Symbols {
    fn name(&self, address: u64, first: bool) -> Option<String> {
        // An address that follows a call may be the first of another function or line: the
        // call is one byte before. The first of all is that of the instruction at fault; it
        // is told from a call's only where it begins a function.
        let begins = |address| {
            let symbol = self.loader.find_symbol_info(address);
            symbol.is_some_and(|symbol| symbol.address() == address)
        };
        let exact = first && begins(address);
        self.lines(if exact { address } else { address.checked_sub(1)? })
    }
}

/// A function's name without the hash that makes it unique.
fn short(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((short, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            short.into()
        }
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const SOURCE: &str = "void second(void) { __builtin_trap(); }\n\
                          void first(void) {\n  second();\n}\n\
                          void _start(void) {\n  first();\n}\n";

    /// A program whose addresses are known, made by the C compiler that Rust links with.
    fn program(folder: &Path) -> Option<PathBuf> {
        let (source, program) = (folder.join("a.c"), folder.join("a"));
        std::fs::write(&source, SOURCE).unwrap();
        let made = Command::new("cc")
            .args(["-g", "-O0", "-nostdlib", "-static", "-no-pie", "-fno-pic"])
            .arg(format!("-ffile-prefix-map={0}={0}", folder.display()))
            .args([&source, Path::new("-o"), &program])
            .output();
        made.is_ok_and(|made| made.status.success()).then_some(program)
    }

    #[test]
    fn an_address_has_a_function_and_a_line() {
        use object::{Object as _, ObjectSymbol as _};
        let folder = tempfile::tempdir().unwrap();
        let Some(program) = program(folder.path()) else {
            eprintln!("not tried: no C compiler");
            return;
        };
        let bytes = std::fs::read(&program).unwrap();
        let file = object::File::parse(&bytes[..]).unwrap();
        let at = |name| file.symbol_by_name(name).unwrap().address();
        let size = |name| file.symbol_by_name(name).unwrap().size();
        let symbols = Symbols::read(&program, folder.path()).unwrap();
        assert_eq!(symbols.name(at("second"), true).unwrap(), "second (a.c:1)");
        // The call of `second` is in `first`, and so is what returns to its very end.
        let inside = symbols.name(at("first") + size("first") - 1, false).unwrap();
        assert!(inside.starts_with("first (a.c:"), "{inside}");
        let end = symbols.name(at("first") + size("first"), false).unwrap();
        assert!(end.starts_with("first (a.c:"), "{end}");
        assert_eq!(symbols.name(1, true), None);
    }

    #[test]
    fn hashes_are_left_out() {
        assert_eq!(short("grid::send::h0123456789abcdef"), "grid::send");
        assert_eq!(short("grid::hold"), "grid::hold");
    }
}
