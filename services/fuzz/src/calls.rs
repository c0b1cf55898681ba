//! The calls that a child may make, and what of their arguments is tamed.
//!
//! Left out is whatever could reach beyond the child: signals to others, names (all calls
//! that take a path), processes, tracing, the system's clock, name, mounts, modules, keys,
//! sockets but those within the child, priorities, and what would end or stop it at once.

/// Their numbers.
#[rustfmt::skip]
pub const CALLS: &[i64] = &[
    libc::SYS_read, libc::SYS_write, libc::SYS_close, libc::SYS_fstat, libc::SYS_poll,
    libc::SYS_lseek, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap, libc::SYS_brk,
    libc::SYS_rt_sigprocmask, libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_readv,
    libc::SYS_writev, libc::SYS_pipe, libc::SYS_pipe2, libc::SYS_select, libc::SYS_sched_yield,
    libc::SYS_mremap, libc::SYS_msync, libc::SYS_mincore, libc::SYS_madvise, libc::SYS_dup,
    libc::SYS_dup2, libc::SYS_dup3, libc::SYS_nanosleep, libc::SYS_getitimer, libc::SYS_getpid,
    libc::SYS_sendfile, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_uname, libc::SYS_fcntl,
    libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_ftruncate, libc::SYS_getdents64,
    libc::SYS_getcwd, libc::SYS_umask, libc::SYS_gettimeofday, libc::SYS_getrlimit,
    libc::SYS_getrusage, libc::SYS_sysinfo, libc::SYS_times, libc::SYS_getuid,
    libc::SYS_getppid, libc::SYS_getpgid, libc::SYS_rt_sigpending, libc::SYS_sigaltstack,
    libc::SYS_arch_prctl, libc::SYS_gettid, libc::SYS_time, libc::SYS_futex,
    libc::SYS_sched_getaffinity, libc::SYS_set_tid_address, libc::SYS_clock_gettime,
    libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_ppoll, libc::SYS_set_robust_list,
    libc::SYS_get_robust_list, libc::SYS_epoll_create1, libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait, libc::SYS_eventfd2, libc::SYS_preadv, libc::SYS_pwritev,
    libc::SYS_getrandom, libc::SYS_getcpu, libc::SYS_rt_sigtimedwait, libc::SYS_setresuid,
    libc::SYS_getresuid, libc::SYS_getgroups, libc::SYS_setgroups, libc::SYS_sched_getparam,
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg,
    libc::SYS_shutdown, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_setsockopt, libc::SYS_getsockopt,
    libc::SYS_epoll_wait, libc::SYS_epoll_pwait2, libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime, libc::SYS_signalfd4,
    libc::SYS_sched_setparam, libc::SYS_sched_setscheduler, libc::SYS_sched_rr_get_interval, 600,
    1000,
];

/// Makes a call's arguments harmless where they are not, and short where it would sleep.
pub fn tame(call: i64, arguments: &mut [usize; 6], memory: usize) {
    match call {
        // The kernel would take this program's own code and stack away: nothing is learned.
        libc::SYS_munmap | libc::SYS_mprotect | libc::SYS_mremap | libc::SYS_madvise => {
            arguments[0] = memory + (arguments[0] & 0xfff);
            arguments[1] &= 0x1fff;
            if call == libc::SYS_mremap {
                arguments[2] &= 0xffff;
                // MREMAP_FIXED could take the place of anything.
                arguments[3] &= !2;
            }
        }
        // MAP_FIXED as well; and no large pages, which are the host's.
        libc::SYS_mmap => arguments[3] &= !(libc::MAP_FIXED | libc::MAP_HUGETLB) as usize,
        // Owners, leases and signals of a descriptor name other processes.
        libc::SYS_fcntl => arguments[1] %= 5,
        // The thread's memory stays the C library's.
        libc::SYS_arch_prctl => arguments[0] = 0x1003,
        // Times short, or wrong: what would sleep is no test.
        libc::SYS_poll => arguments[2] &= 7,
        libc::SYS_nanosleep => arguments[0] = memory + 4096 - 8,
        libc::SYS_clock_nanosleep => arguments[2] = memory + 4096 - 8,
        libc::SYS_ppoll => arguments[2] = memory + 4096 - 8,
        libc::SYS_rt_sigtimedwait => arguments[2] = memory + 4096 - 8,
        libc::SYS_select => arguments[4] = memory + 4096 - 8,
        libc::SYS_epoll_pwait | libc::SYS_epoll_wait => arguments[3] &= 7,
        libc::SYS_epoll_pwait2 => arguments[3] = memory + 4096 - 8,
        // Within the child, and never waiting.
        libc::SYS_socket | libc::SYS_socketpair => {
            arguments[0] = libc::AF_UNIX as usize;
            arguments[1] = [1, 2, 5][arguments[1] % 3] | libc::SOCK_NONBLOCK as usize;
        }
        libc::SYS_sendto => {
            arguments[3] |= libc::MSG_DONTWAIT as usize;
            arguments[4] = 0;
        }
        libc::SYS_recvfrom | libc::SYS_sendmmsg | libc::SYS_recvmmsg => {
            arguments[3] |= libc::MSG_DONTWAIT as usize;
        }
        libc::SYS_sendmsg | libc::SYS_recvmsg => arguments[2] |= libc::MSG_DONTWAIT as usize,
        libc::SYS_setsockopt => arguments[1] = libc::SOL_SOCKET as usize,
        // No waiting: FUTEX_WAKE and what follows it up to FUTEX_CMP_REQUEUE.
        libc::SYS_futex => arguments[1] = 1 + arguments[1] % 4 + (arguments[1] & 128),
        _ => {}
    }
}
