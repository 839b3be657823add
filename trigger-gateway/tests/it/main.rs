//! The gateway over real HTTP, and the bodies it must understand.

#[cfg(test)]
mod access;
#[cfg(test)]
mod away;
#[cfg(test)]
mod control;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod jenkins_bodies;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod process;
#[cfg(test)]
mod world;
