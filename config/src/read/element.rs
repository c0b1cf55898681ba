//! One element at a time: every attribute and child is either expected or a flaw.
//!
//! A single value may be written as an attribute or as an element with text, so
//! `<core>0</core>` and `core="0"` are the same; twice is a flaw.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use roxmltree::Node;

use super::names::{expected, short};
use crate::{Config, Flaw, Known, Place, Warning, limits};

/// The name under which an element's own text is asked for.
pub(super) const TEXT: &str = "";

/// A single value, blanks around it removed and those within it made one.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) place: Place,
    pub(super) text: String,
}

/// What stands in an element.
pub(super) struct Fields<'a, 'input> {
    pub(super) place: Place,
    name: &'input str,
    values: Vec<(&'static str, Field)>,
    pub(super) elements: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Fields<'a, 'input> {
    /// A single value, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&Field> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, field)| field)
    }

    /// The child elements of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.elements.iter().filter(move |node| node.tag_name().name() == name).copied()
    }
}

/// The file being read, and what was found wrong with it.
pub(super) struct Reader<'k> {
    pub(super) known: &'k Known,
    text: &'k str,
    lines: Vec<usize>,
    flaws: Vec<Flaw>,
    warnings: Vec<Warning>,
    more: bool,
}

impl<'k> Reader<'k> {
    pub(super) fn new(text: &'k str, known: &'k Known) -> Self {
        let lines = if text.len() > limits::FILE {
            Vec::new()
        } else {
            let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            core::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        };
        Self { known, text, lines, flaws: Vec::new(), warnings: Vec::new(), more: false }
    }

    /// The place of a byte.
    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        // Columns are counted only so far: a line may be the whole file, with many flaws.
        let within = self.text.get(start..at).unwrap_or_default();
        let column =
            if within.len() > limits::VALUE { within.len() } else { within.chars().count() };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(column + 1) }
    }

    pub(super) fn flaw(&mut self, place: Place, what: impl Into<String>, right: impl Into<String>) {
        if self.flaws.len() >= limits::FLAWS {
            self.more = true;
            return;
        }
        let Place { line, column } = place;
        self.flaws.push(Flaw { line, column, what: what.into(), right: right.into() });
    }

    pub(super) fn warn(&mut self, place: Place, what: impl Into<String>) {
        if self.warnings.len() < limits::FLAWS {
            let Place { line, column } = place;
            self.warnings.push(Warning { line, column, what: what.into() });
        }
    }

    /// A name that nothing has.
    pub(super) fn unknown<'n>(
        &mut self,
        field: &Field,
        kind: &str,
        names: impl Iterator<Item = &'n str>,
    ) {
        if self.flaws.len() < limits::FLAWS {
            let right = expected(&field.text, names);
            self.flaw(field.place, format!("there is no {kind} '{}'", short(&field.text)), right);
        }
    }

    /// A value that is none of its kind.
    pub(super) fn bad(&mut self, field: &Field, right: &str) {
        self.flaw(field.place, format!("'{}' is wrong here", short(&field.text)), right);
    }

    /// Takes an element apart. `values` may stand once each, as attribute or as element;
    /// `elements` any number of times.
    pub(super) fn open<'a, 'input>(
        &mut self,
        node: Node<'a, 'input>,
        values: &'static [&'static str],
        elements: &'static [&'static str],
    ) -> Fields<'a, 'input> {
        let place = self.place(node.range().start);
        let name = node.tag_name().name();
        let mut fields = Fields { place, name, values: Vec::new(), elements: Vec::new() };
        if node.tag_name().namespace().is_some() {
            self.flaw(place, "an element has a namespace", "elements without namespaces");
        }
        for attribute in node.attributes() {
            let at = self.place(attribute.range().start);
            if !values.contains(&attribute.name()) {
                // What is written already is not what was meant.
                let free = values.iter().copied().filter(|own| *own != TEXT);
                let free = free.filter(|own| !node.has_attribute(*own));
                let right = expected(attribute.name(), free);
                let (name, own) = (short(name), short(attribute.name()));
                self.flaw(at, format!("<{name}> has no attribute '{own}'"), right);
                continue;
            }
            let field = Field { place: at, text: squeeze(attribute.value()) };
            self.put(&mut fields, values, attribute.name(), field);
        }
        for child in node.children() {
            let at = self.place(child.range().start);
            let child_name = child.tag_name().name();
            if child.is_element() && elements.contains(&child_name) {
                fields.elements.push(child);
            } else if child.is_element() && values.contains(&child_name) {
                let text = self.text_of(child);
                self.put(&mut fields, values, child_name, Field { place: at, text });
            } else if child.is_element() {
                let all = values.iter().chain(elements).copied().filter(|n| *n != TEXT);
                let right = expected(child_name, all);
                let what = format!("<{}> has no element <{}>", short(name), short(child_name));
                self.flaw(at, what, right);
            } else if child.is_text() && !values.contains(&TEXT) {
                let text = squeeze(child.text().unwrap_or_default());
                if !text.is_empty() {
                    let inside = child.text().unwrap_or_default();
                    let skipped = inside.len() - inside.trim_start().len();
                    let at = self.place(child.range().start + skipped);
                    let what = format!("stray text '{}' in <{}>", short(&text), short(name));
                    self.flaw(at, what, "elements only");
                }
            } else if child.is_pi() {
                self.flaw(at, "a processing instruction has no meaning here", "none");
            }
        }
        if values.contains(&TEXT) {
            let text = own_text(node);
            if !text.is_empty() {
                let field = Field { place, text };
                self.put(&mut fields, values, TEXT, field);
            }
        }
        fields
    }

    fn put(
        &mut self,
        fields: &mut Fields<'_, '_>,
        values: &'static [&'static str],
        name: &str,
        field: Field,
    ) {
        let Some(key) = values.iter().copied().find(|key| *key == name) else { return };
        if fields.get(key).is_some() {
            let what = format!("'{key}' is written twice in <{}>", fields.name);
            self.flaw(field.place, what, "it once");
        } else if field.text.is_empty() {
            let what = format!("'{key}' of <{}> is empty", fields.name);
            self.flaw(field.place, what, "a value, or nothing written at all");
        } else if field.text.len() > limits::VALUE {
            let right = format!("at most {} bytes", limits::VALUE);
            self.flaw(field.place, format!("'{key}' is too long"), right);
        } else {
            fields.values.push((key, field));
        }
    }

    /// The text of an element that has nothing else.
    fn text_of(&mut self, node: Node<'_, '_>) -> String {
        let name = node.tag_name().name();
        for child in node.children().filter(Node::is_element) {
            let place = self.place(child.range().start);
            let inner = child.tag_name().name();
            let what = format!("<{name}> has no element <{}>", short(inner));
            self.flaw(place, what, "a value");
        }
        for attribute in node.attributes() {
            let place = self.place(attribute.range().start);
            let what = format!("<{name}> has no attribute '{}'", short(attribute.name()));
            self.flaw(place, what, "a value as text");
        }
        own_text(node)
    }

    /// A value that has to be there.
    pub(super) fn need(&mut self, fields: &Fields<'_, '_>, name: &str) -> Option<Field> {
        let found = fields.get(name).cloned();
        // An empty or doubled value has its flaw already.
        let place = fields.place;
        let said = |f: &Flaw| {
            (f.line, f.column) >= (place.line, place.column) && {
                f.what == format!("'{name}' of <{}> is empty", fields.name)
            }
        };
        if found.is_none() && !self.flaws.iter().rev().take(8).any(said) {
            let (what, right) = if name == TEXT {
                (format!("<{}> is empty", fields.name), "a value as text".to_string())
            } else {
                (format!("<{}> has no '{name}'", fields.name), format!("<{name}>, or {name}=\"…\""))
            };
            self.flaw(place, what, right);
        }
        found
    }

    pub(super) fn flaws(mut self) -> Vec<Flaw> {
        self.flaws.sort();
        self.flaws.dedup();
        if self.more {
            let line = self.flaws.last().map_or(1, |flaw| flaw.line);
            let what = format!("there are more than {} flaws", limits::FLAWS);
            let right = "those above mended first".to_string();
            self.flaws.push(Flaw { line, column: 1, what, right });
        }
        self.flaws
    }

    pub(super) fn finish(mut self, mut config: Config) -> Result<Config, Vec<Flaw>> {
        if !self.flaws.is_empty() {
            return Err(self.flaws());
        }
        self.warnings.sort();
        config.warnings = self.warnings;
        Ok(config)
    }
}

fn own_text(node: Node<'_, '_>) -> String {
    let parts = node.children().filter(Node::is_text).filter_map(|text| text.text());
    squeeze(&parts.collect::<String>())
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
