//! The arguments of `image`.

use std::path::PathBuf;

use clap::Args as Arguments;

/// Arguments of `image`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  ./vortex image root/ -o root.img                a directory, everything in it root's
  ./vortex image debian.tar.xz -o debian.img      a tar, with the owners that it says
  ./vortex image root/ -o root.img --size 256M    with room to write
  ./vortex run --disk root.img                    the image as /dev/sda

No root rights are needed. The same input gives the same bytes. Of a directory, modes, times,
links and devices are kept; of a tar the owners too. Extended attributes are not.")]
pub struct Image {
    /// A directory, or a tar (also one packed by gzip, xz or zstd).
    #[arg(value_name = "DIR|TAR")]
    pub source: PathBuf,
    /// Where the image goes.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// How large, such as 64M or 1G; not said: what the content needs, a quarter more, and 4M.
    #[arg(long, value_name = "N", value_parser = size)]
    pub size: Option<u64>,
    /// Bytes of a block.
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = block)]
    pub block: u32,
    /// How many inodes; not said: what the content needs, and a quarter more.
    #[arg(long, value_name = "N")]
    pub inodes: Option<u64>,
    /// The file system's label, of 16 bytes at most.
    #[arg(long, value_name = "L", default_value = "", value_parser = label)]
    pub label: String,
    /// Overwrite the image if it is there.
    #[arg(long)]
    pub force: bool,
}

fn size(text: &str) -> Result<u64, String> {
    let units = [("K", 10), ("k", 10), ("M", 20), ("m", 20), ("G", 30), ("g", 30)];
    let found = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = found.unwrap_or((text, 0));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    // What ext2 has at most with blocks of 4 KiB.
    number
        .filter(|number| (1..=16 << 40).contains(number))
        .ok_or_else(|| "a number of bytes such as 67108864, 64M or 1G, up to 16384G".into())
}

fn block(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(bytes @ (1024 | 2048 | 4096)) => Ok(bytes),
        _ => Err("1024, 2048 or 4096".into()),
    }
}

fn label(text: &str) -> Result<String, String> {
    if text.len() <= 16 { Ok(text.into()) } else { Err("at most 16 bytes".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("5k"), Ok(5120));
        assert_eq!(size("1000"), Ok(1000));
        for wrong in ["", "M", "0", "-1", "1T", "99999999999G", "17000G", "1.5M"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(block("512").is_err() && block("1024").is_ok());
        assert!(label("12345678901234567").is_err());
    }
}
