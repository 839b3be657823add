//! The fault lab: our programs as built, a real RabbitMQ and Redis, and what networks, machines and
//! people do to them. Each test says how it knows that its fault happened.

#[cfg(test)]
mod amqp;
#[cfg(test)]
mod broker_faults;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod redis_client;
#[cfg(test)]
mod redis_faults;
#[cfg(test)]
mod story;
#[cfg(test)]
mod world;
