//! Pipeline definitions as people write them.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod stages;
#[cfg(test)]
mod whole;
