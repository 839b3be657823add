//! Each way to break a connection, seen from both its ends.

#[cfg(test)]
mod breaks;
