//! The answer that was accepted for a sample, kept beside it as JSON lines, and what differs from it.
//!
//! A line is an output row in the order in which rows come out: its columns, the number of its row in the sample
//! (`_row`) and its op (`_op`). A rejected row is `{"_row": 3, "_rejected": "reason"}`. `_row` and `_op` may be left out
//! of lines that a person writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use arrow_schema::ArrowError;
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_transform::Shaped;

use crate::cells;
use crate::project::ProjectError;
use crate::trial::sources;

const ROW: &str = "_row";
const OP: &str = "_op";
const REJECTED: &str = "_rejected";

/// Something that is not as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The line of the accepted answer, from 1; absent where it has no such line.
    pub line: Option<usize>,
    /// What differs.
    pub what: String,
}

/// A row that came out, or was rejected: its names in the order in which they are written.
#[derive(Debug, Clone, PartialEq)]
struct Answer(Vec<(String, Value)>);

impl Answer {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// The answer as the text of a file.
pub fn text(shaped: &Shaped) -> Result<String, ArrowError> {
    let mut text = String::new();
    for Answer(values) in answers(shaped)? {
        let pairs = values.into_iter().map(|(name, value)| format!("{}: {value}", Value::String(name)));
        text.push_str(&format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(", ")));
    }
    Ok(text)
}

fn answers(shaped: &Shaped) -> Result<Vec<Answer>, ArrowError> {
    let sources = sources(shaped);
    let mut found = Vec::new();
    let mut rejects = shaped.rejects.iter().peekable();
    let mut reject_until = |row: u32, found: &mut Vec<Answer>| {
        while let Some(reject) = rejects.next_if(|reject| reject.row < row) {
            let reason = match &reject.column {
                Some(column) => format!("column `{column}`: {}", reject.reason),
                None => reject.reason.clone(),
            };
            found.push(Answer(vec![(ROW.into(), (reject.row + 1).into()), (REJECTED.into(), reason.into())]));
        }
    };
    let schema = shaped.rows.schema();
    for (out, op) in shaped.ops.iter().enumerate() {
        let source = sources.value(out);
        reject_until(source, &mut found);
        let mut values = vec![(ROW.into(), (source + 1).into()), (OP.into(), op.code().into())];
        for (field, column) in schema.fields().iter().zip(shaped.rows.columns()) {
            values.push((field.name().clone(), cells::json(column, out)?));
        }
        found.push(Answer(values));
    }
    reject_until(u32::MAX, &mut found);
    Ok(found)
}

/// The accepted answer in a file; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<String>, ProjectError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ProjectError::file("read", path)(error)),
    }
}

/// Accepts an answer.
pub fn write(path: &Path, text: &str) -> Result<(), ProjectError> {
    fs::write(path, text).map_err(ProjectError::file("write", path))
}

/// What differs from the accepted answer, which is the text of a file. What the text gets wrong is said in words.
pub fn mismatches(expected: &str, shaped: &Shaped) -> Result<Vec<Mismatch>, String> {
    let got = answers(shaped).map_err(|error| error.to_string())?;
    let mut wanted = Vec::new();
    for (number, line) in expected.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let values: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| format!("line {}: {error}; each line is a JSON object", number + 1))?;
        wanted.push((number + 1, values));
    }
    let mut found = Vec::new();
    // Where every line says its row, a line too many or too few does not make all that follow differ.
    if wanted.iter().all(|(_, values)| values.contains_key(ROW)) {
        let mut places: BTreeMap<(u64, usize), usize> = BTreeMap::new();
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        for (place, answer) in got.iter().enumerate() {
            places.insert(occurrence(&mut seen, answer.value(ROW)), place);
        }
        let mut seen = BTreeMap::new();
        for (line, values) in &wanted {
            let place = places.remove(&occurrence(&mut seen, values.get(ROW)));
            compare(*line, values, place.map(|place| &got[place]), &mut found);
        }
        found.extend(places.into_values().map(|place| extra(&got[place])));
    } else {
        for (place, (line, values)) in wanted.iter().enumerate() {
            compare(*line, values, got.get(place), &mut found);
        }
        found.extend(got.iter().skip(wanted.len()).map(extra));
    }
    Ok(found)
}

/// The row that an answer is of, and the how-manieth of this row it is.
fn occurrence(seen: &mut BTreeMap<u64, usize>, row: Option<&Value>) -> (u64, usize) {
    let row = row.and_then(Value::as_u64).unwrap_or_default();
    let count = seen.entry(row).or_default();
    *count += 1;
    (row, *count)
}

fn extra(answer: &Answer) -> Mismatch {
    let row = answer.value(ROW).cloned().unwrap_or_default();
    let what = match answer.value(REJECTED) {
        Some(reason) => format!("row {row} was rejected ({reason}), which was not expected"),
        None => format!("a row came out of row {row} that was not expected"),
    };
    Mismatch { line: None, what }
}

fn compare(line: usize, wanted: &Map<String, Value>, got: Option<&Answer>, found: &mut Vec<Mismatch>) {
    let mut differs = |what: String| found.push(Mismatch { line: Some(line), what });
    let Some(got) = got else {
        return differs(match wanted.get(REJECTED) {
            Some(reason) => format!("a row was to be rejected ({reason}) and was not"),
            None => "a row was to come out and did not".to_owned(),
        });
    };
    match (wanted.get(REJECTED), got.value(REJECTED)) {
        (None, Some(reason)) => return differs(format!("the row was to come out and was rejected: {reason}")),
        (Some(reason), None) => return differs(format!("the row was to be rejected ({reason}) and came out")),
        _ => {}
    }
    for (name, value) in wanted {
        match got.value(name) {
            None => differs(format!("there is no column `{name}`; expected {value}")),
            Some(other) if other != value => differs(format!("{name}: expected {value}, got {other}")),
            Some(_) => {}
        }
    }
    for (name, value) in &got.0 {
        if name != ROW && name != OP && !wanted.contains_key(name) {
            differs(format!("{name}: {value} was not expected"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::{Upper, sample};
    use crate::{Subject, Trial};

    fn shaped() -> Shaped {
        let sample = sample("id:long,name:string\n1,a\n2,bad\n3,drop\n4,\n");
        Trial::run(&Upper::default() as &dyn Subject, &sample).unwrap().run.shaped
    }

    #[test]
    fn what_is_written_is_what_is_expected() {
        let text = text(&shaped()).unwrap();
        assert_eq!(
            text,
            "{\"_row\": 1, \"_op\": \"I\", \"id\": 1, \"name\": \"A\"}\n\
             {\"_row\": 2, \"_rejected\": \"bad is refused\"}\n\
             {\"_row\": 3, \"_op\": \"D\", \"id\": 3, \"name\": \"DROP\"}\n\
             {\"_row\": 4, \"_op\": \"I\", \"id\": 4, \"name\": null}\n"
        );
        assert_eq!(mismatches(&text, &shaped()), Ok(Vec::new()));
    }

    #[test]
    fn a_person_may_leave_out_what_goes_without_saying() {
        let text = "{\"id\": 1, \"name\": \"A\"}\n{\"_rejected\": \"bad is refused\"}\n{\"id\": 3, \"name\": \"DROP\"}\n\
                    {\"id\": 4, \"name\": null}\n";
        assert_eq!(mismatches(text, &shaped()), Ok(Vec::new()));
    }

    #[test]
    fn differences_name_the_line_and_both_values() {
        let text = text(&shaped()).unwrap().replace("\"A\"", "\"B\"").replace("bad is refused", "no");
        let found = mismatches(&text, &shaped()).unwrap();
        assert_eq!(found[0], Mismatch { line: Some(1), what: "name: expected \"B\", got \"A\"".into() });
        assert_eq!(found[1].line, Some(2));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_missing_line_is_one_difference_and_not_many() {
        let text: String = text(&shaped()).unwrap().split_inclusive('\n').skip(1).collect();
        let found = mismatches(&text, &shaped()).unwrap();
        assert_eq!(found, [Mismatch { line: None, what: "a row came out of row 1 that was not expected".into() }]);
        let more = text + "{\"_row\": 9, \"id\": 9, \"name\": null}\n";
        assert!(mismatches(&more, &shaped()).unwrap().iter().any(|found| found.what.contains("was to come out")));
        assert!(mismatches("[]\n", &shaped()).unwrap_err().contains("line 1"));
    }
}
