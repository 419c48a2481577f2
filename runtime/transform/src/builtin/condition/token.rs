//! The words of a condition.

use super::{Comparison, ConditionError};

/// A word and the byte at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub word: Word,
    pub at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// A column, or a word of the language where it is not quoted.
    Name {
        text: String,
        quoted: bool,
    },
    Text(String),
    Number(String),
    Compare(Comparison),
    Open,
    Close,
    Comma,
}

/// Splits a text into its words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        }
        let (word, end) = match letter {
            '(' => (Word::Open, at + 1),
            ')' => (Word::Close, at + 1),
            ',' => (Word::Comma, at + 1),
            '\'' => {
                let (inner, end) = quoted(text, at, '\'')?;
                (Word::Text(inner), end)
            }
            '"' => {
                let (inner, end) = quoted(text, at, '"')?;
                (Word::Name { text: inner, quoted: true }, end)
            }
            '=' | '!' | '<' | '>' => comparison(text, at)?,
            '0'..='9' | '-' | '+' | '.' => number(text, at)?,
            _ if letter.is_alphabetic() || letter == '_' => {
                let end = end_of(text, at, |letter| letter.is_alphanumeric() || letter == '_' || letter == '$');
                (Word::Name { text: text[at..end].to_owned(), quoted: false }, end)
            }
            _ => return Err(ConditionError::new(text, at, format!("`{letter}` has no meaning here"))),
        };
        tokens.push(Token { word, at });
        at = end;
    }
    Ok(tokens)
}

fn end_of(text: &str, from: usize, belongs: impl Fn(char) -> bool) -> usize {
    text[from..].find(|letter| !belongs(letter)).map_or(text.len(), |length| from + length)
}

/// A text between quotes, doubled where it holds one, and the byte behind it.
fn quoted(text: &str, start: usize, quote: char) -> Result<(String, usize), ConditionError> {
    let mut inner = String::new();
    let mut letters = text[start + 1..].char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        if letter != quote {
            inner.push(letter);
        } else if letters.next_if(|(_, next)| *next == quote).is_some() {
            inner.push(quote);
        } else {
            return Ok((inner, start + 1 + place + 1));
        }
    }
    Err(ConditionError::new(text, start, format!("this {quote} is never closed")))
}

fn comparison(text: &str, at: usize) -> Result<(Word, usize), ConditionError> {
    let known = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<>", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("=", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let found = known.iter().find(|(sign, _)| text[at..].starts_with(sign));
    let (sign, by) =
        found.ok_or_else(|| ConditionError::new(text, at, "`!` has no meaning alone: write `!=` or `not`"))?;
    Ok((Word::Compare(*by), at + sign.len()))
}

fn number(text: &str, at: usize) -> Result<(Word, usize), ConditionError> {
    let signed = usize::from(text[at..].starts_with(['-', '+']));
    let end = end_of(text, at + signed, |letter| letter.is_alphanumeric() || letter == '.');
    let digits = &text[at + signed..end];
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) {
        let message = format!("`{}` is no number: write it as 10 or -12.50", &text[at..end]);
        return Err(ConditionError::new(text, at, message));
    }
    Ok((Word::Number(text[at..end].trim_start_matches('+').to_owned()), end))
}
