//! The bake procedure against a small honest cloud.

#[cfg(test)]
mod cloud;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod janitor;
#[cfg(test)]
mod outlook;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;
