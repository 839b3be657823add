//! The command as scripts call it: a process, its output and its exit code.

#[cfg(test)]
mod bowline;
#[cfg(test)]
mod client;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod eval;
#[cfg(test)]
mod fsck;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod standalone;
#[cfg(test)]
mod validate;
