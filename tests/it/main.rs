//! House rules and stories; one binary.

mod distributed;
mod faults;
mod house;
mod moto;
mod samples;
mod standalone;
mod world;
