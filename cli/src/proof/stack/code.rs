//! A kernel's machine code, function by function, out of its ELF file.

use std::collections::BTreeMap;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// As in the source, without its hash.
    pub name: String,
    /// Where it begins.
    pub start: u64,
    /// Its instructions.
    pub bytes: &'a [u8],
}

/// All functions.
#[derive(Debug)]
pub struct Code<'a> {
    /// By where they begin.
    pub functions: BTreeMap<u64, Function<'a>>,
    /// Those whose addresses stand in data, so that a call through a register may reach them.
    pub taken: Vec<u64>,
}

impl<'a> Code<'a> {
    /// From the bytes of an ELF file.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(elf: &'a [u8]) -> object::Result<Self> {
        let file = object::File::parse(elf)?;
        let mut functions = BTreeMap::new();
        for (start, size, name) in text_symbols(&file)? {
            let section = file.sections().find(|section| {
                (section.address()..section.address() + section.size()).contains(&start)
            });
            let Some(section) = section.filter(|section| section.kind() == SectionKind::Text)
            else {
                continue;
            };
            let Some(bytes) = section.data_range(start, size)? else { continue };
            let name = addr2line::demangle_auto(name.into(), None);
            let name = without_blocks(unhashed(&name));
            functions.insert(start, Function { name, start, bytes });
        }
        let mut taken = Vec::new();
        for section in file.sections() {
            if matches!(section.kind(), SectionKind::ReadOnlyData | SectionKind::Data) {
                let words = section.data()?.chunks_exact(8);
                let words =
                    words.filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
                taken.extend(words.filter(|word| functions.contains_key(word)));
            }
        }
        Ok(Self { functions, taken })
    }
}

/// Where code begins, how long it is, and its name. Symbols of assembly tell no size: they
/// go to the next.
fn text_symbols<'d>(file: &object::File<'d>) -> object::Result<Vec<(u64, u64, &'d str)>> {
    let mut all = Vec::new();
    for symbol in file.symbols() {
        let code =
            matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label);
        if code && symbol.section_index().is_some() {
            all.push((symbol.address(), symbol.size(), symbol.name()?));
        }
    }
    // Of several at a place the one with a size comes last, and stays.
    all.sort_unstable();
    let starts: Vec<u64> = all.iter().map(|&(start, ..)| start).collect();
    for (start, size, _) in &mut all {
        let next = starts.iter().find(|&next| next > start);
        if *size == 0
            && let Some(next) = next
        {
            *size = next - *start;
        }
    }
    Ok(all)
}

/// Without the hash that Rust ends a name with.
fn unhashed(name: &str) -> &str {
    let (path, last) = name.rsplit_once("::").unwrap_or((name, ""));
    let hash = last.len() == 17 && last.starts_with('h');
    if hash { path } else { name }
}

/// Without the `<impl Type>::` of functions that are in a block of another module than
/// their type's.
fn without_blocks(name: &str) -> String {
    const BLOCK: &str = "<impl ";
    let Some((before, block)) = name.split_once(BLOCK) else { return name.into() };
    let mut open = 1_u32;
    let end = block.char_indices().find_map(|(at, c)| {
        match c {
            '<' => open += 1,
            '>' => open = open.saturating_sub(1),
            _ => {}
        }
        (open == 0).then(|| at + 1)
    });
    let after = end.and_then(|end| block.get(end..)).unwrap_or_default();
    before.to_string() + &without_blocks(after.strip_prefix("::").unwrap_or(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_without_hashes() {
        assert_eq!(unhashed("core::ptr::drop::h0123456789abcdef"), "core::ptr::drop");
        assert_eq!(unhashed("core::help"), "core::help");
        assert_eq!(unhashed("memcpy"), "memcpy");
    }

    #[test]
    fn names_are_without_blocks() {
        assert_eq!(without_blocks("a::b::<impl c::D<E>>::f"), "a::b::f");
        assert_eq!(without_blocks("<a::B as c::D>::f"), "<a::B as c::D>::f");
        assert_eq!(without_blocks("a::<impl b"), "a::");
    }
}
