//! Pipeline definitions as people write them.

#[cfg(test)]
mod broken;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod stages;
#[cfg(test)]
mod whole;
