//! Hosting: a machine whose configuration has a monitor runs with its console in a log, and
//! a live table of who has what in its place.
//!
//! On a terminal the table is redrawn each second; elsewhere it is printed every so often,
//! as plain text.

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT as INTERRUPT, SIGTERM as TERMINATE};

use super::lines::Lines;
use super::ports::Door;
use crate::failure::Failure;
use crate::human;
use crate::machine::console::{self, Backtrace, Listener, Manner, Quit, Symbols, Watched};
use crate::machine::ending::Ending;
use crate::machine::qemu::Machine;
use crate::out;
use crate::running::Hosted;
use crate::screen::Screen;
use crate::watch::follow::Follower;
use crate::watch::history::History;
use crate::watch::standing::Standing;
use crate::watch::view::{self, Style};

/// Lines of the console that are kept in sight.
const IN_SIGHT: usize = 4;
/// How often a terminal is drawn anew, and how often there is a table without one.
const DRAWN: Duration = Duration::from_secs(1);
/// Signals that tell it to end.
const SIGINT: u8 = INTERRUPT as u8;
const SIGTERM: u8 = TERMINATE as u8;

/// What is shown of a machine.
pub struct Hosting {
    /// What is hosted, and on what.
    pub title: String,
    /// Where its services answer.
    pub doors: Vec<Door>,
    /// The dashboard's port.
    pub dashboard: Option<u16>,
    /// Who is entitled to what.
    pub standing: Standing,
    /// Its figures.
    pub history: History,
    /// Where its console is kept.
    pub log: File,
    /// The console's text, with names for a backtrace's addresses.
    pub console: Backtrace<Symbols>,
    /// How often there is a table where there is no terminal.
    pub every: Duration,
    /// A terminal, if standard output is one.
    pub screen: Option<Screen>,
    /// What changes while it runs.
    pub state: State,
    /// What other commands find it by, and what fetches its figures: until it ends.
    pub _kept: (Hosted, Option<Follower>),
}

/// What changes while it runs.
pub struct State {
    began: Instant,
    shown: Option<Instant>,
    lines: Lines,
    greeted: bool,
}

impl State {
    /// Of a machine that begins now.
    pub fn new() -> Self {
        Self { began: Instant::now(), shown: None, lines: Lines::default(), greeted: false }
    }
}

/// Runs it to its end.
///
/// # Errors
/// Those of the console.
pub fn host(
    mut hosting: Hosting,
    machine: &Machine,
    events: &Watched,
    limit: Option<Duration>,
) -> Result<ExitCode, Failure> {
    let manner = Manner { limit, with_status: machine.ends_with_status() };
    let ending = console::host(machine.command(), events, manner, &mut hosting);
    // Whoever hosts ends it by a key or by './vortex stop': that is what both are for.
    let told = matches!(ending, Ok(Ending::Stopped(Quit::Signal(SIGINT | SIGTERM))));
    hosting.end(told || matches!(ending, Ok(Ending::Good | Ending::Stopped(_))));
    let ending = ending?;
    eprintln!("vortex: {}", if told { "ended".into() } else { ending.to_string() });
    Ok(ExitCode::from(if told { 0 } else { ending.code() }))
}

impl Listener for Hosting {
    fn output(&mut self, bytes: &[u8]) {
        let text = self.console.take(bytes);
        // A log that cannot be written is no reason to end what is hosted.
        let _ = self.log.write_all(&text);
        self.state.lines.take(&text);
    }

    fn complaint(&mut self, line: &str) {
        self.state.lines.push(&format!("QEMU: {line}"));
    }

    fn look(&mut self) {
        let every = if self.screen.is_some() { DRAWN } else { self.every };
        if self.state.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        let (figures, _) = self.history.last();
        match &self.screen {
            Some(screen) => {
                screen.draw(&self.text());
                self.state.shown = Some(Instant::now());
            }
            None if !self.state.greeted => {
                out::put(&self.head());
                self.state.greeted = true;
            }
            None if figures.is_some() => {
                let up = human::span(self.state.began.elapsed());
                out::put(&format!("\nUp {up}\n\n{}", view::fit(&self.tables(), Style::PLAIN)));
                self.state.shown = Some(Instant::now());
            }
            None => {}
        }
    }
}

impl Hosting {
    /// The terminal is as it was before; where the machine did not end well, its last words.
    pub fn end(&mut self, well: bool) {
        let was_drawn = self.screen.take().is_some();
        if was_drawn {
            let up = human::span(self.state.began.elapsed());
            let tables = match self.history.whole() {
                Some(whole) => view::tables(&self.standing, &whole),
                None => String::new(),
            };
            out::put(&format!("{}In all of {up}:\n\n{tables}", self.head()));
        }
        if !well {
            self.state.lines.finish();
            for line in self.state.lines.last(usize::MAX) {
                eprintln!("{line}");
            }
        }
    }

    /// Where everything is.
    fn head(&self) -> String {
        let mut rows: Vec<(String, String, String)> = Vec::new();
        let figures = self.history.last().0;
        let now =
            figures.map_or_else(|| self.standing.entitled.clone(), |of| self.standing.now(&of));
        for door in &self.doors {
            let (host, guest) = (door.host, door.guest);
            let share = now.get(&door.activity);
            let share = share.map(|part| human::percent(*part, 1.0)).unwrap_or_default();
            let address = match door {
                Door { monitor: true, .. } => format!("http://127.0.0.1:{host}/metrics"),
                Door { datagrams: true, .. } => format!("127.0.0.1:{host}/udp (port {guest})"),
                _ => format!("http://127.0.0.1:{host}/"),
            };
            rows.push((door.activity.clone(), share, address));
        }
        if let Some(port) = self.dashboard {
            rows.push(("dashboard".into(), String::new(), format!("http://127.0.0.1:{port}/")));
        }
        let width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
        let lines = rows
            .iter()
            .map(|(name, share, address)| format!("  {name:<width$}  {share:>7}  {address}\n"));
        format!("Vortex hosts {}\n\n{}\n", self.title, lines.collect::<String>())
    }

    fn tables(&self) -> String {
        let (figures, trouble) = self.history.last();
        let mut text = match &figures {
            Some(figures) => view::tables(&self.standing, figures),
            None => "It boots; the figures come with the monitor's first answer.\n".into(),
        };
        if let (Some(why), true) = (trouble, figures.is_some()) {
            text += &format!("Trouble: {why}\n");
        }
        text
    }

    fn text(&self) -> String {
        let up = human::span(self.state.began.elapsed());
        let mut text = format!("{}{}", self.head(), self.tables());
        text += "\nConsole (all of it: ./vortex logs)\n";
        for line in self.state.lines.last(IN_SIGHT) {
            text += &format!("  {line}\n");
        }
        text + &format!("\nUp {up}. Ctrl-C ends it.\n")
    }
}
