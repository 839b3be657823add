//! The worker's half of the protocol, on a store in memory and a bus in this process.

#[cfg(test)]
mod context;
#[cfg(test)]
mod flaky;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod world;
