//! The fake over real HTTP, as its callers use it.

#[cfg(test)]
mod http;
