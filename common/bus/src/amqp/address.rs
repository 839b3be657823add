//! The broker's address, which prints without its password.

use std::fmt;

use lapin::uri::AMQPUri;

use crate::BusError;

/// Seconds between heartbeats, unless the address says otherwise: a peer that vanished without a
/// word is noticed within two.
const HEARTBEAT_SECONDS: u16 = 15;

/// A parsed address.
#[derive(Clone)]
pub(crate) struct Address(AMQPUri);

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        let mut uri: AMQPUri = url.parse().map_err(|detail| BusError::Address { detail })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Ok(Self(uri))
    }

    pub(crate) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, query: _ } = &self.0;
        let user = &authority.userinfo.username;
        let vhost = vhost.replace('/', "%2f");
        write!(f, "{scheme}://{user}:***@{}:{}/{vhost}", authority.host, authority.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_without_its_password() {
        let address = Address::parse("amqp://bowline:hunter2@broker:5673/prod").unwrap();
        assert_eq!(address.to_string(), "amqp://bowline:***@broker:5673/prod");
        assert_eq!(format!("{address:?}"), address.to_string());
        let address = Address::parse("amqp://bowline:hunter2@broker/%2f").unwrap();
        assert_eq!(address.to_string(), "amqp://bowline:***@broker:5672/%2f");
    }

    #[test]
    fn an_unusable_address_is_refused_without_being_repeated() {
        let error = Address::parse("amqp://bowline:hunter2@broker:port").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
