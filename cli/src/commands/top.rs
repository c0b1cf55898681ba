//! `top`: who has what on a machine that is hosted here, on this terminal.

use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use crate::args::Top;
use crate::config_file;
use crate::failure::Failure;
use crate::home;
use crate::machine::console::{self, Event};
use crate::out;
use crate::running::{self, Found};
use crate::screen::Screen;
use crate::watch::Monitor;
use crate::watch::figures::{Figures, between};
use crate::watch::follow::{EVERY, follow};
use crate::watch::history::History;
use crate::watch::standing::Standing;
use crate::watch::view;

/// Shows it until it is told to stop.
pub fn run(arguments: &Top) -> Result<ExitCode, Failure> {
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let standing = standing(&found);
    if arguments.json {
        let text = serde_json::to_string_pretty(&once(port)?)?;
        out::put(&format!("{text}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.once {
        out::put(&view::tables(&standing, &once(port)?));
        return Ok(ExitCode::SUCCESS);
    }
    let events = console::watch()?;
    let history = History::default();
    let _follower = follow(port, history.clone());
    let screen = Screen::open();
    loop {
        let (figures, trouble) = history.last();
        let number = found.about.process;
        let head = format!("Machine {number}, {}\n\n", found.about.configuration.display());
        let mut text = head;
        if let Some(figures) = &figures {
            text += &view::tables(&standing, figures);
        }
        if let Some(why) = trouble {
            text += &format!("Trouble: {why}\n");
        }
        match &screen {
            Some(screen) => screen.draw(&(text + "\nCtrl-C ends it.\n")),
            None if figures.is_some() => out::put(&format!("{text}\n")),
            None => {}
        }
        match events.receiver.recv_timeout(EVERY) {
            Ok(Event::Quit(_)) | Err(RecvTimeoutError::Disconnected) => break,
            _ => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What happens in one second.
fn once(port: u16) -> Result<Figures, Failure> {
    let mut monitor = Monitor::at(port);
    let mut sample = || monitor.sample().map_err(|error| Failure::Unheard(error.to_string()));
    let first = sample()?;
    thread::sleep(Duration::from_secs(1));
    Ok(between(Some(&first), &sample()?))
}

/// What its configuration says; nothing is held against figures where that cannot be read.
fn standing(found: &Found) -> Standing {
    match config_file::read(&found.about.configuration) {
        Ok(Ok(config)) => Standing::of(&config),
        _ => Standing::default(),
    }
}
