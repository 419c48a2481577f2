//! Words become a condition: `or` binds weakest, then `and`, then `not`.

use super::token::{Token, Word, tokens};
use super::{ConditionError, Literal, LiteralKind, Name, Node, Operand};

/// How deeply conditions may be nested.
const MAX_DEPTH: usize = 64;

/// Words that name no column unless they are quoted.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "is", "null", "true", "false", "like"];

pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, next: 0, depth: 0 };
    if tokens.is_empty() {
        return Err(parser.fault("there is no condition: write one such as `status != 'deleted'`"));
    }
    let root = parser.any()?;
    if parser.next < tokens.len() {
        return Err(parser.fault("expected `and`, `or` or the end"));
    }
    Ok(root)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fault(&self, message: impl Into<String>) -> ConditionError {
        let at = self.tokens.get(self.next).map_or(self.text.len(), |token| token.at);
        ConditionError::new(self.text, at, message)
    }

    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.next).map(|token| &token.word)
    }

    /// Takes a word of the language, if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| is_keyword(word, keyword));
        self.next += usize::from(is_next);
        is_next
    }

    fn take(&mut self, wanted: &Word) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.next += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Result<Node, ConditionError> {
        let mut left = self.all()?;
        while self.keyword("or") {
            left = Node::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Node, ConditionError> {
        let mut left = self.one()?;
        while self.keyword("and") {
            left = Node::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Node, ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("the condition is nested too deeply"));
        }
        let node = if self.keyword("not") {
            Node::Not(Box::new(self.one()?))
        } else if self.take(&Word::Open) {
            let inner = self.any()?;
            if !self.take(&Word::Close) {
                return Err(self.fault("expected `)`"));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, ConditionError> {
        let start = self.next;
        let left = self.operand()?;
        if let Some(Word::Compare(by)) = self.peek() {
            let by = *by;
            self.next += 1;
            let right = self.operand()?;
            if let (Operand::Literal(_), Operand::Literal(_)) = (&left, &right) {
                self.next = start;
                return Err(self.fault("two values are compared here: one side must be a column"));
            }
            return Ok(Node::Compare { left, by, right });
        }
        let Operand::Column(column) = left else {
            return Err(self.fault("expected a comparison such as `=` or `<`"));
        };
        if self.keyword("is") {
            let negated = self.keyword("not");
            if !self.keyword("null") {
                return Err(self.fault("expected `null` or `not null`"));
            }
            return Ok(negate(negated, Node::IsNull(column)));
        }
        let negated = self.keyword("not");
        if self.keyword("in") {
            return Ok(negate(negated, Node::In { column, values: self.values()? }));
        }
        match self.peek() {
            _ if negated => Err(self.fault("expected `in`")),
            None | Some(Word::Close) => Ok(Node::Holds(column)),
            Some(word) if is_keyword(word, "and") || is_keyword(word, "or") => Ok(Node::Holds(column)),
            Some(_) => Err(self.fault("expected a comparison, `is null`, `in (...)`, `and` or `or`")),
        }
    }

    fn values(&mut self) -> Result<Vec<Literal>, ConditionError> {
        if !self.take(&Word::Open) {
            return Err(self.fault("expected `(` and the values"));
        }
        let mut values = Vec::new();
        loop {
            match self.operand()? {
                Operand::Literal(value) => values.push(value),
                Operand::Column(_) => {
                    self.next -= 1;
                    return Err(self.fault("expected a value: texts stand in '...'"));
                }
            }
            if self.take(&Word::Close) {
                return Ok(values);
            }
            if !self.take(&Word::Comma) {
                return Err(self.fault("expected `,` or `)`"));
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        let Some(token) = self.tokens.get(self.next) else {
            return Err(self.fault("expected a column or a value"));
        };
        let at = token.at;
        let literal = |kind, text: &str| Operand::Literal(Literal { kind, text: text.to_owned(), at });
        let operand = match &token.word {
            Word::Text(text) => literal(LiteralKind::Text, text),
            Word::Number(text) => literal(LiteralKind::Number, text),
            Word::Name { text, quoted: false } if RESERVED.contains(&text.to_ascii_lowercase().as_str()) => {
                match text.to_ascii_lowercase().as_str() {
                    boolean @ ("true" | "false") => literal(LiteralKind::Boolean, boolean),
                    "null" => return Err(self.fault("nothing equals null: write `is null` or `is not null`")),
                    _ => return Err(self.fault("expected a column or a value")),
                }
            }
            Word::Name { text, .. } => Operand::Column(Name { name: text.clone(), at }),
            _ => return Err(self.fault("expected a column or a value")),
        };
        self.next += 1;
        Ok(operand)
    }
}

fn is_keyword(word: &Word, keyword: &str) -> bool {
    matches!(word, Word::Name { text, quoted: false } if text.eq_ignore_ascii_case(keyword))
}

fn negate(negated: bool, node: Node) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}
