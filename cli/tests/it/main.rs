//! The command as scripts call it: a process, its output and its exit code.

#[cfg(test)]
mod bowline;
#[cfg(test)]
mod client;
#[cfg(test)]
mod demo;
#[cfg(test)]
<<<<<<< HEAD
mod fsck;
#[cfg(test)]
mod orders;
=======
mod eval;
>>>>>>> expr
#[cfg(test)]
mod standalone;
#[cfg(test)]
mod validate;
