//! The coordinator from outside: a store and a bus in memory, a pretend Jenkins over HTTP, workers
//! by hand. Every expectation is written down here, none is computed by what is tested.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod builds;
#[cfg(test)]
mod children;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod crew;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod odds;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod trap;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod world;
