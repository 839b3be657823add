//! What an evaluation may cost. Every bound ends it with an error that names the bound.

/// Bounds of an evaluation.
///
/// A step is one operation on at most [`Limits::BYTES_PER_STEP`] of text or as many entries of a
/// list or map; larger ones count as several. So the steps bound the time whatever the data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "every field is a maximum")]
pub struct Limits {
    /// Longest expression, in characters. Source: Orca's `maxExpressionLength`.
    pub expression_chars_max: usize,
    /// Deepest nesting of brackets, arguments and branches in an expression.
    pub depth_max: u32,
    /// Steps of one template string.
    pub steps_max: u32,
    /// Steps of all strings of a document together.
    pub document_steps_max: u32,
    /// Largest text or value an expression may make, in bytes of its JSON form.
    pub output_bytes_max: usize,
    /// Largest sum of values the expressions of a document may make, in bytes of their JSON form.
    pub document_bytes_max: usize,
    /// Deepest value an expression may make: what is stored must be readable again.
    pub value_depth_max: u32,
    /// Longest regular expression, in characters. Source: Spring Expression 6.
    pub pattern_chars_max: usize,
}

impl Limits {
    /// Text or entries handled in one step.
    pub const BYTES_PER_STEP: usize = 256;

    /// The bounds of the product.
    pub const STANDARD: Self = Self {
        expression_chars_max: 10_000,
        depth_max: 32,
        steps_max: 10_000,
        document_steps_max: 100_000,
        output_bytes_max: 256 * 1024,
        document_bytes_max: 512 * 1024,
        value_depth_max: 64,
        pattern_chars_max: 1_000,
    };
}
