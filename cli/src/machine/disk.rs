//! Disks of a machine: images of the host's, behind one virtio SCSI controller with a queue for
//! each core.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::size::Cores;

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its image, as it is on the disk (raw).
    pub image: PathBuf,
    /// Bytes a second that QEMU lets through, where that is bounded.
    pub most: Option<u64>,
    /// Sectors of which a read fails, and of which a write does.
    pub broken: (Vec<u64>, Vec<u64>),
    /// Where every write and flush is noted, in their order; not with sectors that fail.
    pub log: Option<PathBuf>,
}

/// A controller with disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disks {
    /// In the order of their names.
    pub disks: Vec<Disk>,
    /// Requests that each of its queues has room for, where that is not QEMU's number.
    pub depth: Option<u16>,
}

impl Disk {
    /// One without faults.
    pub fn new(image: &Path) -> Self {
        Self { image: image.into(), most: None, broken: (Vec::new(), Vec::new()), log: None }
    }

    /// What `-drive` is told.
    fn drive(&self, number: usize) -> OsString {
        let (reads, writes) = &self.broken;
        let mut text = format!("if=none,id=disk{number},").into_bytes();
        let plain = reads.is_empty() && writes.is_empty();
        text.extend(if self.log.is_some() {
            b"driver=blklogwrites,file.driver=file,file.filename=".as_slice()
        } else if plain {
            b"format=raw,file=".as_slice()
        } else {
            b"driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename="
                .as_slice()
        });
        named(&mut text, &self.image);
        if let Some(log) = &self.log {
            text.extend(b",log.driver=file,log.filename=");
            named(&mut text, log);
        }
        let faults =
            reads.iter().map(|at| ("read", at)).chain(writes.iter().map(|at| ("write", at)));
        for (place, (kind, sector)) in faults.enumerate() {
            let name = format!("file.inject-error.{place}");
            let fault = format!(
                ",{name}.event=none,{name}.iotype={kind},{name}.sector={sector},{name}.errno=5,\
                 {name}.once=off"
            );
            text.extend(fault.into_bytes());
        }
        if let Some(most) = self.most {
            text.extend(format!(",throttling.bps-total={most}").into_bytes());
        }
        OsString::from_vec(text)
    }
}

/// Adds a file's name; a comma in it is written twice.
fn named(text: &mut Vec<u8>, file: &Path) {
    for &byte in file.as_os_str().as_bytes() {
        text.push(byte);
        if byte == b',' {
            text.push(byte);
        }
    }
}

impl Disks {
    /// QEMU's arguments; none without disks.
    pub fn arguments(&self, cores: Cores) -> Vec<OsString> {
        let mut list = Vec::new();
        if self.disks.is_empty() {
            return list;
        }
        let depth = self.depth.map_or_else(String::new, |depth| format!(",virtqueue_size={depth}"));
        let host = format!("virtio-scsi-pci,id=scsi,num_queues={}{depth}", cores.get());
        list.extend(["-device".into(), host.into()]);
        for (number, disk) in self.disks.iter().enumerate() {
            list.extend(["-drive".into(), disk.drive(number)]);
            let device = format!("scsi-hd,bus=scsi.0,scsi-id={number},drive=disk{number}");
            list.extend(["-device".into(), device.into()]);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(disks: Disks) -> String {
        let words = disks.arguments(Cores::new(2).unwrap());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn disks_are_behind_one_controller_in_their_order() {
        assert_eq!(line(Disks::default()), "");
        let disks = vec![Disk::new(Path::new("a,b.img")), Disk::new(Path::new("c"))];
        assert_eq!(
            line(Disks { disks, depth: None }),
            "-device virtio-scsi-pci,id=scsi,num_queues=2 \
             -drive if=none,id=disk0,format=raw,file=a,,b.img \
             -device scsi-hd,bus=scsi.0,scsi-id=0,drive=disk0 \
             -drive if=none,id=disk1,format=raw,file=c \
             -device scsi-hd,bus=scsi.0,scsi-id=1,drive=disk1"
        );
    }

    #[test]
    fn a_disk_may_be_slow_and_broken() {
        let broken = (vec![7], vec![9]);
        let disk = Disk { most: Some(1_000_000), broken, ..Disk::new(Path::new("a")) };
        let line = self::line(Disks { disks: vec![disk], depth: Some(8) });
        assert!(line.starts_with("-device virtio-scsi-pci,id=scsi,num_queues=2,virtqueue_size=8 "));
        assert!(line.contains("file.image.filename=a,file.inject-error.0.event=none,"));
        assert!(line.contains("file.inject-error.1.iotype=write,file.inject-error.1.sector=9,"));
        assert!(line.contains(",throttling.bps-total=1000000 "));
        let disk = Disk { log: Some("l,g".into()), ..Disk::new(Path::new("a")) };
        let line = self::line(Disks { disks: vec![disk], depth: None });
        let logged = "driver=blklogwrites,file.driver=file,file.filename=a,log.driver=file,";
        assert!(line.contains(&format!("{logged}log.filename=l,,g ")), "{line}");
    }
}
