//! The smallest guest: what KVM has to run before it is trusted with a kernel.
//!
//! It leaves the guest 20,000 times, as a kernel does that talks to devices, and ends with
//! a status of its own. A host whose KVM aborts, hangs, or needs a hundred microseconds to
//! leave a guest (nested virtualization on some) is found out in a moment. It is written
//! here byte by byte, so that the trial needs neither an assembler nor the kernel.

use std::io::{self, Write as _};

use tempfile::NamedTempFile;

/// With what it ends, as the kernel would.
pub const STATUS: u8 = 0x2a;

/// How often it leaves the guest.
const EXITS: u32 = 20_000;
/// Where it is loaded; its entry follows the headers and the note.
const BASE: u32 = 0x10_0000;
const HEADER: u32 = 52;
const SEGMENT: u32 = 32;
const NOTE: u32 = 20;

/// Writes it to a file that is gone when it is dropped.
///
/// # Errors
/// Those of writing.
pub fn write() -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("vortex-trial-").suffix(".elf").tempfile()?;
    file.write_all(&elf())?;
    file.flush()?;
    Ok(file)
}

/// An ELF of 32 bits with the PVH note that QEMU looks for.
fn elf() -> Vec<u8> {
    let code = code();
    let note_at = HEADER + 2 * SEGMENT;
    let entry = BASE + note_at + NOTE;
    let length = note_at + NOTE + u32::try_from(code.len()).unwrap_or(u32::MAX);
    let mut elf = b"\x7fELF\x01\x01\x01".to_vec();
    elf.resize(16, 0);
    // ET_EXEC, EM_386.
    halves(&mut elf, &[2, 3]);
    words(&mut elf, &[1, entry, HEADER, 0, 0]);
    halves(&mut elf, &[52, 32, 2, 0, 0, 0]);
    // PT_LOAD of the whole file, PT_NOTE.
    words(&mut elf, &[1, 0, BASE, BASE, length, length, 7, 0x1000]);
    words(&mut elf, &[4, note_at, BASE + note_at, BASE + note_at, NOTE, NOTE, 4, 4]);
    // XEN_ELFNOTE_PHYS32_ENTRY.
    words(&mut elf, &[4, 4, 18]);
    elf.extend(b"Xen\0");
    words(&mut elf, &[entry]);
    elf.extend(code);
    elf
}

fn code() -> Vec<u8> {
    let mut code = vec![0xfa]; // cli
    code.push(0xb9); // mov ecx, EXITS
    words(&mut code, &[EXITS]);
    code.extend([0x66, 0xba, 0x80, 0x00]); // mov dx, 0x80
    code.push(0xee); // out dx, al
    code.extend([0xe2, 0xfd]); // loop to the out
    code.extend([0x66, 0xba, 0xf4, 0x00]); // mov dx, 0xf4
    code.extend([0xb0, STATUS, 0xee]); // mov al, STATUS; out dx, al
    code.extend([0xf4, 0xeb, 0xfd]); // hlt; jmp to the hlt
    code
}

fn words(to: &mut Vec<u8>, words: &[u32]) {
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn halves(to: &mut Vec<u8>, halves: &[u16]) {
    to.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use object::read::elf::{ElfFile32, FileHeader as _, ProgramHeader as _};

    use super::*;

    #[test]
    fn it_is_an_elf_whose_note_names_its_entry() {
        let bytes = elf();
        let file: ElfFile32<'_> = ElfFile32::parse(&bytes[..]).unwrap();
        let header = file.elf_header();
        let endian = header.endian().unwrap();
        let segments = header.program_headers(endian, &bytes[..]).unwrap();
        let mut notes = segments[1].notes(endian, &bytes[..]).unwrap().unwrap();
        let note = notes.next().unwrap().unwrap();
        assert_eq!((note.name(), note.n_type(endian).0), (&b"Xen"[..], 18));
        let entry = u32::from_le_bytes(note.desc().try_into().unwrap());
        assert_eq!(entry, header.e_entry(endian));
        let at = (entry - BASE) as usize;
        assert_eq!(bytes[at..], code());
        assert_eq!(segments[0].p_filesz(endian) as usize, bytes.len());
    }
}
