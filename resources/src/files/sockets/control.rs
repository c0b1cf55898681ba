//! Control messages: descriptors and credentials that go along with bytes (`struct cmsghdr`).

use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_abi::linux::net::{
    MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET,
};
use vortex_files::{Credentials, Fd, OpenId, Received};

use super::super::request::FileCall;
use super::super::resource::FileSystem;

/// A control message's header, and what its length is rounded to.
const HEADER: usize = 16;
const STEP: usize = 8;
/// `struct ucred`.
const CREDENTIALS: usize = 12;
/// Descriptors in one message (`SCM_MAX_FD`).
const MOST: usize = 253;

/// What goes along.
#[derive(Default)]
pub(super) struct Along {
    pub rights: Vec<OpenId>,
    pub credentials: Option<Credentials>,
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl FileSystem {
    /// Reads the control messages that a call sends.
    pub(super) fn take_along(&self, call: &FileCall) -> Result<Along, Errno> {
        let mut along = Along::default();
        if call.shape.control == 0 {
            return Ok(along);
        }
        let mut bytes = alloc::vec![0; call.shape.control as usize];
        call.operands.buffer(1)?.read(call.shape.name as usize, &mut bytes);
        let mut rest = &bytes[..];
        while rest.len() >= HEADER {
            let (length, level, kind) = header(rest).ok_or(Errno::EINVAL)?;
            let body = rest.get(HEADER..length).ok_or(Errno::EINVAL)?;
            match (level, kind) {
                (SOL_SOCKET, SCM_RIGHTS) => self.take_rights(call, body, &mut along.rights)?,
                (SOL_SOCKET, SCM_CREDENTIALS) => {
                    along.credentials = Some(credentials(call, body)?);
                }
                (SOL_SOCKET, _) => return Err(Errno::EINVAL),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(STEP)..).unwrap_or_default();
        }
        Ok(along)
    }

    fn take_rights(
        &self,
        call: &FileCall,
        body: &[u8],
        rights: &mut Vec<OpenId>,
    ) -> Result<(), Errno> {
        let numbers = body.chunks_exact(4);
        if numbers.len() + rights.len() > MOST {
            return Err(Errno::EINVAL);
        }
        let table = &self.files.get(&call.files).ok_or(Errno::EBADF)?.table;
        for number in numbers {
            let number = number.try_into().map_or(-1, i32::from_le_bytes);
            rights.push(table.get(Fd::new(number))?);
        }
        Ok(())
    }

    /// Gives what came along with a message: descriptors get numbers, as far as there is room.
    /// How long it is, and flags that say what there was no room for.
    pub(super) fn give_along(
        &mut self,
        call: &FileCall,
        received: &mut Received,
        flags: u32,
    ) -> Result<(usize, u32), Errno> {
        let room = call.shape.control as usize;
        let mut told = flags & MSG_CMSG_CLOEXEC;
        let mut bytes = Vec::new();
        if let Some(sender) = received.credentials {
            if room < HEADER {
                told |= MSG_CTRUNC;
            } else {
                put(&mut bytes, SCM_CREDENTIALS, &sender.to_bytes());
                if bytes.len() > room {
                    if HEADER + CREDENTIALS > room {
                        told |= MSG_CTRUNC;
                        set_length(&mut bytes, room);
                    }
                    bytes.truncate(room);
                }
            }
        }
        let rights = core::mem::take(&mut received.rights);
        if !rights.is_empty() {
            let fits = room.saturating_sub(bytes.len()).saturating_sub(HEADER) / 4;
            let mut numbers = Vec::new();
            let close = flags & MSG_CMSG_CLOEXEC != 0;
            self.limited(call)?;
            let mut left = rights.iter().copied();
            for open in left.by_ref().take(fits) {
                // Without a number it is closed.
                match self.install(call, open, close) {
                    Ok(fd) => numbers.extend(fd.get().to_le_bytes()),
                    Err(_) => break,
                }
            }
            for open in left {
                self.root.close(open, &mut self.effects);
            }
            if numbers.len() / 4 < rights.len() {
                told |= MSG_CTRUNC;
            }
            if !numbers.is_empty() {
                put(&mut bytes, SCM_RIGHTS, &numbers);
                bytes.truncate(room);
            }
        }
        if !bytes.is_empty() {
            call.operands.buffer(1)?.write(call.shape.name as usize, &bytes);
        }
        Ok((bytes.len(), told))
    }
}

/// The length of the first control message, its level and its kind.
fn header(bytes: &[u8]) -> Option<(usize, u32, u32)> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let fits = (HEADER..=bytes.len()).contains(&length);
    Some((length, number(bytes, 8)?, number(bytes, 12)?)).filter(|_| fits)
}

/// Appends a control message, rounded.
fn put(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    bytes.extend(((HEADER + body.len()) as u64).to_le_bytes());
    bytes.extend(SOL_SOCKET.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(STEP), 0);
}

/// The first control message is cut to so much.
fn set_length(bytes: &mut [u8], length: usize) {
    if let Some(place) = bytes.get_mut(..8) {
        place.copy_from_slice(&(length as u64).to_le_bytes());
    }
}

/// As whom a process sends: as itself, and the user that there is.
fn credentials(call: &FileCall, body: &[u8]) -> Result<Credentials, Errno> {
    if body.len() != CREDENTIALS {
        return Err(Errno::EINVAL);
    }
    let [pid, user, group] = [0, 4, 8].map(|at| number(body, at).unwrap_or(u32::MAX));
    let own = call.thread.process.pid.0;
    if pid as i32 != own || user != 0 || group != 0 {
        return Err(Errno::EPERM);
    }
    Ok(Credentials::of(own))
}
