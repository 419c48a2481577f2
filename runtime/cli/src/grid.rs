//! Tables of text, for people.

/// Rows under a header, in columns as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Grid {
    header: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A grid with these column names; a name that begins with `>` stands over a column set to the right.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.iter().map(|name| name.trim_start_matches('>')).collect(),
            right: header.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The grid as text.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| columns_of(cell));
            cells.chain([columns_of(self.header[column])]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let lines = [header, rule].into_iter().chain(self.rows.iter().cloned());
        lines.map(|cells| self.line(&cells, &widths)).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths.get(column).copied().unwrap_or(0);
            let space = " ".repeat(width.saturating_sub(columns_of(cell)));
            if self.right.get(column).copied().unwrap_or(false) {
                format!("{space}{cell}")
            } else {
                format!("{cell}{space}")
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

/// How many columns of a terminal a text takes up: the scripts of East Asia take two a character.
fn columns_of(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let mut grid = Grid::new(&["table", ">rows"]);
        grid.row(vec!["public.orders".into(), "5".into()]);
        grid.row(vec!["a.ü".into(), "12,000".into()]);
        assert_eq!(
            grid.render(),
            "table            rows\n─────────────  ──────\npublic.orders       5\na.ü            12,000\n"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut grid = Grid::new(&["city", "n"]);
        grid.row(vec!["大阪市".into(), "1".into()]);
        grid.row(vec!["Köln".into(), "2".into()]);
        assert_eq!(grid.render(), "city    n\n──────  ─\n大阪市  1\nKöln    2\n");
    }
}
