//! What a path may begin with: literals, names, functions, classes, brackets.

use super::{Parsed, Parser, node};
use crate::{
    fault::Fault,
    syntax::{Literal, NewArray, Node, NodeKind},
    token::Token,
};

impl Parser {
    /// What a path begins with; nothing when it begins with a bracket.
    pub(super) fn start(&mut self) -> Result<Option<Node>, Fault> {
        let at = self.at();
        let literal = match self.peek() {
            None => return Err(self.no_operand()),
            Some(Token::Sign(_)) => return self.start_of_sign(),
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.next += 1;
                return self.start_of_word(at, word).map(Some);
            }
            Some(Token::Int(number)) => Literal::Int(*number),
            Some(Token::Long(number)) => Literal::Long(*number),
            Some(Token::Float(number)) => Literal::Float(*number),
            Some(Token::Double(number)) => Literal::Double(*number),
            Some(Token::Text(text)) => Literal::Text(text.clone()),
        };
        self.next += 1;
        Ok(Some(node(at, NodeKind::Literal(literal))))
    }

    fn start_of_sign(&mut self) -> Result<Option<Node>, Fault> {
        let at = self.at();
        if self.sign("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(Some(inner));
        }
        if self.sign("{") {
            return self.literal_of_braces(at).map(Some);
        }
        if matches!(self.peek(), Some(Token::Sign("#"))) {
            return self.path_start_sign().map(Some);
        }
        if self.sign("@") || self.sign("&") {
            return Err(Fault::syntax(at, "beans (`@name`) do not exist here"));
        }
        Ok(None)
    }

    /// `#name` or `#name(…)`.
    pub(super) fn path_start_sign(&mut self) -> Parsed {
        let at = self.at();
        self.expect("#")?;
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(Fault::syntax(self.at(), "expected the name of a function after `#`"));
        };
        self.next += 1;
        let kind = match self.arguments()? {
            Some(arguments) => NodeKind::Function(name, arguments),
            None => NodeKind::Variable(name),
        };
        Ok(node(at, kind))
    }

    fn start_of_word(&mut self, at: usize, word: String) -> Parsed {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        let literal = if is("null") {
            Literal::Null
        } else if is("true") {
            Literal::Bool(true)
        } else if is("false") {
            Literal::Bool(false)
        } else {
            if word == "T" && self.sign("(") {
                let class = self.dotted()?;
                self.expect(")")?;
                return Ok(node(at, NodeKind::Class(class)));
            }
            if is("new") && matches!(self.peek(), Some(Token::Word(_))) {
                return self.made(at);
            }
            let kind = match self.arguments()? {
                Some(arguments) => NodeKind::Call(word, arguments),
                None => NodeKind::Name(word),
            };
            return Ok(node(at, kind));
        };
        Ok(node(at, NodeKind::Literal(literal)))
    }

    /// A class name with its package.
    fn dotted(&mut self) -> Result<String, Fault> {
        let mut name = String::new();
        loop {
            let Some(Token::Word(part)) = self.peek() else {
                return Err(Fault::syntax(self.at(), "expected the name of a class"));
            };
            name.push_str(part);
            self.next += 1;
            if !self.sign(".") {
                return Ok(name);
            }
            name.push('.');
        }
    }

    /// What follows `new`.
    fn made(&mut self, at: usize) -> Parsed {
        let class = self.dotted()?;
        if !self.sign("[") {
            self.expect("(")?;
            let arguments = self.separated(")")?;
            return Ok(node(at, NodeKind::New(class, arguments)));
        }
        let length = if self.sign("]") {
            None
        } else {
            let length = self.expression()?;
            self.expect("]")?;
            Some(length)
        };
        let values = if self.sign("{") { Some(self.separated("}")?) } else { None };
        if length.is_none() && values.is_none() {
            return Err(Fault::syntax(self.at(), "an array needs a length or values"));
        }
        Ok(node(at, NodeKind::NewArray(Box::new(NewArray { class, length, values }))))
    }

    /// `{1, 2}`, `{'a': 1}`, `{}` (a list) and `{:}` (a map).
    fn literal_of_braces(&mut self, at: usize) -> Parsed {
        if self.sign("}") {
            return Ok(node(at, NodeKind::List(Vec::new())));
        }
        if self.sign(":") {
            self.expect("}")?;
            return Ok(node(at, NodeKind::Map(Vec::new())));
        }
        let first = self.expression()?;
        if self.sign(":") {
            let mut entries = vec![(first, self.expression()?)];
            while self.sign(",") {
                let key = self.expression()?;
                self.expect(":")?;
                entries.push((key, self.expression()?));
            }
            self.expect("}")?;
            return Ok(node(at, NodeKind::Map(entries)));
        }
        let mut items = vec![first];
        if self.sign(",") {
            items.extend(self.separated("}")?);
        } else {
            self.expect("}")?;
        }
        Ok(node(at, NodeKind::List(items)))
    }
}
