//! `SIGEV_THREAD`: a thread waits for the operation, and then does what is to be done. The kernel
//! knows nothing of it.

use std::ffi::c_void;

use libc::{aiocb, sigval};
use vortex_guest::{Errno, Res};

/// Where `sigev_notify_function` is in a `struct sigevent`.
const FUNCTION: usize = 16;
const SIGEV_THREAD: i32 = 2;

/// What a thread is to do.
pub fn set_function(event: &mut libc::sigevent, function: extern "C" fn(sigval)) {
    let bytes = (function as usize).to_ne_bytes();
    // SAFETY: within the event.
    let place = unsafe { std::ptr::from_mut(event).cast::<u8>().add(FUNCTION) };
    // SAFETY: the field is a function's address.
    unsafe { place.cast::<[u8; 8]>().write(bytes) };
}

struct Waits {
    block: *mut aiocb,
    function: extern "C" fn(sigval),
    value: *mut c_void,
}

// SAFETY: the block stays until its operation has ended, and is read as an atomic; the value is
// the program's, which gives it to another thread by asking for one.
unsafe impl Send for Waits {}

/// Begins an operation. If a thread is to be told of its end, that is begun here.
///
/// # Safety
/// As the call that begins it.
pub unsafe fn begin(block: *mut aiocb, begins: impl FnOnce(*mut aiocb) -> Res) -> Res<()> {
    // SAFETY: as the caller promises.
    let event = unsafe { &mut (*block).aio_sigevent };
    if event.sigev_notify != SIGEV_THREAD {
        return begins(block).map(|_| ());
    }
    let value = event.sigev_value.sival_ptr;
    // SAFETY: within the event.
    let place = unsafe { std::ptr::from_ref(event).cast::<u8>().add(FUNCTION) };
    // SAFETY: the field is a function, or null.
    let function = unsafe { place.cast::<Option<extern "C" fn(sigval)>>().read() };
    let function = function.ok_or(Errno(libc::EINVAL))?;
    event.sigev_notify = libc::SIGEV_NONE;
    let begun = begins(block);
    event.sigev_notify = SIGEV_THREAD;
    begun?;
    let waits = Waits { block, function, value };
    let made = std::thread::Builder::new().spawn(move || {
        let waits = waits;
        let list = [waits.block.cast_const()];
        // SAFETY: the block stays until the operation has ended.
        while unsafe { crate::suspend(&list, None) } == Err(Errno(libc::EINTR)) {}
        (waits.function)(sigval { sival_ptr: waits.value });
    });
    // The operation is under way; that nobody will be told is said.
    made.map(|_| ()).map_err(|_| Errno(libc::EAGAIN))
}
