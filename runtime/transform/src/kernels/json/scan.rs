//! Finds a place in a JSON text (RFC 8259) and checks the whole of it on the way, without taking it apart.

use super::path::Step;
use super::text::stands_for;

/// Arrays and objects within each other; what is deeper counts as no JSON.
const MOST_NESTED: usize = 128;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A text, between its quotes.
    Text(&'a str),
    /// Any other value but null, as it is written.
    Json(&'a str),
}

/// What stands at the end of `steps`; `None` for null, for nothing, and if the text is no JSON.
pub(super) fn find<'a>(text: &'a str, steps: &[Step]) -> Option<Found<'a>> {
    let mut scan = Scan { text, at: 0, depth: 0 };
    scan.space();
    let found = scan.value(Some(steps))?;
    scan.space();
    if scan.at == text.len() { found } else { None }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scan<'a> {
    /// Reads a value; what stands at the end of `steps`, which are none where nothing is looked for. `None`: no JSON.
    fn value(&mut self, steps: Option<&[Step]>) -> Option<Option<Found<'a>>> {
        let begin = self.at;
        let wanted = steps.is_some_and(<[Step]>::is_empty);
        match self.peek()? {
            b'{' => {
                let found = self.nested(|scan| scan.object(steps))?;
                return Some(if wanted { Some(Found::Json(&self.text[begin..self.at])) } else { found });
            }
            b'[' => {
                let found = self.nested(|scan| scan.array(steps))?;
                return Some(if wanted { Some(Found::Json(&self.text[begin..self.at])) } else { found });
            }
            b'"' => {
                let inner = self.quoted()?;
                return Some(wanted.then_some(Found::Text(inner)));
            }
            b'n' => {
                self.word("null")?;
                return Some(None);
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            _ => self.number()?,
        }
        Some(wanted.then(|| Found::Json(&self.text[begin..self.at])))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MOST_NESTED {
            return None;
        }
        let found = read(self)?;
        self.depth -= 1;
        Some(found)
    }

    /// Reads an object behind its brace.
    fn object(&mut self, steps: Option<&[Step]>) -> Option<Option<Found<'a>>> {
        let (name, inner) = match steps {
            Some([Step::Name(name), inner @ ..]) => (Some(name.as_str()), inner),
            _ => (None, &[][..]),
        };
        let mut found = None;
        self.space();
        if self.take(b'}') {
            return Some(found);
        }
        loop {
            let key = self.quoted()?;
            self.space();
            self.expect(b':')?;
            self.space();
            // The last of a name counts.
            if name.is_some_and(|name| stands_for(key, name)) {
                found = self.value(Some(inner))?;
            } else {
                self.value(None)?;
            }
            self.space();
            if self.take(b'}') {
                return Some(found);
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Reads an array behind its bracket.
    fn array(&mut self, steps: Option<&[Step]>) -> Option<Option<Found<'a>>> {
        let (index, inner) = match steps {
            Some([Step::Index(index), inner @ ..]) => (Some(*index), inner),
            _ => (None, &[][..]),
        };
        let mut found = None;
        self.space();
        if self.take(b']') {
            return Some(found);
        }
        for place in 0.. {
            if index == Some(place) {
                found = self.value(Some(inner))?;
            } else {
                self.value(None)?;
            }
            self.space();
            if self.take(b']') {
                break;
            }
            self.expect(b',')?;
            self.space();
        }
        Some(found)
    }

    /// Reads a text and gives what is between its quotes.
    fn quoted(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let begin = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let inner = &self.text[begin..self.at];
        self.at += 1;
        Some(inner)
    }

    fn number(&mut self) -> Option<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}
