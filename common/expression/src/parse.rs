//! From tokens to a tree: recursive descent, one function for each rank of operators.
//!
//! Source: the grammar of Spring Expression, without bean references.

mod start;

use crate::{
    fault::Fault,
    limits::Limits,
    syntax::{
        Access, AccessKind, Arithmetic, Comparison, Counting, Node, NodeKind, OnNull, Operation,
        Pick, Sign,
    },
    token::{Placed, Token, tokens},
};

/// Reads an expression.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Node, Fault> {
    let length = text.chars().count();
    if length > limits.expression_chars_max {
        let most = limits.expression_chars_max;
        let message = format!("the expression has {length} characters; {most} are the most");
        return Err(Fault::limit(0, message));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(Fault::syntax(0, "there is no expression between the braces"));
    }
    let mut parser = Parser { tokens, next: 0, length, depth: 0, depth_max: limits.depth_max };
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => {
            let message = format!("the expression is over before {}", shown(token));
            Err(Fault::syntax(parser.at(), message))
        }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{}`", crate::fault::short(word)),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::Text(_) => "a text".to_owned(),
        Token::Int(_) | Token::Long(_) | Token::Float(_) | Token::Double(_) => {
            "a number".to_owned()
        }
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    /// Of the expression, in characters: the place of its end.
    length: usize,
    depth: u32,
    depth_max: u32,
}

type Parsed = Result<Node, Fault>;

fn node(at: usize, kind: impl Into<NodeKind>) -> Node {
    Node { at, kind: kind.into() }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.length, |(at, _)| *at)
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.next += usize::from(found);
        found
    }

    /// Takes an operator that may also be written as a word, in any case.
    fn operator<T: Copy>(&mut self, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| match self.peek() {
            Some(Token::Sign(sign)) => sign == name,
            Some(Token::Word(word)) => word.eq_ignore_ascii_case(name),
            Some(_) | None => false,
        });
        let (_, operator) = found?;
        self.next += 1;
        Some(*operator)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Fault> {
        if self.sign(wanted) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), shown);
        Err(Fault::syntax(self.at(), format!("expected `{wanted}`, found {found}")))
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Parsed) -> Parsed {
        if self.depth == self.depth_max {
            let most = self.depth_max;
            let message = format!("the expression is nested more than {most} levels deep");
            return Err(Fault::limit(self.at(), message));
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Parsed {
        self.nested(Self::choice)
    }

    /// `a ? b : c`, `a ?: b`, `a = b`.
    fn choice(&mut self) -> Parsed {
        let first = self.any()?;
        let at = first.at;
        if self.sign("?:") {
            let other = self.expression()?;
            return Ok(node(at, NodeKind::Elvis(Box::new(first), Box::new(other))));
        }
        if self.sign("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            return Ok(node(at, NodeKind::Ternary(Box::new([first, yes, no]))));
        }
        if self.sign("=") {
            let value = self.any()?;
            return Ok(node(at, Operation::Assign(Box::new(first), Box::new(value))));
        }
        Ok(first)
    }

    fn any(&mut self) -> Parsed {
        self.joined(&[("||", ()), ("or", ())], Self::all, Operation::Or)
    }

    fn all(&mut self) -> Parsed {
        self.joined(&[("&&", ()), ("and", ())], Self::comparison, Operation::And)
    }

    fn joined(
        &mut self,
        operators: &[(&str, ())],
        operand: fn(&mut Self) -> Parsed,
        make: fn(Vec<Node>) -> Operation,
    ) -> Parsed {
        let first = operand(self)?;
        let at = first.at;
        let mut operands = vec![first];
        while self.operator(operators).is_some() {
            operands.push(operand(self)?);
        }
        match (operands.len(), operands.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                operands.extend(last);
                Ok(node(at, make(operands)))
            }
        }
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        let Some(comparison) = self.operator(&[
            ("==", Comparison::Equal),
            ("eq", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("ne", Comparison::NotEqual),
            ("<", Comparison::Less),
            ("lt", Comparison::Less),
            ("<=", Comparison::LessOrEqual),
            ("le", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            ("gt", Comparison::Greater),
            (">=", Comparison::GreaterOrEqual),
            ("ge", Comparison::GreaterOrEqual),
            ("instanceof", Comparison::InstanceOf),
            ("matches", Comparison::Matches),
            ("between", Comparison::Between),
        ]) else {
            return Ok(left);
        };
        let right = self.sum()?;
        Ok(node(left.at, Operation::Compare(comparison, Box::new(left), Box::new(right))))
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        let operators = [
            ("*", Arithmetic::Multiply),
            ("/", Arithmetic::Divide),
            ("div", Arithmetic::Divide),
            ("%", Arithmetic::Remainder),
            ("mod", Arithmetic::Remainder),
        ];
        self.chain(&operators, Self::power)
    }

    fn chain(
        &mut self,
        operators: &[(&str, Arithmetic)],
        operand: fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(node(first.at, Operation::Chain(Box::new(first), rest)))
    }

    fn power(&mut self) -> Parsed {
        let mut base = self.unary()?;
        let at = base.at;
        if self.sign("^") {
            let exponent = self.unary()?;
            base = node(at, Operation::Power(Box::new(base), Box::new(exponent)));
        }
        if self.sign("++") || self.sign("--") {
            base = node(at, Operation::Count(Counting::Before, Box::new(base)));
        }
        Ok(base)
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        if self.operator(&[("!", ()), ("not", ())]).is_some() {
            let operand = self.nested(Self::unary)?;
            return Ok(node(at, Operation::Not(Box::new(operand))));
        }
        if let Some(sign) = self.operator(&[("+", Sign::Plus), ("-", Sign::Minus)]) {
            let operand = self.nested(Self::unary)?;
            return Ok(node(at, Operation::Signed(sign, Box::new(operand))));
        }
        if let Some(counting) = self.operator(&[("++", Counting::Up), ("--", Counting::Down)]) {
            let operand = self.nested(Self::unary)?;
            return Ok(node(at, Operation::Count(counting, Box::new(operand))));
        }
        self.path()
    }

    /// A start and everything that is read from it.
    fn path(&mut self) -> Parsed {
        let at = self.at();
        let start = self.start()?;
        let mut accesses = Vec::new();
        if start.is_none() {
            // `[0]`, `?[…]` or `![…]` without anything before it: the current item is meant.
            match self.bracket(OnNull::Fail)? {
                Some(access) => accesses.push(access),
                None => return Err(self.no_operand()),
            }
        }
        while let Some(access) = self.access()? {
            accesses.push(access);
        }
        Ok(match start {
            Some(start) if accesses.is_empty() => start,
            start => node(at, NodeKind::Path(start.map(Box::new), accesses)),
        })
    }

    fn no_operand(&self) -> Fault {
        let found = self.peek().map_or_else(
            || "the expression ends".to_owned(),
            |token| format!("there is {}", shown(token)),
        );
        Fault::syntax(self.at(), format!("expected a value, but {found}"))
    }

    fn access(&mut self) -> Result<Option<Access>, Fault> {
        let at = self.at();
        let on_null = if self.sign(".") {
            OnNull::Fail
        } else if self.sign("?.") {
            OnNull::StayNull
        } else {
            // Only an index may follow without a dot.
            let index = matches!(self.peek(), Some(Token::Sign("[")));
            return if index { self.bracket(OnNull::Fail) } else { Ok(None) };
        };
        if let Some(access) = self.bracket(on_null)? {
            return Ok(Some(access));
        }
        let Some(Token::Word(name)) = self.peek().cloned() else {
            if matches!(self.peek(), Some(Token::Sign("#"))) {
                let inner = self.path_start_sign()?;
                return Ok(Some(Access { at, on_null, kind: AccessKind::Other(Box::new(inner)) }));
            }
            return Err(self.no_operand());
        };
        let at = self.at();
        self.next += 1;
        let kind = match self.arguments()? {
            Some(arguments) => AccessKind::Method(name, arguments),
            None => AccessKind::Property(name),
        };
        Ok(Some(Access { at, on_null, kind }))
    }

    /// An index, a selection or a projection.
    fn bracket(&mut self, on_null: OnNull) -> Result<Option<Access>, Fault> {
        let at = self.at();
        let make: fn(Box<Node>) -> AccessKind = if self.sign("[") {
            AccessKind::Index
        } else if self.sign("?[") {
            |test| AccessKind::Select(Pick::All, test)
        } else if self.sign("^[") {
            |test| AccessKind::Select(Pick::First, test)
        } else if self.sign("$[") {
            |test| AccessKind::Select(Pick::Last, test)
        } else if self.sign("![") {
            AccessKind::Project
        } else {
            return Ok(None);
        };
        let inner = self.expression()?;
        self.expect("]")?;
        Ok(Some(Access { at, on_null, kind: make(Box::new(inner)) }))
    }

    fn arguments(&mut self) -> Result<Option<Vec<Node>>, Fault> {
        if !self.sign("(") {
            return Ok(None);
        }
        self.separated(")").map(Some)
    }

    /// Expressions between commas, up to the sign that ends them.
    fn separated(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
        let mut found = Vec::new();
        if self.sign(end) {
            return Ok(found);
        }
        loop {
            found.push(self.expression()?);
            if !self.sign(",") {
                self.expect(end)?;
                return Ok(found);
            }
        }
    }
}
