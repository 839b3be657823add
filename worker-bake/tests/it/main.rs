//! Bakes against a small honest cloud.

#[cfg(test)]
mod cloud;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod janitor;
#[cfg(test)]
mod preview;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;
