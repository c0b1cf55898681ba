//! Who a process is, and by which of Linux's policies its threads run: there is one user with
//! one group, and one policy. Whoever asks is told so; what would change it is refused.

use vortex_abi::Errno;

/// What leaves an identity as it is.
const SAME: i32 = -1;

/// Linux's policies.
pub const OTHER: i32 = 0;
const FIFO: i32 = 1;
const ROUND_ROBIN: i32 = 2;
const BATCH: i32 = 3;
const IDLE: i32 = 5;
const DEADLINE: i32 = 6;
/// The highest priority of those that have any.
const HIGHEST: u64 = 99;

/// setresuid(2) and its like: identities that are the one, or are to stay.
///
/// # Errors
/// `EINVAL`: there is no other.
pub fn become_one(identities: &[i32]) -> Result<u64, Errno> {
    let one = identities.iter().all(|&identity| identity == 0 || identity == SAME);
    if one { Ok(0) } else { Err(Errno::EINVAL) }
}

/// getgroups(2): there are none beside the one.
///
/// # Errors
/// `EINVAL`: a negative size.
pub fn groups(size: i32) -> Result<u64, Errno> {
    if size < 0 { Err(Errno::EINVAL) } else { Ok(0) }
}

/// setgroups(2).
///
/// # Errors
/// `EINVAL`: none is all there is.
pub fn set_groups(size: i32) -> Result<u64, Errno> {
    if size == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// The lowest and the highest priority of a policy.
///
/// # Errors
/// `EINVAL`: no policy of Linux's.
pub fn priorities(policy: i32) -> Result<(u64, u64), Errno> {
    match policy {
        OTHER | BATCH | IDLE | DEADLINE => Ok((0, 0)),
        FIFO | ROUND_ROBIN => Ok((1, HIGHEST)),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_setscheduler(2) of a thread that there is.
///
/// # Errors
/// `EINVAL`: no such policy, or not with such a priority. `EPERM`: it is not this kernel's,
/// whose schedulers the configuration chooses.
pub fn set_policy(policy: i32, priority: i32) -> Result<u64, Errno> {
    let (lowest, highest) = priorities(policy)?;
    let fits = u64::try_from(priority).is_ok_and(|it| (lowest..=highest).contains(&it));
    match policy {
        _ if !fits => Err(Errno::EINVAL),
        OTHER => Ok(0),
        _ => Err(Errno::EPERM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_user() {
        assert_eq!(become_one(&[0, SAME, 0]), Ok(0));
        assert_eq!(become_one(&[0, 1]), Err(Errno::EINVAL));
        assert_eq!((groups(0), groups(9), groups(-1)), (Ok(0), Ok(0), Err(Errno::EINVAL)));
        assert_eq!((set_groups(0), set_groups(1)), (Ok(0), Err(Errno::EINVAL)));
    }

    #[test]
    fn there_is_one_policy() {
        assert_eq!(set_policy(OTHER, 0), Ok(0));
        assert_eq!(set_policy(OTHER, 1), Err(Errno::EINVAL));
        assert_eq!(set_policy(FIFO, 0), Err(Errno::EINVAL));
        assert_eq!(set_policy(FIFO, 1), Err(Errno::EPERM));
        assert_eq!(set_policy(4, 0), Err(Errno::EINVAL));
        assert_eq!(priorities(ROUND_ROBIN), Ok((1, 99)));
    }
}
