//! Whole-system proof: the built programs as processes, over their outside faces only. Everything
//! is in `it/`.
