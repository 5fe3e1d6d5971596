//! Where viewers connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// An address to listen on: `5900` for a port of the loopback address, or an address written out
/// (`127.0.0.1:5900`, `[::1]:5900`, `0.0.0.0:5900`). Port 0 takes one that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(SocketAddr);

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no address for viewers: expected a port or IP:PORT, as in 5900 or 127.0.0.1:5900"
)]
pub struct AddressError(String);

impl Address {
    /// The address as sockets take it.
    pub fn socket(self) -> SocketAddr {
        self.0
    }

    /// Whether other machines may reach it.
    pub fn is_open(self) -> bool {
        !self.0.ip().is_loopback()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = match text.parse::<u16>() {
            Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            Err(_) => text.parse().ok(),
        };
        address.map(Address).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_loopback_and_every_other_address_is_written_out() {
        for (text, socket, open) in [
            ("5900", "127.0.0.1:5900", false),
            ("0", "127.0.0.1:0", false),
            ("127.0.0.1:5901", "127.0.0.1:5901", false),
            ("[::1]:5900", "[::1]:5900", false),
            ("0.0.0.0:5900", "0.0.0.0:5900", true),
            ("[::]:5900", "[::]:5900", true),
            ("192.0.2.7:80", "192.0.2.7:80", true),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_open()), (socket, open));
        }
        for wrong in
            ["", ":1", "65536", "-1", "127.0.0.1", "localhost:5900", "0.0.0.0:99999", "*:1"]
        {
            let error = wrong.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.contains("5900"), "{error}");
        }
    }
}
