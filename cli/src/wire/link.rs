//! The wire itself: a stream of frames, each behind its length.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Bytes of the largest frame, without its checksum.
const FRAME: usize = 1514;
/// Bytes of a frame's length.
const LENGTH: usize = 4;
/// Bytes that wait for the machine to take them: beyond these no frame goes that can be spared.
const WAITING: usize = 4 << 10;
/// Bytes that are taken at once.
const TAKEN: usize = 64 << 10;
/// What the host's kernel keeps of them on the way.
const ON_THE_WAY: usize = 16 << 10;
/// Its other end, in a folder of its own.
const THERE: &str = "wire";

/// QEMU's words for a card at the other end of the wire in this folder.
pub fn devices(folder: &Path) -> [String; 4] {
    let there = folder.join(THERE);
    let wire = format!("stream,id=net,server=on,addr.type=unix,addr.path={}", there.display());
    ["-netdev".into(), wire, "-device".into(), "virtio-net-pci,netdev=net,romfile=".into()]
}

/// This end of a wire.
pub struct Link {
    peer: PathBuf,
    /// Without a machine nothing is at its other end.
    stream: Option<UnixStream>,
    goes: Vec<u8>,
    came: Vec<u8>,
    /// From where on that was not read yet.
    read: usize,
}

impl Link {
    /// The end in this folder.
    pub fn new(folder: &Path) -> Self {
        let peer = folder.join(THERE);
        Self { peer, stream: None, goes: Vec::new(), came: Vec::new(), read: 0 }
    }

    /// What tells that a frame has come.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(|stream| stream.as_fd())
    }

    /// Sends a frame, if the machine takes frames now. Whether it goes.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        if self.goes.len() >= WAITING {
            self.flush();
        }
        let has_room = self.goes.len() < WAITING && self.stream.is_some();
        if has_room {
            self.put(frame);
        }
        has_room
    }

    fn put(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or_default();
        self.goes.extend(length.to_be_bytes());
        self.goes.extend(frame);
    }

    /// Sends what waits.
    pub fn flush(&mut self) {
        if self.stream.is_none() {
            self.stream = UnixStream::connect(&self.peer).ok().filter(|stream| {
                let small = rustix::net::sockopt::set_socket_send_buffer_size(stream, ON_THE_WAY);
                small.is_ok() && stream.set_nonblocking(true).is_ok()
            });
        }
        let Some(stream) = &mut self.stream else { return };
        while !self.goes.is_empty() {
            match stream.write(&self.goes) {
                Ok(count) if count > 0 => drop(self.goes.drain(..count)),
                _ => break,
            }
        }
    }

    /// Takes what has come.
    fn take(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        self.came.drain(..self.read);
        self.read = 0;
        let length = self.came.len();
        self.came.resize(length + TAKEN, 0);
        // Of a machine that has ended nothing comes.
        let count = stream.read(&mut self.came[length..]).unwrap_or(0);
        self.came.truncate(length + count);
    }

    /// The next frame of what was taken.
    fn next(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.came.get(self.read..)?.split_first_chunk::<LENGTH>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let frame = rest.get(..length)?.to_vec();
        self.read += LENGTH + length;
        Some(frame)
    }
}

/// A frame that has come.
pub struct Came(Vec<u8>);

/// One that may be sent.
pub struct Goes<'a>(&'a mut Link);

impl RxToken for Came {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Goes<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let done = write(&mut frame);
        self.0.put(&frame);
        done
    }
}

impl Device for Link {
    type RxToken<'a> = Came;
    type TxToken<'a> = Goes<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Came, Goes<'_>)> {
        let frame = match self.next() {
            Some(frame) => frame,
            None => {
                self.take();
                self.next()?
            }
        };
        Some((Came(frame), Goes(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Goes<'_>> {
        Some(Goes(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut all = DeviceCapabilities::default();
        all.medium = Medium::Ethernet;
        all.max_transmission_unit = FRAME;
        all
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn frames_go_and_come_however_they_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(THERE)).unwrap();
        let mut link = Link::new(folder.path());
        assert!(!link.send(b"nobody there"));
        link.flush();
        let (mut machine, _) = listener.accept().unwrap();
        assert!(link.send(b"one") && link.send(b"two"));
        link.flush();
        let mut came = [0; 14];
        machine.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"\0\0\0\x03one\0\0\0\x03two");
        machine.write_all(b"\0\0\0\x05hel").unwrap();
        link.take();
        assert_eq!(link.next(), None);
        machine.write_all(b"lo\0\0\0\x01x\0").unwrap();
        link.take();
        assert_eq!(link.next().as_deref(), Some(&b"hello"[..]));
        assert_eq!(link.next().as_deref(), Some(&b"x"[..]));
        assert_eq!(link.next(), None);
    }
}
