//! The language against its rules, against what people wrote, and against anything at all.

#[cfg(test)]
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod total;
