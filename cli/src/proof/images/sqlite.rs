//! Debian's SQLite, unmodified, at work on a disk: what it answers is what it answers on the
//! host, and its database is whole afterwards.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ext4_view::Ext4;

use super::side::{Said, Script, good};
use super::sound;

/// Where Debian has it.
const PROGRAM: &str = "/usr/bin/sqlite3";
/// What it is told.
const WORDS: &str = "/sql";
/// Rows, and transactions that change some of them.
const ROWS: u32 = 3_000;
const TRANSACTIONS: u32 = 24;

/// All that it does: rows, an index, transactions with each kind of journal that needs no
/// memory in common, what goes back, what is deleted, and the whole written anew.
fn words() -> String {
    let mut text = format!(
        "PRAGMA synchronous = full; PRAGMA cache_size = 50;\n\
         CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB);\n\
         CREATE INDEX i ON t(b);\n\
         WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {ROWS})\n\
         INSERT INTO t SELECT x, 'row ' || (x * 7919 % 10007), zeroblob(x % 900) FROM n;\n"
    );
    for turn in 0..TRANSACTIONS {
        let journal = ["DELETE", "TRUNCATE", "PERSIST"].get(turn as usize % 3).unwrap_or(&"OFF");
        let end = if turn % 5 == 4 { "ROLLBACK" } else { "COMMIT" };
        let _ = writeln!(
            text,
            "PRAGMA journal_mode = {journal}; BEGIN;\n\
             UPDATE t SET b = b || '-{turn}', c = zeroblob(a % 1500) WHERE a % 17 = {};\n\
             DELETE FROM t WHERE a % 101 = {turn};\n\
             INSERT INTO t(b, c) SELECT 'new {turn} ' || a, c FROM t WHERE a % 59 = {turn};\n\
             {end}; SELECT count(*), sum(length(b)), sum(length(c)) FROM t;",
            turn % 17
        );
    }
    text + "PRAGMA integrity_check; VACUUM; PRAGMA integrity_check;\n\
            SELECT count(*), sum(a), max(b), sum(length(c)) FROM t;\n"
}

/// Its step.
pub fn steps(script: &mut Script, letter: char) {
    let files = "/bin/files";
    let there = Path::new(PROGRAM).is_file();
    if there {
        script.needs(PROGRAM);
        script.file(WORDS, &words());
    }
    let work = format!("{PROGRAM} /mnt/{letter}/database < {WORDS}; echo ends with $?\n");
    script.step(
        &format!("sqlite-{letter}"),
        &format!(
            "{files} mount /dev/sd{letter} /mnt/{letter}\n{}{files} umount /mnt/{letter}",
            if there { work.as_str() } else { "" }
        ),
    );
}

/// What came of it.
pub fn judge(said: &Said, place: &Path, letter: char, image: &Path) -> Result<String, String> {
    if !Path::new(PROGRAM).is_file() {
        return Ok(format!("no SQLite, the host has no {PROGRAM}"));
    }
    let step = format!("sqlite-{letter}");
    good(said, &step)?;
    let all = said.get(&step).map(Vec::as_slice).unwrap_or_default();
    // A kernel says what it has to say in between, and SQLite that nobody is at home.
    const OTHERS: [&str; 4] = ["files: ", "[", "vortex: ", "-- warning: cannot find home"];
    let is_own = |line: &&String| !OTHERS.iter().any(|begin| line.starts_with(begin));
    let found: Vec<&str> = all.iter().filter(is_own).map(String::as_str).collect();
    let mut expected = run(&place.join("expected"), &words())?;
    expected += "ends with 0\n";
    let expected: Vec<&str> = expected.lines().collect();
    if found != expected {
        let pairs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        let at = pairs.unwrap_or(found.len().min(expected.len()));
        let line = |list: &[&str]| list.get(at).copied().unwrap_or("nothing").to_string();
        return Err(format!("line {at}: {}, on the host {}", line(&found), line(&expected)));
    }
    sound(image)?;
    // What is on the disk is the database, and is whole where others look at it.
    let fs = Ext4::load_from_path(image).map_err(|error| error.to_string())?;
    let database = fs.read("/database").map_err(|error| error.to_string())?;
    let copy = place.join("database");
    std::fs::write(&copy, database).map_err(|error| error.to_string())?;
    match run(&copy, "PRAGMA integrity_check;")?.trim() {
        "ok" => Ok(format!("SQLite with {TRANSACTIONS} transactions")),
        other => Err(format!("the database on the image: {other}")),
    }
}

/// SQLite on the host.
fn run(database: &Path, words: &str) -> Result<String, String> {
    let mut command = Command::new(PROGRAM);
    command.arg(database).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{PROGRAM}: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        let written = std::io::Write::write_all(&mut input, words.as_bytes());
        written.map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
