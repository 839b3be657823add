//! The language against its rules, against what people wrote, and against anything at all.

#[cfg(test)]
mod check;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod total;
