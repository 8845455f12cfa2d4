//! Rows and columns, as a terminal shows them and as Markdown does.

use std::{fmt::Write as _, ops::RangeBounds};

use comfy_table::{CellAlignment, Table, presets};

/// A table that is not laid out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    heads: Vec<String>,
    /// Whether each column holds numbers, which stand to the right.
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// Without rows. `numbers` are the columns that hold some.
    pub fn new<H: Into<String>>(heads: impl IntoIterator<Item = H>, numbers: impl RangeBounds<usize>) -> Self {
        let heads: Vec<String> = heads.into_iter().map(Into::into).collect();
        let numeric = (0..heads.len()).map(|column| numbers.contains(&column)).collect();
        Self { heads, numeric, rows: Vec::new() }
    }

    /// Adds a row, which has as many columns as there are heads.
    pub fn add<C: Into<String>>(&mut self, row: impl IntoIterator<Item = C>) {
        let row: Vec<String> = row.into_iter().map(Into::into).collect();
        debug_assert_eq!(row.len(), self.heads.len());
        self.rows.push(row);
    }

    /// Itself; `None` if it has no rows.
    pub fn unless_empty(self) -> Option<Self> {
        (!self.rows.is_empty()).then_some(self)
    }

    /// With lines around it, and columns as wide as what is in them.
    pub fn framed(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(&self.heads);
        table.add_rows(&self.rows);
        for (column, _) in table.column_iter_mut().zip(&self.numeric).filter(|(_, numeric)| **numeric) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    /// As a table of GitHub's Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let rules = self.numeric.iter().map(|numeric| if *numeric { "---:" } else { "---" });
        let _ = writeln!(text, "{}", line(&self.heads));
        let _ = writeln!(text, "|{}|", rules.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        text
    }
}

fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_no_cell_ends_early() {
        let mut grid = Grid::new(["name", "count"], 1..);
        grid.add(["a|b\nc", "1"]);
        assert_eq!(grid.markdown(), "| name | count |\n|---|---:|\n| a\\|b c | 1 |\n");
        let mut grid = Grid::new(["name", "count"], 1..);
        grid.add(["long name", "1"]);
        let framed = grid.framed();
        assert!(framed.contains("│ long name ┆     1 │"), "{framed}");
        assert_eq!(Grid::new(["name"], ..0).unless_empty(), None);
    }
}
