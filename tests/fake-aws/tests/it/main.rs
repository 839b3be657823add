//! The strict cloud: each rule by name, then both faces.

#[cfg(test)]
mod balancers;
#[cfg(test)]
mod builders;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod images;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod query;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod world;
