//! setsockopt(2) and getsockopt(2).

use vortex_abi::Errno;
use vortex_files::{OPTION_MOST, OpenId};

use super::super::calls::{Result, done};
use super::super::request::FileCall;
use super::super::resource::{Done, FileSystem};

impl FileSystem {
    pub(super) fn set_option(
        &mut self,
        call: &FileCall,
        open: OpenId,
        (level, option): (i32, i32),
        length: u32,
    ) -> Result {
        if length > i32::MAX as u32 {
            return Err(Errno::EINVAL);
        }
        let mut value = [0; OPTION_MOST];
        let read = call.operands.buffer(0)?.read(0, &mut value);
        let value = value.get(..read).unwrap_or_default();
        self.root.set_option(open, level as u32, option as u32, value).map(done)
    }

    pub(super) fn tell_option(
        &mut self,
        call: &FileCall,
        open: OpenId,
        level: i32,
        option: i32,
    ) -> Result {
        let value = self.root.option(open, level as u32, option as u32)?;
        let room = (call.shape.name as usize).min(value.len());
        if room > 0 {
            call.operands.give(1, value.get(..room).unwrap_or_default())?;
        }
        call.operands.give(2, &(room as u32).to_le_bytes())?;
        Ok(Done::Value(0))
    }
}
