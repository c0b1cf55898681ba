//! From text to [`Config`].
//!
//! Reading goes on after a flaw with a stand-in for what was wrong, so that one run finds
//! all; the stand-ins never leave this module, because a file with a flaw has no `Config`.

mod activities;
mod element;
mod graph;
mod groups;
mod names;
mod order;
mod rates;
mod resources;
mod scan;
mod schedulers;
mod services;
mod simulation;
mod steps;
mod value;
mod whole;

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use roxmltree::{Document, ParsingOptions};

use crate::{Config, Flaw, Known, limits};
use element::Reader;
pub use order::{Judging, Refusal, order};

/// Reads a configuration for the policies and resources of [`Known::default`], which are those
/// that files had from the beginning: whoever has a repository of policies says what is there.
///
/// # Errors
/// Every flaw of the file, in the order of the file; never an empty list.
pub fn parse(text: &str) -> Result<Config, Vec<Flaw>> {
    parse_with(text, &Known::default())
}

/// Reads a configuration.
///
/// # Errors
/// Every flaw of the file, in the order of the file; never an empty list. A file that is
/// no XML has one: what follows it cannot be understood.
pub fn parse_with(text: &str, known: &Known) -> Result<Config, Vec<Flaw>> {
    let mut reader = Reader::new(text, known);
    if let Err(flaw) = scan::scan(text) {
        let (at, what, right) = flaw;
        reader.flaw(reader.place(at), what, right);
        return Err(reader.flaws());
    }
    let options = ParsingOptions { nodes_limit: limits::NODES, ..ParsingOptions::default() };
    match Document::parse_with_options(text, options) {
        Err(error) => {
            let at = error.pos();
            let place = crate::Place { line: at.row, column: at.col };
            let (what, right) = match error {
                roxmltree::Error::NodesLimitReached => (
                    format!("the file has more than {} XML nodes", limits::NODES),
                    "a smaller file".to_string(),
                ),
                roxmltree::Error::DtdDetected => {
                    ("the file has a DTD".to_string(), "a file without <!DOCTYPE>".to_string())
                }
                other => {
                    (format!("this is not well-formed XML: {other}"), "well-formed XML".to_string())
                }
            };
            reader.flaw(place, what, right);
            Err(reader.flaws())
        }
        Ok(document) => {
            let config = whole::whole(&mut reader, document.root_element());
            reader.finish(config)
        }
    }
}
