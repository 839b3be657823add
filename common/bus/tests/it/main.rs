//! One contract for every bus, and what only a real broker can show.

#[cfg(test)]
mod amqp;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod fate;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod world;
