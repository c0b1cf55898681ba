//! What a program needs beside itself, from its first bytes: an interpreter, libraries.

use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH};
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};

/// What it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The program that starts it: a dynamic linker, or what a script names.
    pub interpreter: Option<String>,
    /// Libraries by name.
    pub libraries: Vec<String>,
    /// Where to look for them first; `$ORIGIN` is where the program itself is.
    pub search: Vec<String>,
}

/// Reads them; what is neither ELF nor script needs nothing.
pub fn read(bytes: &[u8]) -> Needs {
    if let Some(script) = bytes.strip_prefix(b"#!") {
        let line = script.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let interpreter = line.split_whitespace().next().map(String::from);
        return Needs { interpreter, ..Needs::default() };
    }
    elf(bytes).unwrap_or_default()
}

fn elf(bytes: &[u8]) -> object::Result<Needs> {
    let file: ElfFile64<'_> = ElfFile64::parse(bytes)?;
    let mut needs = Needs::default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = file.elf_header();
    for segment in header.program_headers(file.endian(), bytes)? {
        if let Some(name) = segment.interpreter(file.endian(), bytes)? {
            needs.interpreter = Some(text(name));
        }
    }
    let table = file.elf_dynamic_table()?;
    for entry in table.iter() {
        if entry.tag == DT_NEEDED {
            needs.libraries.push(text(table.string(entry)?));
        } else if entry.tag == DT_RUNPATH || entry.tag == DT_RPATH {
            let list = text(table.string(entry)?);
            needs.search.extend(list.split(':').map(String::from));
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_its_interpreter() {
        let needs = read(b"#! /bin/busybox sh -e\necho\n");
        assert_eq!(needs.interpreter.as_deref(), Some("/bin/busybox"));
        assert_eq!(read(b"#!"), Needs::default());
        assert_eq!(read(b"text"), Needs::default());
        assert_eq!(read(b"\x7fELF and nothing more"), Needs::default());
    }

    #[test]
    fn this_very_test_needs_the_c_library() {
        let needs = read(&std::fs::read(std::env::current_exe().unwrap()).unwrap());
        assert!(needs.interpreter.unwrap().starts_with("/lib"));
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.")));
    }
}
