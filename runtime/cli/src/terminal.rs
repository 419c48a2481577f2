use std::io::{self, Write};

/// Standard output. A reader that has gone away (`| head`) is no error.
#[derive(Debug)]
pub(crate) struct Terminal {
    silent: bool,
}

impl Terminal {
    /// The terminal of this process.
    pub fn standard() -> Self {
        Self { silent: false }
    }

    /// One that writes nothing, for tests.
    #[cfg(test)]
    pub fn silent() -> Self {
        Self { silent: true }
    }

    /// Writes a text, and a line end if it has none.
    pub fn say(&self, text: &str) {
        self.write(&mut io::stdout().lock(), text);
    }

    /// Writes a value as JSON.
    pub fn say_json(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.say(&text),
            Err(error) => self.complain(&format!("cannot write JSON: {error}")),
        }
    }

    /// Writes to standard error.
    pub fn complain(&self, text: &str) {
        self.write(&mut io::stderr().lock(), text);
    }

    fn write(&self, to: &mut dyn Write, text: &str) {
        if self.silent {
            return;
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        // Nobody is there to be told.
        let _ = write!(to, "{text}{end}").and_then(|()| to.flush());
    }
}
