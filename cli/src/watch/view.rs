//! The live table, for a terminal: who has what against what each is entitled to, at which
//! resources, and who waited while whom ran.

use super::figures::{Figures, INFRASTRUCTURE};
use super::said;
use super::standing::Standing;
use crate::human;
use crate::table::{Align, Table};

use Align::{Left, Right};

/// Characters of a bar.
const BAR: usize = 20;
/// Resources at which less than this part of all cycles was used are not listed.
const LITTLE: f64 = 0.001;
/// What is sent and received over the network is counted at these.
const SENT: &str = "resource.dwr";
const RECEIVED: &str = "resource.ndrr";

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colour.
    pub colour: bool,
    /// At most so many lines; all where there is no end to the page.
    pub lines: Option<usize>,
    /// At most so many characters in a line.
    pub width: Option<usize>,
}

impl Style {
    /// Text without colour, of any size.
    pub const PLAIN: Self = Self { colour: false, lines: None, width: None };
}

/// The tables of these figures.
pub fn tables(standing: &Standing, figures: &Figures) -> String {
    let mut text = String::new();
    let mut section = |title: &str, table: &Table| {
        if !table.is_empty() {
            text += &format!("{title}\n{}\n", table.render());
        }
    };
    section("Shares of what was used", &activities(standing, figures));
    section("Set apart", &said::apart_table(&figures.said));
    let changed = said::changed(&figures.schedulers, &standing.written);
    section("Schedulers that are not as in the file", &said::schedulers_table(changed));
    section("By resource", &resources(standing, figures));
    section("Who waited while whom ran (sampled)", &blame(standing, figures));
    text += &machine(figures);
    text
}

/// Makes lines of text fit and, with colour, easier to read.
pub fn fit(text: &str, style: Style) -> String {
    let mut fitting = String::new();
    for (place, line) in text.lines().enumerate() {
        if style.lines.is_some_and(|most| place >= most) {
            break;
        }
        let line: String = match style.width {
            Some(width) => line.chars().take(width).collect(),
            None => line.into(),
        };
        fitting += &if style.colour { coloured(&line) } else { line };
        fitting.push('\n');
    }
    fitting
}

/// Titles are bold, bars green, addresses blue, troubles red.
fn coloured(line: &str) -> String {
    const END: &str = "\x1b[0m";
    if line.starts_with("Trouble") {
        return format!("\x1b[31m{line}{END}");
    }
    if !line.is_empty() && !line.starts_with(' ') {
        return format!("\x1b[1m{line}{END}");
    }
    if let Some((before, after)) = line.split_once("http://") {
        let (address, rest) = after.split_at(after.find(' ').unwrap_or(after.len()));
        return format!("{before}\x1b[34mhttp://{address}{END}{rest}");
    }
    match (line.find('█'), line.rfind('█')) {
        (Some(first), Some(last)) => {
            let end = last + '█'.len_utf8();
            let (before, rest) = line.split_at(first);
            let (bar, after) = rest.split_at(end - first);
            format!("{before}\x1b[32m{bar}{END}{after}")
        }
        _ => line.into(),
    }
}

/// The activities in the file's order, then others that there are.
fn names<'a>(standing: &'a Standing, figures: &'a Figures) -> Vec<&'a str> {
    let written = standing.activities.iter().map(String::as_str);
    let others = figures.activities.iter().filter(|(name, held)| {
        !standing.activities.contains(name) && *name != INFRASTRUCTURE && held.cycles > 0
    });
    written.chain(others.map(|(name, _)| name.as_str())).collect()
}

fn rate(amount: u64, seconds: f64) -> String {
    match amount {
        0 => "-".into(),
        amount => human::bytes((amount as f64 / seconds.max(1e-9)) as u64) + "/s",
    }
}

/// A bar of what was had, with a mark where the entitlement ends.
fn bar(had: f64, entitled: f64) -> String {
    let cells = |part: f64| (part.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let (had, mark) = (cells(had), cells(entitled).clamp(1, BAR) - 1);
    let cell = |place: usize| match (place < had, place == mark) {
        (_, true) => '|',
        (true, false) => '█',
        (false, false) => '·',
    };
    (0..BAR).map(cell).collect()
}

fn activities(standing: &Standing, figures: &Figures) -> Table {
    let mut table = Table::new(&[
        ("activity", Left),
        ("entitled", Right),
        ("had", Right),
        ("", Left),
        ("of all time", Right),
        ("memory", Right),
        ("received", Right),
        ("sent", Right),
        ("waited", Right),
        ("mostly while ran", Left),
    ]);
    let (used, elapsed) = (figures.used() as f64, figures.elapsed() as f64);
    let mut row = |name: &str, shares: [String; 3]| {
        let held = figures.activities.get(name).copied().unwrap_or_default();
        let [entitled, had, bar] = shares;
        let waited = figures.waited(name) as f64 / figures.hertz * 1e9;
        table.row([
            name.to_string(),
            entitled,
            had,
            bar,
            human::percent(held.cycles as f64, elapsed),
            human::bytes(held.memory + held.objects),
            rate(figures.bytes(RECEIVED, name), figures.seconds),
            rate(figures.bytes(SENT, name), figures.seconds),
            if waited > 0.0 { human::nanos(waited) } else { "-".into() },
            worst(figures, name),
        ]);
    };
    let now = standing.now(figures);
    for name in names(standing, figures) {
        let entitled = now.get(name).copied();
        let cycles = figures.cycles(name) as f64;
        let had = if used > 0.0 { cycles / used } else { 0.0 };
        row(
            name,
            [
                entitled.map_or("-".into(), |part| human::percent(part, 1.0)),
                human::percent(cycles, used),
                entitled.map_or_else(String::new, |entitled| bar(had, entitled)),
            ],
        );
    }
    row(INFRASTRUCTURE, ["-".into(), "-".into(), String::new()]);
    table
}

/// Who else ran longest while this one waited.
fn worst(figures: &Figures, victim: &str) -> String {
    let Some(causers) = figures.blame.get(victim) else { return String::new() };
    let all: u64 = causers.values().sum();
    match causers.iter().max_by_key(|(_, cycles)| **cycles) {
        Some((causer, cycles)) => {
            let who = if causer == victim { "itself" } else { causer };
            format!("{who} {}", human::percent(*cycles as f64, all as f64))
        }
        None => String::new(),
    }
}

fn resources(standing: &Standing, figures: &Figures) -> Table {
    let names = names(standing, figures);
    let columns: Vec<_> = [("resource", Left), ("of all used", Right)]
        .into_iter()
        .chain(names.iter().map(|name| (*name, Right)))
        .chain([(INFRASTRUCTURE, Right), ("bytes", Right), ("runs", Right), ("mean wait", Right)])
        .collect();
    let mut table = Table::new(&columns);
    let sum = |of: fn(&super::figures::Use) -> u64, resource: &str| -> u64 {
        figures.resources.get(resource).into_iter().flat_map(|all| all.values()).map(of).sum()
    };
    let whole: u64 = figures.resources.keys().map(|name| sum(|of| of.cycles, name)).sum();
    let mut rows: Vec<_> =
        figures.resources.keys().map(|name| (sum(|of| of.cycles, name), name)).collect();
    rows.sort_by_key(|(cycles, name)| (std::cmp::Reverse(*cycles), *name));
    for (cycles, resource) in rows {
        if cycles == 0 || (cycles as f64) < LITTLE * whole as f64 {
            continue;
        }
        let part = |name: &str| {
            let used = figures.resources.get(resource).and_then(|of| of.get(name));
            match used.map_or(0, |used| used.cycles) {
                0 => "-".into(),
                used => human::percent(used as f64, cycles as f64),
            }
        };
        let (runs, waited) = (sum(|of| of.runs, resource), sum(|of| of.waited, resource));
        let mean = waited as f64 / runs.max(1) as f64 / figures.hertz * 1e9;
        table.row(
            [resource.strip_prefix("resource.").unwrap_or(resource).to_string()]
                .into_iter()
                .chain([human::percent(cycles as f64, whole as f64)])
                .chain(names.iter().map(|name| part(name)))
                .chain([part(INFRASTRUCTURE)])
                .chain([
                    rate(sum(|of| of.bytes, resource), figures.seconds),
                    human::grouped((runs as f64 / figures.seconds.max(1e-9)) as u64) + "/s",
                    human::nanos(mean),
                ]),
        );
    }
    table
}

/// A line a victim, a column a causer.
fn blame(standing: &Standing, figures: &Figures) -> Table {
    let mut all = names(standing, figures);
    all.push(INFRASTRUCTURE);
    let columns: Vec<_> =
        [("waited", Left)].into_iter().chain(all.iter().map(|name| (*name, Right))).collect();
    let mut table = Table::new(&columns);
    for victim in &all {
        let Some(causers) = figures.blame.get(*victim) else { continue };
        let whole: u64 = causers.values().sum();
        let part = |causer: &&str| match causers.get(*causer) {
            None | Some(0) => "-".to_string(),
            Some(cycles) => human::percent(*cycles as f64, whole as f64),
        };
        table.row([victim.to_string()].into_iter().chain(all.iter().map(part)));
    }
    table
}

fn machine(figures: &Figures) -> String {
    let residue = match figures.residue {
        0 => "every cycle is on a bill".to_string(),
        cycles => format!("TROUBLE: {cycles} cycles are on no bill"),
    };
    let elapsed = figures.elapsed() as f64;
    format!(
        "{}, {} idle, infrastructure {}; {residue}\n",
        human::count(figures.cores.len(), "core", "cores"),
        human::percent(figures.idle() as f64, elapsed),
        human::percent(figures.cycles(INFRASTRUCTURE) as f64, elapsed),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::figures::{CoreTime, Held, Use};
    use super::*;

    fn figures() -> (Standing, Figures) {
        let standing = Standing {
            activities: vec!["a".into(), "b".into()],
            entitled: BTreeMap::from([("a".into(), 0.75), ("b".into(), 0.25)]),
            ..Standing::default()
        };
        let held = |cycles| Held { cycles, memory: 4096, objects: 0 };
        let used = |cycles| Use { cycles, runs: 2, waited: 400, bytes: 500, ..Use::default() };
        let figures = Figures {
            at: 9.0,
            seconds: 1.0,
            hertz: 1e6,
            cores: vec![CoreTime { core: 0, elapsed: 1_000_000, idle: 200_000, host: 0 }],
            activities: BTreeMap::from([
                ("a".into(), held(600_000)),
                ("b".into(), held(150_000)),
                (INFRASTRUCTURE.into(), held(50_000)),
            ]),
            resources: BTreeMap::from([
                ("resource.tcp".into(), BTreeMap::from([("a".into(), used(750))])),
                ("resource.idle".into(), BTreeMap::from([("a".into(), Use::default())])),
            ]),
            blame: BTreeMap::from([(
                "b".into(),
                BTreeMap::from([("a".into(), 300), ("b".into(), 100)]),
            )]),
            ..Figures::default()
        };
        (standing, figures)
    }

    #[test]
    fn the_tables_say_who_had_what() {
        let (standing, figures) = figures();
        let text = tables(&standing, &figures);
        for part in
            ["a                 75.0 %  80.0 %  ██████████████|█····", "a 75.0 %\n", "100.0 %"]
        {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("idle  "), "{text}");
        assert!(
            text.ends_with("1 core, 20.0 % idle, infrastructure 5.0 %; every cycle is on a bill\n")
        );
        let none = tables(&standing, &Figures::default());
        assert!(none.contains("a "), "{none}");
    }

    #[test]
    fn what_was_ordered_is_shown() {
        let (standing, mut figures) = figures();
        let before = tables(&standing, &figures);
        assert!(!before.contains("Set apart") && !before.contains("Schedulers that"), "{before}");
        let reserved = Some("30 %".into());
        let (activity, at) = ("a".into(), "resource.tcp".into());
        figures.said = vec![said::Apart { activity, at, reserved, ..said::Apart::default() }];
        let (site, policy) = ("resource.tcp".into(), "reserve.mclock".into());
        figures.schedulers = vec![said::Decides { site, policy, ..said::Decides::default() }];
        let text = tables(&standing, &figures);
        for part in ["Set apart\n", "30 %", "Schedulers that are not as in the file\n", "mclock"] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn lines_are_cut_and_coloured_without_changing_what_they_say() {
        let (standing, figures) = figures();
        let text = tables(&standing, &figures) + "  at http://127.0.0.1:1/ x\nTrouble\n";
        let style = Style { colour: true, lines: Some(200), width: Some(200) };
        let coloured = fit(&text, style);
        let mut plain = String::new();
        let mut within = false;
        for letter in coloured.chars() {
            match letter {
                '\x1b' => within = true,
                'm' if within => within = false,
                _ if !within => plain.push(letter),
                _ => {}
            }
        }
        assert_eq!(plain, text);
        assert!(coloured.contains("\x1b[34mhttp://127.0.0.1:1/\x1b[0m x"));
        let small = fit(&text, Style { colour: false, lines: Some(3), width: Some(9) });
        assert_eq!(small.lines().count(), 3);
        assert!(small.lines().all(|line| line.chars().count() <= 9));
        assert_eq!(fit(&text, Style::PLAIN), text);
    }
}
