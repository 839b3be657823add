//! Words and signs of an expression.

use std::{iter::Peekable, str::Chars};

use crate::fault::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Sign(&'static str),
}

/// A token and where it begins, in characters.
pub(crate) type Placed = (usize, Token);

/// Signs, longest first where one begins another.
const SIGNS: &[&str] = &[
    "![", "?[", "^[", "$[", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "?.", "?:", "+", "-",
    "*", "/", "%", "^", "=", "<", ">", "!", "?", ":", ",", ".", "(", ")", "[", "]", "{", "}", "#",
    "@", "&",
];

/// Cuts an expression into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, Fault> {
    let mut cursor = Cursor { rest: text.chars().peekable(), at: 0 };
    let mut found = Vec::new();
    while let Some(letter) = cursor.peek() {
        let at = cursor.at;
        if letter.is_whitespace() {
            cursor.next();
        } else if letter == '\'' || letter == '"' {
            found.push((at, cursor.text(letter)?));
        } else if letter.is_ascii_digit() {
            found.push((at, cursor.number()?));
        } else if let Some(sign) = cursor.sign() {
            found.push((at, Token::Sign(sign)));
        } else if is_word(letter) {
            found.push((at, Token::Word(cursor.take_while(is_word))));
        } else {
            return Err(Fault::syntax(at, format!("`{letter}` has no meaning in an expression")));
        }
    }
    Ok(found)
}

/// True for what names are made of.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

struct Cursor<'t> {
    rest: Peekable<Chars<'t>>,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.next();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn next_if(&mut self, wanted: impl FnOnce(char) -> bool) -> Option<char> {
        self.peek().filter(|letter| wanted(*letter))?;
        self.next()
    }

    fn take_while(&mut self, wanted: fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(letter) = self.next_if(wanted) {
            taken.push(letter);
        }
        taken
    }

    /// The longest sign that begins here.
    fn sign(&mut self) -> Option<&'static str> {
        let mut ahead = self.rest.clone();
        let (first, second) = (ahead.next()?, ahead.next());
        let sign = *SIGNS.iter().find(|sign| {
            let mut letters = sign.chars();
            letters.next() == Some(first)
                && letters.next().is_none_or(|letter| Some(letter) == second)
        })?;
        for _ in sign.chars() {
            self.next();
        }
        Some(sign)
    }

    /// A text in quotes; a doubled quote is the quote itself, a backslash is a backslash.
    fn text(&mut self, quote: char) -> Result<Token, Fault> {
        let at = self.at;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some(letter) if letter != quote => text.push(letter),
                Some(_) if self.peek() == Some(quote) => {
                    text.push(quote);
                    self.next();
                }
                Some(_) => return Ok(Token::Text(text)),
                None => return Err(Fault::syntax(at, "a text begins here and does not end")),
            }
        }
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let at = self.at;
        let mut digits = self.take_while(|letter| letter.is_ascii_digit());
        if digits == "0" && self.next_if(|letter| matches!(letter, 'x' | 'X')).is_some() {
            let digits = self.take_while(|letter| letter.is_ascii_hexdigit());
            return self.whole(at, &digits, 16);
        }
        let mut real = false;
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|after| after.is_ascii_digit()) {
            real = true;
            self.next();
            digits.push('.');
            digits.push_str(&self.take_while(|letter| letter.is_ascii_digit()));
        }
        if self.next_if(|letter| matches!(letter, 'e' | 'E')).is_some() {
            real = true;
            digits.push('e');
            digits.extend(self.next_if(|letter| matches!(letter, '+' | '-')));
            digits.push_str(&self.take_while(|letter| letter.is_ascii_digit()));
        }
        let wrong = |_| Fault::syntax(at, format!("`{digits}` is not a number"));
        if self.next_if(|letter| matches!(letter, 'f' | 'F')).is_some() {
            return self.ended(at, Token::Float(digits.parse().map_err(wrong)?));
        }
        if self.next_if(|letter| matches!(letter, 'd' | 'D')).is_some() || real {
            return self.ended(at, Token::Double(digits.parse().map_err(wrong)?));
        }
        self.whole(at, &digits, 10)
    }

    fn whole(&mut self, at: usize, digits: &str, radix: u32) -> Result<Token, Fault> {
        if self.next_if(|letter| matches!(letter, 'l' | 'L')).is_some() {
            let number = i64::from_str_radix(digits, radix)
                .map_err(|_| Fault::syntax(at, format!("`{digits}` does not fit into 64 bits")))?;
            return self.ended(at, Token::Long(number));
        }
        let number = i32::from_str_radix(digits, radix).map_err(|_| {
            let message = format!("`{digits}` does not fit into 32 bits; write `{digits}L`");
            Fault::syntax(at, message)
        })?;
        self.ended(at, Token::Int(number))
    }

    /// A number must not run into a word.
    fn ended(&mut self, at: usize, token: Token) -> Result<Token, Fault> {
        match self.peek() {
            Some(letter) if is_word(letter) => {
                let message =
                    format!("a number ends where `{letter}` stands; names begin with a letter");
                Err(Fault::syntax(at, message))
            }
            Some(_) | None => Ok(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn numbers_keep_their_width() {
        assert_eq!(
            kinds("7 7L 0x1F 1.5 1e3 2.5f 3d"),
            [
                Token::Int(7),
                Token::Long(7),
                Token::Int(31),
                Token::Double(1.5),
                Token::Double(1000.0),
                Token::Float(2.5),
                Token::Double(3.0),
            ]
        );
        assert!(tokens("2147483648").unwrap_err().message.contains("2147483648L"));
        assert!(tokens("12ab").is_err());
    }

    #[test]
    fn a_number_before_a_method_is_whole() {
        assert_eq!(kinds("3.x"), [Token::Int(3), Token::Sign("."), Token::Word("x".to_owned())]);
    }

    #[test]
    fn a_doubled_quote_is_the_quote_and_a_backslash_is_itself() {
        assert_eq!(
            kinds(r#"'it''s' "a\n""""#),
            [Token::Text("it's".to_owned()), Token::Text(r#"a\n""#.to_owned()),]
        );
        assert_eq!(tokens("a + 'b").unwrap_err().at, 4);
    }

    #[test]
    fn the_longest_sign_wins() {
        assert_eq!(
            kinds("a?.b?:c.?[d"),
            [
                Token::Word("a".to_owned()),
                Token::Sign("?."),
                Token::Word("b".to_owned()),
                Token::Sign("?:"),
                Token::Word("c".to_owned()),
                Token::Sign("."),
                Token::Sign("?["),
                Token::Word("d".to_owned()),
            ]
        );
        assert!(tokens("a;b").is_err());
    }
}
