//! The store's contract, proven on every implementation.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod sequences;
#[cfg(test)]
mod server;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod worlds;
