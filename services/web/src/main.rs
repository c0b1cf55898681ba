//! A web server (§4.4): the files below a folder over HTTP/1.0 and 1.1, by one thread, as THTTPD
//! was changed for the paper. What it reads and writes it reads and writes by asynchronous I/O;
//! who connects it learns from a set of descriptors, as it does that an operation has ended.
//!
//! ```text
//! web --port 80 --root /srv [--connections 256] [--patience 30] [--mount /dev/sda]
//! ```
//!
//! GET and HEAD; a connection stays open, as its version or its head has it; a folder's page is
//! its `index.html`. Links are not followed, and what is in a folder is not told. Heads are
//! 8 KiB at most, and come within ten seconds; who takes no piece of an answer (64 KiB) for as
//! long as there is patience, or asks for nothing, is left.

mod buffers;
mod connection;
mod folder;
mod request;
mod server;
mod status;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use vortex_guest::sys::c;
use vortex_guest::{Errno, Res, args::Args, file, out, say, sys};

use connection::Patience;
use folder::Folder;
use server::Server;

const USAGE: &str = "usage: web --root FOLDER [--port N] [--connections N] [--patience SECONDS] \
                     [--mount DISK]";
/// What is not said.
const PORT: u64 = 80;
const CONNECTIONS: u64 = 256;
const PATIENCE: u64 = 30;
/// Two operations each is what a process may have.
const MOST: u64 = 512;
/// How long a head may take at most.
const HEAD: Duration = Duration::from_secs(10);
/// How long somebody else may take to mount.
const MOUNTS: Duration = Duration::from_secs(10);
/// How long is waited for the end of a connection that is not wanted any more.
const END: Duration = Duration::from_secs(2);

/// Mounts a disk at the folder, to be read, unless another has. Where another is about to, it is
/// waited for: what is opened before is not the disk's.
fn mount(disk: &str, folder: &str) -> Res<()> {
    let (from, to, kind) = (c(disk), c(folder), c("ext2"));
    let flags = libc::MS_RDONLY;
    let until = Instant::now() + MOUNTS;
    loop {
        // SAFETY: the kernel reads the three texts; no further data is given.
        let done =
            unsafe { sys!(libc::SYS_mount, from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, 0) };
        match done {
            Err(Errno(libc::EBUSY)) if is_mounted(folder) => return Ok(()),
            Err(Errno(libc::EBUSY)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other.map(|_| ()),
        }
    }
}

/// Whether a file system begins at a folder.
fn is_mounted(folder: &str) -> bool {
    let device = |path: &str| file::stat(path).map(|about| about.inode().0);
    let (inside, above) = (device(folder), device(&format!("{folder}/..")));
    inside.is_ok() && above.is_ok() && inside != above
}

fn main() {
    let mut args = Args::new(USAGE);
    let port = args.number("--port").unwrap_or(PORT);
    let most = args.number("--connections").unwrap_or(CONNECTIONS);
    let patience = args.number("--patience").unwrap_or(PATIENCE);
    let Ok(port) = u16::try_from(port) else {
        args.wrong("a port is a number to 65535; 0 is any");
    };
    if !(1..=MOST).contains(&most) {
        args.wrong("connections are from 1 to 512");
    }
    if !(1..=3600).contains(&patience) {
        args.wrong("patience is from 1 to 3600 seconds");
    }
    let Some(root) = args.text("--root") else { args.wrong("no folder is named") };
    let disk = args.text("--mount");
    args.end();
    if let Some(disk) = disk
        && let Err(error) = mount(&disk, &root)
    {
        out::fail(&format!("web: mount {disk}: {error}"));
    }
    let folder = match Folder::open(&root) {
        Ok(folder) => folder,
        Err(error) => out::fail(&format!("web: {root}: {error}")),
    };
    let listener = TcpListener::bind(("0.0.0.0", port));
    let listener = match listener.and_then(|it| it.local_addr().map(|at| (it, at.port()))) {
        Ok((listener, port)) => {
            say!("web: {root} at port {port}");
            listener
        }
        Err(error) => out::fail(&format!("web: port {port}: {error}")),
    };
    let quiet = Duration::from_secs(patience);
    let patience = Patience { head: HEAD.min(quiet), quiet, end: END.min(quiet) };
    let server = Server { folder, most: most as usize, patience };
    if let Err(error) = server.serve(&listener) {
        out::fail(&format!("web: {error}"));
    }
}
