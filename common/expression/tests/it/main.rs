//! The language against what people wrote, and against anything at all.

#[cfg(test)]
mod corpus;
