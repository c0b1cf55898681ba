//! Works on a file system on a disk, and knows what must be in it: `./vortex test images` runs
//! it on Debian's kernel and on Vortex, and looks at the disk afterwards.
//!
//! `work` is what chance says from a seed: the same names, contents, modes and times at the end
//! on every kernel, whatever the order in which its processes ran. `tree` says what is there in
//! one number.

mod bytes;
mod calls;
mod fill;
mod map;
mod model;
mod names;
mod power;
mod probe;
mod shared;
mod streams;
mod tree;
mod work;
mod worker;

use vortex_guest::args::Args;
use vortex_guest::{proc, say};

const USAGE: &str = "\
usage: files mount DISK PLACE | umount PLACE
       files work PLACE --seed N --count N --processes N
       files tree PLACE
       files fill PLACE | filled PLACE
       files read PATH
       files probe PLACE
       files map PLACE
       files power PLACE --count N
       files names DISK PLACE --count N
       files lay DISK PLACE --count N --bytes N --threads N
       files stream DISK PLACE --first N --count N --threads N --bytes N --seconds N";

/// Something is not as it must be.
pub fn fail(why: &str) -> ! {
    say!("files: WRONG: {why}");
    proc::exit(1)
}

fn main() {
    let mut args = Args::new(USAGE);
    let seed = args.number("--seed").unwrap_or(1);
    let count = args.number("--count").unwrap_or(100);
    let processes = args.number("--processes").unwrap_or(1);
    let bytes = args.number("--bytes").unwrap_or(2 << 20) as usize;
    let threads = args.number("--threads").unwrap_or(8);
    let wanted = streams::Wanted {
        first: args.number("--first").unwrap_or(0),
        files: count,
        threads,
        bytes,
        seconds: args.number("--seconds").unwrap_or(5),
    };
    let words = [args.word(), args.word(), args.word()].map(Option::unwrap_or_default);
    let [what, place, more] = &words;
    let two = matches!(what.as_str(), "mount" | "names" | "lay" | "stream");
    if place.is_empty() || more.is_empty() == two {
        args.wrong("what is it to do, and where?");
    }
    match what.as_str() {
        "mount" | "umount" | "work" | "tree" | "fill" | "filled" | "read" | "probe" | "map"
        | "power" | "names" | "lay" | "stream" => args.end(),
        other => args.wrong(&format!("'{other}' is not known")),
    }
    match what.as_str() {
        "mount" => calls::mounted(place, more),
        "umount" => calls::unmounted(place),
        "work" => work::all(place, seed, count, processes),
        "tree" => tree::tell(place),
        "fill" => fill::fill(place),
        "filled" => fill::filled(place),
        "read" => probe::read(place),
        "probe" => probe::all(place),
        "map" => map::all(place),
        "names" => names::all(place, more, count),
        "lay" => streams::lay(place, more, count, bytes, threads),
        "stream" => streams::stream(place, more, wanted),
        _ => power::run(place, count),
    }
    proc::exit(0);
}
