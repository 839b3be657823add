//! The fault lab has no code of its own beside its tests.
