//! A sample from its bytes.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{
    Blame, Client, Core, Entitled, Kind, MAGIC, Memory, Reserved, Said, Sample, Scheduling, VERSION,
};

/// Why bytes are no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They do not begin as one.
    NotOne,
    /// Of a form that this reader does not know.
    Version(u16),
    /// They end before the sample does.
    Short,
    /// A string is no text.
    Text,
    /// A client is of no known scheduler.
    Kind(u8),
    /// The sample's own length is not what was read.
    Length,
}

pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable::Short)
    }

    /// What all forms begin with: their own mark, and the version that is read here.
    pub fn begin(&mut self, magic: u32, version: u16) -> Result<(), Unreadable> {
        if self.word()? != magic {
            return Err(Unreadable::NotOne);
        }
        match self.short()? {
            own if own == version => Ok(()),
            other => Err(Unreadable::Version(other)),
        }
    }

    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn short(&mut self) -> Result<u16, Unreadable> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn word(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn long(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn string(&mut self) -> Result<String, Unreadable> {
        let length = self.short()?;
        let bytes = self.take(usize::from(length))?;
        core::str::from_utf8(bytes).map(ToString::to_string).map_err(|_| Unreadable::Text)
    }

    /// A list grows with what is really there, whatever its count claims.
    pub fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let count = self.word()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(each(self)?);
        }
        Ok(all)
    }
}

/// The sample in these bytes; what stands behind it is not looked at.
///
/// # Errors
/// [`Unreadable`].
pub fn decode(bytes: &[u8]) -> Result<Sample, Unreadable> {
    let mut from = Bytes(bytes);
    from.begin(MAGIC, VERSION)?;
    let whole = from.short()? & 1 == 1;
    let length = from.long()?;
    let stamp = from.long()?;
    let megahertz = from.word()?;
    let names = from.list(|from| Ok((from.word()?, from.string()?)))?;
    let memory = from.list(|from| {
        Ok(Memory { activity: from.word()?, frames: from.long()?, objects: from.long()? })
    })?;
    let entitled = from.list(|from| {
        Ok(Entitled {
            activity: from.word()?,
            resource: from.string()?,
            core: one_or_all(from)?,
            hundredths: from.word()?,
            priority: from.word()?,
        })
    })?;
    let reserved = from.list(|from| {
        Ok(Reserved {
            activity: from.word()?,
            resource: from.string()?.into(),
            core: one_or_all(from)?,
            reservation: any(from.long()?),
            limit: any(from.long()?),
            period: any(from.long()?),
        })
    })?;
    let schedulers = from.list(scheduler)?;
    let said = Arc::new(Said { reserved, schedulers });
    let cores = from.list(core)?;
    if (bytes.len() - from.0.len()) as u64 != length {
        return Err(Unreadable::Length);
    }
    Ok(Sample { whole, stamp, megahertz, names, memory, entitled, said, cores })
}

fn one_or_all(from: &mut Bytes<'_>) -> Result<Option<u16>, Unreadable> {
    from.short().map(|core| (core != u16::MAX).then_some(core))
}

/// A number that is none where it is zero.
fn any(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn scheduler(from: &mut Bytes<'_>) -> Result<Scheduling, Unreadable> {
    let site = from.string()?.into();
    let core = one_or_all(from)?;
    let (policy, metric) = (from.string()?.into(), from.string()?.into());
    let limit = any(from.long()?);
    let (share, priority) = (from.word()?, from.word()?);
    let share = (share > 0).then_some(share);
    let priority = (priority != u32::MAX).then_some(priority);
    Ok(Scheduling { site, core, policy, metric, limit, share, priority })
}

fn core(from: &mut Bytes<'_>) -> Result<Core, Unreadable> {
    Ok(Core {
        number: from.short()?,
        stamp: from.long()?,
        elapsed: from.long()?,
        idle: from.long()?,
        host: from.long()?,
        departed: from.long()?,
        used: from.list(|from| Ok((from.word()?, from.long()?)))?,
        clients: from.list(client)?,
        unnamed: from.long()?,
        blame: from.list(|from| {
            Ok(Blame { victim: from.word()?, causer: from.word()?, cycles: from.long()? })
        })?,
    })
}

fn client(from: &mut Bytes<'_>) -> Result<Client, Unreadable> {
    Ok(Client {
        kind: match from.byte()? {
            0 => Kind::Threads,
            1 => Kind::Resource,
            2 => Kind::Holder,
            other => return Err(Unreadable::Kind(other)),
        },
        instance: from.word()?,
        resource: from.string()?,
        activity: from.word()?,
        cycles: from.long()?,
        bytes: from.long()?,
        memory: from.long()?,
        requests: from.long()?,
        runs: from.long()?,
        waited: from.long()?,
        longest: from.long()?,
        queued: from.long()?,
    })
}
