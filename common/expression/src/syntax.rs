//! The tree of a parsed expression.

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it begins, in characters from the beginning of the expression.
    pub(crate) at: usize,
    pub(crate) kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    Literal(Literal),
    /// A property of the current item: of the root, or of the item a selection looks at.
    Name(String),
    /// A method called on the current item.
    Call(String, Vec<Node>),
    /// `#name`.
    Variable(String),
    /// `#name(…)`.
    Function(String, Vec<Node>),
    /// `T(…)`.
    Class(String),
    New(String, Vec<Node>),
    /// `new String[2]{…}`, with or without length and values.
    NewArray(Box<NewArray>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A start and what is read from it, one after the other. Without a start it begins with the
    /// current item.
    Path(Option<Box<Node>>, Vec<Access>),
    Ternary(Box<[Node; 3]>),
    Elvis(Box<Node>, Box<Node>),
    Operation(Operation),
}

impl From<Operation> for NodeKind {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

/// `new String[2]{…}`, with a length or values or both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewArray {
    pub(crate) class: String,
    pub(crate) length: Option<Node>,
    pub(crate) values: Option<Vec<Node>>,
}

/// Operators and their operands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Not(Box<Node>),
    /// A sign before an operand.
    Signed(Sign, Box<Node>),
    /// Operators of one rank, from left to right; a list, so that long chains are not deep.
    Chain(Box<Node>, Vec<(Arithmetic, Node)>),
    Power(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    /// `a = b`.
    Assign(Box<Node>, Box<Node>),
    /// `a++`, `++a` and so on.
    Count(Counting, Box<Node>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    InstanceOf,
    Matches,
    Between,
}

/// Which value a counting operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// `a++`, `a--`: the value before.
    Before,
    /// `++a`.
    Up,
    /// `--a`.
    Down,
}

/// One thing read from a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) at: usize,
    pub(crate) on_null: OnNull,
    pub(crate) kind: AccessKind,
}

/// What reading from null gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNull {
    Fail,
    /// After `?.`.
    StayNull,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AccessKind {
    Property(String),
    Method(String, Vec<Node>),
    Index(Box<Node>),
    Select(Pick, Box<Node>),
    Project(Box<Node>),
    /// `.#name` and `.#name(…)`, which do not look at the value before them.
    Other(Box<Node>),
}

/// Which matching items a selection gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    All,
    First,
    Last,
}
