//! The dashboard: a page that shows a hosted machine, served to browsers on this host.
//!
//! The page is in this command, with all that it needs; it asks for the figures of the last
//! seconds once a second. Nothing can be changed through it.
//!
//! # Invariants
//! - It is served at 127.0.0.1 alone, and only to who names this host so: a page from
//!   elsewhere that has its own name lead here gets nothing.
//! - Requests are answered one a connection, on a thread each, at most a few at once.

mod request;
mod server;

use serde::Serialize;

use crate::commands::Door;
use crate::watch::figures::Figures;
use crate::watch::history::History;
use crate::watch::standing::Standing;
pub use server::Dashboard;

/// What the page is told of the machine, once.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What is hosted.
    pub title: String,
    /// What executes it.
    pub accelerator: String,
    /// Seconds since 1970 when it was begun.
    pub begun: u64,
    /// Where its services answer.
    pub doors: Vec<Door>,
    /// Who is entitled to what.
    pub standing: Standing,
}

/// What the page is told each second.
#[derive(Serialize)]
struct News<'a> {
    /// Why there is nothing new, if something is wrong.
    trouble: Option<String>,
    /// By number.
    figures: Vec<(u64, &'a Figures)>,
}

/// A file of the page's: its path, type and content.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];

/// What is answered to a path: a type and a content; nothing where there is nothing.
fn content(path: &str, machine: &Machine, history: &History) -> Option<(&'static str, Vec<u8>)> {
    const JSON: &str = "application/json";
    if let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) {
        return Some((kind, text.as_bytes().to_vec()));
    }
    if path == "/api/machine" {
        return Some((JSON, serde_json::to_vec(machine).ok()?));
    }
    let since = path.strip_prefix("/api/figures?since=")?.parse().ok()?;
    let (figures, trouble) = history.since(since);
    let figures = figures.iter().map(|(number, figures)| (*number, &**figures)).collect();
    Some((JSON, serde_json::to_vec(&News { trouble, figures }).ok()?))
}

#[cfg(test)]
mod tests;
