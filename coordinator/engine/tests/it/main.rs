//! The engine's rules: golden traces for people, properties for the rest.

#[cfg(test)]
mod builds;
#[cfg(test)]
mod children;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod expressions;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod found_images;
#[cfg(test)]
mod on_failure;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod views;
#[cfg(test)]
mod wakes;
#[cfg(test)]
mod workless;
#[cfg(test)]
mod world;
