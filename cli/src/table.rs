//! Aligned tables for terminals: text to the left, numbers to the right.

use std::fmt::Write as _;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a heading for each column.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(name, align)| ((*name).to_string(), *align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines, each indented by two.
    pub fn render(&self) -> String {
        let width = |index: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            cells.map(|cell| cell.chars().count()).chain([name.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(index, (name, _))| width(index, name)).collect();
        let mut text = String::new();
        let head: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        self.line(&mut text, &head, &widths);
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&mut text, &cells, &widths);
        }
        text
    }

    fn line(&self, text: &mut String, cells: &[&str], widths: &[usize]) {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            let _ = match align {
                Align::Left => write!(line, "  {cell:<width$}"),
                Align::Right => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_do_not_trail() {
        let mut table = Table::new(&[("who", Align::Left), ("µs", Align::Right)]);
        table.row(["web".to_string(), "7".to_string()]);
        table.row(["batch".to_string(), "1200".to_string()]);
        assert_eq!(table.render(), "  who      µs\n  web       7\n  batch  1200\n");
    }
}
