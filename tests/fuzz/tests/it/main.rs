//! Every input of the corpus, and some hundred mutations of each.

#[cfg(test)]
mod replay;
