//! The simulator judged.
