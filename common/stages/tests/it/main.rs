//! Stage types as a table: what each must have.

#[cfg(test)]
mod around;
#[cfg(test)]
mod table;
