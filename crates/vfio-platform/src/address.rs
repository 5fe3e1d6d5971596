//! The address of a PCI function.

use std::fmt;
use std::str::FromStr;

/// Where a PCI function is, as `lspci -D` writes it: `0000:00:02.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    domain: u16,
    bus: u8,
    device: u8,
    function: u8,
}

/// The text is no PCI address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no PCI address: write it like 0000:00:02.0")]
pub struct ParseAddressError(String);

/// Devices of a bus and functions of a device.
const DEVICES: u8 = 32;
const FUNCTIONS: u8 = 8;

impl FromStr for Address {
    type Err = ParseAddressError;

    /// Reads `DOMAIN:BUS:DEVICE.FUNCTION` in hexadecimal; the domain may be missing.
    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        parse(text).ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Address> {
    let (place, function) = text.split_once('.')?;
    let (bus, device) = place.rsplit_once(':')?;
    let (domain, bus) = bus.split_once(':').unwrap_or(("0", bus));
    let byte = |digits| u8::try_from(number(digits)?).ok();
    let address = Address {
        domain: number(domain)?,
        bus: byte(bus)?,
        device: byte(device)?,
        function: byte(function)?,
    };
    (address.device < DEVICES && address.function < FUNCTIONS).then_some(address)
}

/// Hexadecimal digits only: no sign, no prefix.
fn number(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|letter| letter.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_domain() {
        for text in ["0000:00:02.0", "00:02.0", "0:2.0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), "0000:00:02.0");
        }
        assert_eq!("10ab:ff:1f.7".parse::<Address>().unwrap().to_string(), "10ab:ff:1f.7");
    }

    #[test]
    fn what_is_no_address_is_refused_and_cannot_become_a_path() {
        for text in ["", "02.0", "00:02", "00:20.0", "00:02.8", "../00:02.0", "+0:02.0", "00:.0"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("0000:00:02.0"), "{error}");
        }
    }
}
