//! Splits a bounded sample of CSV into records, for looking at; decoding has a splitter of its own.

/// A value and whether it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub text: String,
    pub quoted: bool,
}

/// The records of a text. A record without its line end is left out unless the text is `whole`.
pub(super) fn split(text: &str, delimiter: char, whole: bool, most: usize) -> Vec<Vec<Value>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut value = Value { text: String::new(), quoted: false };
    let mut within = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if within && letters.peek() == Some(&'"') => {
                letters.next();
                value.text.push('"');
            }
            '"' if within => within = false,
            '"' if value.text.is_empty() && !value.quoted => {
                within = true;
                value.quoted = true;
            }
            letter if letter == delimiter && !within => record.push(take(&mut value)),
            '\r' if !within && letters.peek() == Some(&'\n') => {}
            '\n' if !within => {
                record.push(take(&mut value));
                let done = std::mem::take(&mut record);
                if done.len() > 1 || done.iter().any(|value| !value.text.is_empty()) {
                    records.push(done);
                }
                if records.len() >= most {
                    return records;
                }
            }
            other => value.text.push(other),
        }
    }
    if whole && !within && (!record.is_empty() || !value.text.is_empty()) {
        record.push(value);
        records.push(record);
    }
    records
}

fn take(value: &mut Value) -> Value {
    std::mem::replace(value, Value { text: String::new(), quoted: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_delimiters_and_line_ends_within_quotes_are_values() {
        let records = split("a,\"b \"\"x\"\", c\nd\",\r\n1,2,3", ',', false, 10);
        assert_eq!(records.len(), 1);
        let texts: Vec<&str> = records[0].iter().map(|value| value.text.as_str()).collect();
        assert_eq!(texts, ["a", "b \"x\", c\nd", ""]);
        assert_eq!(split("1,2", ',', true, 10).len(), 1);
    }
}
