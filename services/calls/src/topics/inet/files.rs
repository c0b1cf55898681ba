//! sendfile(2) to a connection.

use std::time::Duration;

use libc::{O_CREAT, O_RDONLY, O_RDWR, POLLOUT, SEEK_CUR, SEEK_SET, SIGUSR1, SOCK_STREAM};
use vortex_guest::out::{seen, worked};
use vortex_guest::socket::{receive, shutdown};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, inet, pipe, proc, say, sig, time};

use super::{must, one, two, until};

/// More than any kernel moves in one go.
const MUCH: usize = (3 << 20) + 777;

fn much() -> Vec<u8> {
    (0..MUCH).map(|n| (n / 251 + n * 3) as u8).collect()
}

fn source(bytes: &[u8]) -> i32 {
    worked("made", file::put("a", bytes));
    must("open", file::open("a", O_RDONLY))
}

pub fn plain() {
    let _temp = Temp::new("inet");
    let from = source(b"the bytes of a file");
    let (client, server) = two();
    seen("some", fd::sendfile(client, from, 9));
    seen("receive", receive(server, 64, 0));
    seen("where", fd::seek(from, 0, SEEK_CUR));
    seen("the rest", fd::sendfile(client, from, 100));
    seen("receive", receive(server, 64, 0));
    seen("at the end", fd::sendfile(client, from, 100));
    seen("nothing", fd::sendfile(client, from, 0));
    let mut at = 4;
    seen("from a place", inet::send_file(client, from, &mut at, 5));
    seen("receive", receive(server, 64, 0));
    say!("then at {at}");
    seen("from there", inet::send_file(client, from, &mut at, 100));
    seen("receive", receive(server, 64, 0));
    say!("then at {at}");
    seen("behind the end", inet::send_file(client, from, &mut at, 100));
    say!("then at {at}");
    seen("the file's own", fd::seek(from, 0, SEEK_CUR));
    worked("back", fd::seek(from, 3, SEEK_SET));
    seen("from there", fd::sendfile(client, from, 6));
    seen("receive", receive(server, 64, 0));
}

pub fn whole() {
    let _temp = Temp::new("inet");
    let bytes = much();
    let from = source(&bytes);
    let (client, server) = two();
    let child = proc::child(|| {
        let _ = fd::close(client);
        i32::from(fd::read_all(server) != Ok([&bytes[..], &bytes[1_000..], b"end"].concat()))
    });
    worked("close", fd::close(server));
    seen("all", fd::sendfile(client, from, MUCH + 5));
    seen("where", fd::seek(from, 0, SEEK_CUR));
    let mut at = 1_000;
    seen("from a place", inet::send_file(client, from, &mut at, 2 * MUCH));
    say!("then at {at}");
    seen("and behind it", fd::write(client, b"end"));
    worked("no more", shutdown(client, libc::SHUT_WR));
    say!("{}", proc::wait(child));
}

/// Who does not wait is told how much has gone.
pub fn full() {
    let _temp = Temp::new("inet");
    let bytes = much();
    let from = source(&bytes);
    let (client, server) = two();
    // Linux's buffers are larger than the file where nobody wishes for others.
    for (fd, option) in [(client, libc::SO_SNDBUF), (server, libc::SO_RCVBUF)] {
        worked("small", inet::set_option(fd, libc::SOL_SOCKET, option, &65_536_i32.to_le_bytes()));
    }
    worked("flags", fd::fcntl(client, libc::F_SETFL, libc::O_NONBLOCK));
    let child = proc::child(|| {
        let _ = fd::close(client);
        time::pause(Duration::from_millis(100));
        i32::from(fd::read_all(server) != Ok(bytes.clone()))
    });
    worked("close", fd::close(server));
    let (mut sum, mut waited, mut wrong) = (0, false, 0);
    loop {
        match fd::sendfile(client, from, MUCH) {
            Ok(0) => break,
            Ok(sent) => {
                sum += sent;
                wrong += i32::from(fd::seek(from, 0, SEEK_CUR) != Ok(sum));
            }
            Err(why) => {
                if why.0 != libc::EAGAIN {
                    return say!("sendfile: {why}");
                }
                waited = true;
                until(client, POLLOUT);
            }
        }
    }
    say!("{sum}, has waited: {waited}, places that are wrong: {wrong}");
    worked("no more", shutdown(client, libc::SHUT_WR));
    say!("{}", proc::wait(child));
}

pub fn wrong() {
    let _temp = Temp::new("inet");
    let from = source(b"0123456789");
    let (client, server) = two();
    seen("from a folder", fd::sendfile(client, must("open", file::open(".", O_RDONLY)), 1));
    seen("from nothing", fd::sendfile(client, 777, 1));
    seen("to nothing", fd::sendfile(777, from, 1));
    let writes = must("open", file::open_mode("b", libc::O_WRONLY | O_CREAT, 0o600));
    seen("from one to write", fd::sendfile(client, writes, 1));
    seen("from a socket", fd::sendfile(client, server, 1));
    let both = must("open", file::open("b", O_RDWR));
    seen("from a socket to a file", fd::sendfile(both, server, 1));
    let mut at = -1;
    seen("from before the beginning", inet::send_file(client, from, &mut at, 1));
    seen("more than there can be", fd::sendfile(client, from, usize::MAX));
    let mut at = 1;
    seen("behind the last place", inet::send_file(client, from, &mut at, usize::MAX >> 1));
    let how = proc::outcome(|| {
        seen("not connected", fd::sendfile(one(SOCK_STREAM), from, 1));
        0
    });
    say!("{how}");
    worked("ignore", sig::ignore(libc::SIGPIPE));
    worked("no more", shutdown(client, libc::SHUT_WR));
    seen("shut", fd::sendfile(client, from, 4));
    seen("where", fd::seek(from, 0, SEEK_CUR));
    let ends = pipe::plain();
    seen("from a pipe", fd::sendfile(server, ends.out, 4));
}

/// A signal ends the wait; what has gone counts, and is not sent twice.
pub fn interrupted() {
    let _temp = Temp::new("inet");
    let from = source(&[much(), much()].concat());
    let (client, _server) = two();
    let own = proc::pid();
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let child = proc::child(|| {
        for _ in 0..60 {
            time::pause(Duration::from_millis(100));
            let _ = sig::kill(own, SIGUSR1);
        }
        0
    });
    let sent = fd::sendfile(client, from, 2 * MUCH);
    worked("kill", sig::kill(child, libc::SIGKILL));
    say!("some: {}", sent.is_ok_and(|sent| sent > 0 && sent < 2 * MUCH));
    say!("as many as the file has moved: {}", sent == fd::seek(from, 0, SEEK_CUR));
    say!("{}", proc::wait(child));
}
