use std::collections::HashMap;

/// Which cells of a batch the source did not send: their columns keep the value that they had.
///
/// Rows with the same unsent columns share a pattern, so a row costs one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    rows: Vec<u32>,
    patterns: Vec<Vec<String>>,
}

impl Unsent {
    /// Of each row the number of its pattern; pattern 0 has no columns and stands for a row that was sent whole.
    ///
    /// `None` where every row was sent whole, or a number has no pattern.
    pub fn new(rows: Vec<u32>, patterns: Vec<Vec<String>>) -> Option<Self> {
        let sound = patterns.first().is_some_and(Vec::is_empty);
        let known = rows.iter().all(|row| (*row as usize) < patterns.len());
        (sound && known && rows.iter().any(|row| *row != 0)).then_some(Self { rows, patterns })
    }

    /// The pattern of each row.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The names of the columns that each pattern leaves out, under their names in the batch.
    pub fn patterns(&self) -> &[Vec<String>] {
        &self.patterns
    }

    /// The rows from `start` on; `None` where all of them were sent whole.
    pub fn slice(&self, start: usize, length: usize) -> Option<Self> {
        Self::new(self.rows.get(start..start + length)?.to_vec(), self.patterns.clone())
    }

    /// The rows that are kept; `None` where all of them were sent whole.
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let kept = self.rows.iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, pattern)| *pattern);
        Self::new(kept.collect(), self.patterns.clone())
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        let names: usize = self.patterns.iter().flatten().map(|name| name.len() + size_of::<String>()).sum();
        self.rows.capacity() * size_of::<u32>() + names
    }
}

/// Collects the unsent cells of a batch that grows.
#[derive(Debug, Default)]
pub struct UnsentBuilder {
    rows: Vec<u32>,
    numbers: HashMap<Vec<u32>, u32>,
}

impl UnsentBuilder {
    /// Adds a row that lacks these columns, given by their numbers in ascending order.
    pub fn push(&mut self, columns: &[u32]) {
        if columns.is_empty() {
            self.rows.push(0);
            return;
        }
        let number = match self.numbers.get(columns) {
            Some(number) => *number,
            None => {
                let number = self.numbers.len() as u32 + 1;
                self.numbers.insert(columns.to_vec(), number);
                number
            }
        };
        self.rows.push(number);
    }

    /// The finished marks; `name` gives the name of a column's number. `None` where every row was sent whole.
    pub fn finish(self, name: impl Fn(u32) -> String) -> Option<Unsent> {
        let mut patterns = vec![Vec::new(); self.numbers.len() + 1];
        for (columns, number) in self.numbers {
            patterns[number as usize] = columns.into_iter().map(&name).collect();
        }
        Unsent::new(self.rows, patterns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_the_same_unsent_columns_share_a_pattern() {
        let mut builder = UnsentBuilder::default();
        for columns in [&[][..], &[1, 2], &[2], &[1, 2]] {
            builder.push(columns);
        }
        let unsent = builder.finish(|column| format!("c{column}")).unwrap();
        assert_eq!(unsent.rows(), [0, 1, 2, 1]);
        assert_eq!(unsent.patterns()[1], ["c1", "c2"]);
        assert_eq!(unsent.slice(1, 2).unwrap().rows(), [1, 2]);
        assert_eq!(unsent.slice(0, 1), None);
        assert_eq!(unsent.filter(|row| row == 2).unwrap().rows(), [2]);
        assert_eq!(UnsentBuilder::default().finish(|_| String::new()), None);
    }
}
