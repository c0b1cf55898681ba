//! What `services/sampler` prints, read back. Whatever else is on the console is passed over.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// What a core told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Core {
    /// Its counter.
    pub stamp: u64,
    /// Cycles since it started.
    pub elapsed: u64,
    /// Of these, with nothing to do.
    pub idle: u64,
    /// Of these, taken by the hypervisor.
    pub host: u64,
    /// Of these, used by activities that are gone.
    pub departed: u64,
    /// By activity.
    pub used: BTreeMap<String, u64>,
    /// Cycles of the clients of its multiplexor.
    pub clients: u64,
    /// Of these, by what they are of: a resource, or the threads.
    pub by_resource: BTreeMap<String, u64>,
    /// What activities used of resources, where the sampler was asked for it.
    pub holders: BTreeMap<(String, String), Holder>,
    /// Those of activities at resources (`sampler --holders`), and at their threads, which have
    /// no name.
    pub parts: BTreeMap<(String, String), u64>,
}

/// What an activity used of a resource on a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Bytes that were moved.
    pub bytes: u64,
    /// Requests that were served.
    pub requests: u64,
}

/// A sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Core 0's counter.
    pub stamp: u64,
    /// The counter's rate.
    pub megahertz: u64,
    /// By number.
    pub cores: BTreeMap<u16, Core>,
}

impl Core {
    /// All cycles that are booked.
    pub fn booked(&self) -> u64 {
        self.used.values().sum::<u64>() + self.idle + self.host + self.departed
    }

    /// What an activity used at a resource, or of its threads where none is named.
    pub fn at(&self, resource: &str, activity: &str) -> u64 {
        self.parts.get(&(resource.into(), activity.into())).copied().unwrap_or(0)
    }

    /// What an activity used.
    pub fn of(&self, activity: &str) -> u64 {
        self.used.get(activity).copied().unwrap_or(0)
    }
}

/// All samples of a machine's console.
///
/// # Errors
/// [`Failure::Unexpected`] where they are not whole, with the last of what was said instead.
pub fn read(console: &str) -> Result<Vec<Sample>, Failure> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut ended = None;
    for line in console.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((&"sampler", words)) = words.split_first() else { continue };
        if take(&mut samples, &mut ended, words).is_none() {
            return Err(Failure::Unexpected("no line of the sampler", line.into()));
        }
    }
    if ended == Some(samples.len()) {
        return Ok(samples);
    }
    let last: Vec<&str> = console.lines().rev().take(20).collect();
    let last: String = last.into_iter().rev().map(|line| format!("\n  {line}")).collect();
    Err(Failure::Unexpected("the sampler did not come to its end", last))
}

fn take(samples: &mut Vec<Sample>, ended: &mut Option<usize>, words: &[&str]) -> Option<()> {
    let number = |place: usize| words.get(place)?.parse::<u64>().ok();
    let word = |place: usize| words.get(place).copied();
    match word(0)? {
        "end" => *ended = Some(number(1)? as usize),
        "sample" => {
            let whole = number(1)? as usize == samples.len() && number(2)? == 1;
            whole.then_some(())?;
            let (stamp, megahertz) = (number(3)?, number(4)?);
            samples.push(Sample { stamp, megahertz, cores: BTreeMap::new() });
        }
        kind @ ("core" | "used" | "client") => {
            let sample = samples.get_mut(number(1)? as usize)?;
            let core = sample.cores.entry(u16::try_from(number(2)?).ok()?).or_default();
            match kind {
                "core" => {
                    (core.stamp, core.elapsed, core.idle) = (number(3)?, number(4)?, number(5)?);
                    (core.host, core.departed) = (number(6)?, number(7)?);
                }
                "used" => {
                    core.used.insert(word(3)?.into(), number(4)?);
                }
                _ => {
                    let (kind, resource, activity) = (word(3)?, word(4)?, word(5)?);
                    let cycles = number(6)?;
                    if kind == "holder" {
                        let (bytes, requests) = (number(7)?, number(9)?);
                        let name = (resource.into(), activity.into());
                        core.holders.insert(name, Holder { bytes, requests });
                    } else {
                        core.clients += cycles;
                        let of = if kind == "threads" { "threads" } else { resource };
                        *core.by_resource.entry(of.into()).or_default() += cycles;
                    }
                    if kind != "resource" {
                        let resource = if kind == "threads" { "" } else { resource };
                        let part = core.parts.entry((resource.into(), activity.into()));
                        *part.or_default() += cycles;
                    }
                }
            }
        }
        // The activity of this name in the kernel's account.
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
hello\r
sampler sample 0 1 100 2000\r
sampler core 0 0 100 90 5 0 1\r
sampler used 0 0 a 50\r
sampler used 0 0 infrastructure 34\r
sampler client 0 0 threads - a 49 0 0 1 0 0\r
sampler client 0 0 resource resource.file infrastructure 3 0 0 1 0 0\r
sampler client 0 0 holder resource.file a 3 7 0 1 0 0\r
sampler end 1\r
sampler    4.76 %    343674786    0.54 %\r
";

    #[test]
    fn what_the_sampler_prints_is_read() {
        let samples = read(CONSOLE).unwrap();
        assert_eq!((samples.len(), samples[0].megahertz), (1, 2000));
        let core = &samples[0].cores[&0];
        assert_eq!((core.booked(), core.elapsed, core.of("a"), core.of("b")), (90, 90, 50, 0));
        assert_eq!(core.clients, 52, "the multiplexor's alone");
        assert_eq!((core.by_resource["threads"], core.by_resource["resource.file"]), (49, 3));
        let holder = core.holders[&("resource.file".into(), "a".into())];
        assert_eq!(holder, Holder { bytes: 7, requests: 1 });
        assert_eq!((core.at("resource.file", "a"), core.at("", "a")), (3, 49));
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let short = CONSOLE.replace("sampler end 1\r\n", "");
        assert!(read(&short).unwrap_err().to_string().contains("did not come to its end"));
        assert!(read(&CONSOLE.replace("end 1", "end 2")).is_err());
        assert!(read(&CONSOLE.replace("used 0 0 a 50", "used 0 0 a x")).is_err());
        assert!(read(&CONSOLE.replace("sample 0 1", "sample 0 0")).is_err(), "not all data");
        assert!(read("").is_err());
    }
}
