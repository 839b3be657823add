//! House rules and stories; one binary.

#[cfg(test)]
mod distributed;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod house;
#[cfg(test)]
mod moto;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod standalone;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod world;
