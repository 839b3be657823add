//! The evaluator: walks a tree, pays for every step.

mod access;
mod objects;

use std::{cell::Cell, cmp::Ordering, collections::BTreeMap, rc::Rc};

use crate::{
    arguments::Arguments,
    fault::{Fault, Trouble, names_there, short},
    java::{self, Class},
    limits::Limits,
    number::Number,
    operators,
    render::{java_text, joined_text},
    scope::{Scope, UnknownNames},
    syntax::{Comparison, Counting, Literal, NewArray, Node, NodeKind, Operation, Sign},
    value::{Entries, Map, Value},
    world::World,
};

/// Evaluates the expressions of one string.
pub(crate) struct Machine<'s> {
    pub(crate) scope: &'s Scope,
    pub(crate) limits: &'s Limits,
    pub(crate) world: &'s World<'s>,
    /// `#name`; set by whoever evaluates pieces of text inside an expression.
    pub(crate) variables: BTreeMap<String, Value<'s>>,
    steps: Cell<u32>,
    /// The last name that was not there: most often the reason for a null.
    missed: Option<Missed<'s>>,
    /// The outputs of all stages together, once somebody asked for them.
    outputs: Option<Value<'s>>,
}

/// Why something is null. The words for it are only looked for when somebody is told: a condition of a
/// selection may miss a name in every item.
struct Missed<'s> {
    at: usize,
    reason: Reason<'s>,
}

enum Reason<'s> {
    /// A map does not have this key.
    NoKey(String, Map<'s>),
    /// The key itself is null.
    NullKey,
    /// What is there under this name is null.
    NullValue(String),
}

impl Missed<'_> {
    fn message(&self) -> String {
        match &self.reason {
            Reason::NoKey(key, map) => {
                let entries = map.entries();
                let names = entries.iter().map(|(name, _)| &**name);
                format!("`{}` is not there; {}", short(key), names_there(key, names))
            }
            Reason::NullKey => "the key is null".to_owned(),
            Reason::NullValue(name) => format!("the value of `{}` is null", short(name)),
        }
    }
}

pub(crate) type Evaluation<'s> = Result<Value<'s>, Fault>;

impl<'s> Machine<'s> {
    pub(crate) const fn new(scope: &'s Scope, limits: &'s Limits, world: &'s World<'s>) -> Self {
        let variables = BTreeMap::new();
        Self { scope, limits, world, variables, steps: Cell::new(0), missed: None, outputs: None }
    }

    /// Evaluates an expression from the root.
    pub(crate) fn run(&mut self, node: &Node) -> Evaluation<'s> {
        let root = self.scope.root();
        self.evaluate(node, &root)
    }

    /// Steps taken so far.
    pub(crate) const fn steps(&self) -> u32 {
        self.steps.get()
    }

    /// Where and why a value is null, as far as that is known.
    pub(crate) fn why_null(&self) -> (usize, String) {
        match &self.missed {
            Some(missed) => (missed.at, missed.message()),
            None => (0, "the value is null".to_owned()),
        }
    }

    /// Pays for one step on so many bytes or entries.
    fn pay(&self, at: usize, size: usize) -> Result<(), Fault> {
        let cost = u32::try_from(size / Limits::BYTES_PER_STEP).unwrap_or(u32::MAX);
        let steps = self.steps.get().saturating_add(cost).saturating_add(1);
        self.steps.set(steps);
        if steps > self.limits.steps_max {
            let most = self.limits.steps_max;
            return Err(Fault::limit(at, format!("the evaluation takes more than {most} steps")));
        }
        Ok(())
    }

    /// Pays for looking at all stages of the execution.
    fn pay_for_stages(&self, at: usize) -> Result<(), Fault> {
        self.pay(at, self.scope.stages().count().saturating_mul(32))
    }

    fn pay_for(&self, at: usize, values: &[Value<'s>]) -> Result<(), Fault> {
        self.pay(at, values.iter().map(size).fold(0, usize::saturating_add))
    }

    fn miss(&mut self, at: usize, reason: Reason<'s>) -> Evaluation<'s> {
        let missed = Missed { at, reason };
        match self.world.facts.unknown_names {
            UnknownNames::AreErrors => Err(Fault::evaluation(at, missed.message())),
            UnknownNames::AreNull => {
                self.missed = Some(missed);
                Ok(Value::Null)
            }
        }
    }

    /// Evaluates a node; bare names are read from `here`.
    fn evaluate(&mut self, node: &Node, here: &Value<'s>) -> Evaluation<'s> {
        let at = node.at;
        self.pay(at, 0)?;
        match &node.kind {
            NodeKind::Literal(literal) => Ok(of_literal(literal)),
            NodeKind::Name(name) => self.name(here, name, at),
            NodeKind::Call(name, arguments) => {
                let values = self.values(arguments, here)?;
                let error = Trouble::Wrong(format!(
                    "there is no method `{}` here; functions begin with `#`",
                    short(name)
                ));
                // At the root there is nothing to call a method of; an item of a list may have one.
                if matches!(here, Value::Map(_)) {
                    return Err(error.at(at));
                }
                self.method(here, name, &values, at)
            }
            NodeKind::Variable(name) => Ok(self.variable(name, here)),
            NodeKind::Function(name, arguments) => {
                let values = self.values(arguments, here)?;
                self.pay_for(at, &values)?;
                if crate::functions::looks_at_stages(name) {
                    self.pay_for_stages(at)?;
                }
                crate::functions::call(self, name, &values).map_err(|trouble| trouble.at(at))
            }
            NodeKind::Class(name) => Class::named(name)
                .map(Value::Class)
                .map_err(|message| Fault::evaluation(at, message)),
            NodeKind::New(class, arguments) => {
                let values = self.values(arguments, here)?;
                self.pay_for(at, &values)?;
                let class = Class::named(class).map_err(|text| Fault::evaluation(at, text))?;
                let arguments = Arguments { values: &values, limits: self.limits };
                java::make(class, &arguments, self.world).map_err(|trouble| trouble.at(at))
            }
            NodeKind::NewArray(array) => self.array(at, array, here),
            NodeKind::List(items) => self.values(items, here).map(Value::list),
            NodeKind::Map(entries) => self.map(entries, here),
            NodeKind::Path(start, accesses) => self.path(start.as_deref(), accesses, here),
            NodeKind::Ternary(parts) => {
                let [test, yes, no] = &**parts;
                let branch = if self.truth(test, here)? { yes } else { no };
                self.evaluate(branch, here)
            }
            NodeKind::Elvis(first, other) => {
                let value = self.evaluate(first, here)?;
                let empty = matches!(&value, Value::Text(text) if text.is_empty());
                if value.is_null() || empty { self.evaluate(other, here) } else { Ok(value) }
            }
            NodeKind::Operation(operation) => self.operation(operation, at, here),
        }
    }

    /// Operators.
    fn operation(&mut self, operation: &Operation, at: usize, here: &Value<'s>) -> Evaluation<'s> {
        match operation {
            Operation::Not(operand) => Ok(Value::Bool(!self.truth(operand, here)?)),
            Operation::And(operands) => {
                for operand in operands {
                    if !self.truth(operand, here)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Operation::Or(operands) => {
                for operand in operands {
                    if self.truth(operand, here)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Operation::Signed(sign, operand) => {
                let number = self.number(operand, here)?;
                Ok(Value::Number(match sign {
                    Sign::Plus => number,
                    Sign::Minus => number.negated(),
                }))
            }
            Operation::Chain(first, rest) => {
                let mut left = self.evaluate(first, here)?;
                for (operator, operand) in rest {
                    let right = self.evaluate(operand, here)?;
                    self.pay(at, size(&left).saturating_add(size(&right)))?;
                    left = operators::calculate(&left, *operator, &right, self.limits)
                        .map_err(|trouble| self.explain(trouble, &left, &right).at(operand.at))?;
                }
                Ok(left)
            }
            Operation::Power(base, exponent) => {
                let (base, exponent) = (self.number(base, here)?, self.number(exponent, here)?);
                Ok(Value::Number(base.power(exponent)))
            }
            Operation::Compare(comparison, left, right) => {
                self.compare(*comparison, left, right, here)
            }
            Operation::Assign(target, value) => {
                self.assignable(target, here)?;
                self.evaluate(value, here)
            }
            Operation::Count(counting, target) => {
                self.assignable(target, here)?;
                let number = self.number(target, here)?;
                let step = match counting {
                    Counting::Before => Number::Int(0),
                    Counting::Up => Number::Int(1),
                    Counting::Down => Number::Int(-1),
                };
                let sum = number.calculate(crate::syntax::Arithmetic::Add, step);
                Ok(Value::Number(sum.unwrap_or(number)))
            }
        }
    }

    /// Nulls among operands are explained by the name that was not there.
    fn explain(&self, trouble: Trouble, left: &Value<'s>, right: &Value<'s>) -> Trouble {
        match (&self.missed, trouble) {
            (Some(missed), Trouble::Wrong(message)) if left.is_null() || right.is_null() => {
                Trouble::Wrong(format!("{message}: {}", missed.message()))
            }
            (_, trouble) => trouble,
        }
    }

    fn values(&mut self, nodes: &[Node], here: &Value<'s>) -> Result<Vec<Value<'s>>, Fault> {
        nodes.iter().map(|node| self.evaluate(node, here)).collect()
    }

    fn truth(&mut self, node: &Node, here: &Value<'s>) -> Result<bool, Fault> {
        let value = self.evaluate(node, here)?;
        operators::truth(&value).map_err(|message| {
            self.explain(Trouble::Wrong(message), &value, &Value::Bool(true)).at(node.at)
        })
    }

    fn number(&mut self, node: &Node, here: &Value<'s>) -> Result<Number, Fault> {
        let value = self.evaluate(node, here)?;
        value.as_number().ok_or_else(|| {
            let trouble = Trouble::Wrong(format!("expected a number, found {}", value.noun()));
            self.explain(trouble, &value, &Value::Bool(true)).at(node.at)
        })
    }

    fn variable(&self, name: &str, here: &Value<'s>) -> Value<'s> {
        match name {
            "this" => here.clone(),
            "root" => self.scope.root(),
            _ => self.variables.get(name).cloned().unwrap_or(Value::Null),
        }
    }

    fn map(&mut self, entries: &[(Node, Node)], here: &Value<'s>) -> Evaluation<'s> {
        let mut made = Entries::default();
        for (key, value) in entries {
            let name: Rc<str> = if let NodeKind::Name(word) = &key.kind {
                word.as_str().into()
            } else {
                let key_value = self.evaluate(key, here)?;
                let text = joined_text(&key_value, self.limits);
                text.map_err(|refusal| refusal.explained(self.limits).at(key.at))?.into()
            };
            let value = self.evaluate(value, here)?;
            made.put(name, value);
        }
        Ok(Value::map(made))
    }

    fn array(&mut self, at: usize, array: &NewArray, here: &Value<'s>) -> Evaluation<'s> {
        let class = array.class.as_str();
        let empty = match class {
            "int" | "byte" => Value::int(0),
            "long" => Value::long(0),
            "double" | "float" => Value::double(0.0),
            "boolean" => Value::Bool(false),
            name => {
                Class::named(name).map_err(|message| Fault::evaluation(at, message))?;
                Value::Null
            }
        };
        let length = match &array.length {
            Some(length) => {
                let number = self.number(length, here)?.to_long();
                let most = Limits::BYTES_PER_STEP;
                let fits = usize::try_from(number).ok().filter(|length| *length <= most);
                Some(fits.ok_or_else(|| {
                    Fault::evaluation(at, format!("an array has 0 to {most} items, not {number}"))
                })?)
            }
            None => None,
        };
        let values = match &array.values {
            Some(values) => self.values(values, here)?,
            None => vec![empty; length.unwrap_or_default()],
        };
        if length.is_some_and(|length| length != values.len()) {
            let message = "the array has not as many values as its length says";
            return Err(Fault::evaluation(at, message));
        }
        Ok(Value::array(values))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left_node: &Node,
        right_node: &Node,
        here: &Value<'s>,
    ) -> Evaluation<'s> {
        let at = left_node.at;
        let left = self.evaluate(left_node, here)?;
        let right = self.evaluate(right_node, here)?;
        self.pay(at, size(&left).saturating_add(size(&right)))?;
        let order = |left: &Value<'s>, right: &Value<'s>| {
            operators::order(left, right).map_err(|message| Fault::evaluation(at, message))
        };
        let truth = match comparison {
            Comparison::Equal => operators::equal(&left, &right),
            Comparison::NotEqual => !operators::equal(&left, &right),
            Comparison::Less => order(&left, &right)?.is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => order(&left, &right)?.is_some_and(Ordering::is_le),
            Comparison::Greater => order(&left, &right)?.is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => order(&left, &right)?.is_some_and(Ordering::is_ge),
            Comparison::InstanceOf => {
                let message = "`instanceof` needs a class on its right, such as T(String)";
                let class = right.as_class();
                let class = class.ok_or_else(|| Fault::evaluation(right_node.at, message))?;
                objects::is_of(&left, class)
            }
            Comparison::Between => {
                let range = right.as_list().filter(|range| range.len() == 2);
                let message = "`between` needs a list of two values on its right";
                let range = range.ok_or_else(|| Fault::evaluation(right_node.at, message))?;
                let end = |place: usize| range.get(place).unwrap_or(Value::Null);
                order(&left, &end(0))?.is_some_and(Ordering::is_ge)
                    && order(&left, &end(1))?.is_some_and(Ordering::is_le)
            }
            Comparison::Matches => self.matches(&left, &right, at)?,
        };
        Ok(Value::Bool(truth))
    }

    fn matches(&self, left: &Value<'s>, right: &Value<'s>, at: usize) -> Result<bool, Fault> {
        let pattern = right.as_text().ok_or_else(|| {
            let noun = right.noun();
            Fault::evaluation(at, format!("`matches` needs a text as pattern, not {noun}"))
        })?;
        if left.is_null() {
            let wrong = Trouble::from("null matches nothing");
            return Err(self.explain(wrong, left, right).at(at));
        }
        let text = java_text(left, self.limits)
            .map_err(|refusal| refusal.explained(self.limits).at(at))?;
        let regex = self.world.patterns.whole(pattern, self.limits);
        Ok(regex.map_err(|trouble| trouble.at(at))?.is_match(&text))
    }
}

fn of_literal<'s>(literal: &Literal) -> Value<'s> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(truth) => Value::Bool(*truth),
        Literal::Int(number) => Value::int(*number),
        Literal::Long(number) => Value::long(*number),
        Literal::Float(number) => Value::Number(Number::Float(*number)),
        Literal::Double(number) => Value::double(*number),
        Literal::Text(text) => Value::text(text.as_str()),
    }
}

/// What a step on the value costs, in bytes or entries.
fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len().saturating_mul(8),
        Value::Map(map) => map.len().saturating_mul(8),
        Value::Object(object) => object.fields.len(),
        Value::Verbatim(inner) => size(inner),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Instance(_) | Value::Class(_) => 0,
    }
}
