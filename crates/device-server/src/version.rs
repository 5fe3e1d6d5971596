//! The first message: which version of the protocol, and with which limits.

use serde::Deserialize;

use crate::dma::MAX_MAPPINGS;
use crate::errno::Errno;
use crate::wire::{Fields, MAX_DATA, MAX_FDS, Reply};

/// The version that both sides speak: 0.0, the first and only one.
const MAJOR: u16 = 0;
const MINOR: u16 = 0;

/// What the client says about itself. Nothing here limits this server: it sends no fds, and no data
/// that was not asked for. It is read to refuse what is no offer at all, and to log it.
#[derive(Debug, Default, Deserialize)]
struct Offer {
    #[serde(default)]
    capabilities: Capabilities,
}

/// Numbers that the protocol names; others are passed over, as it demands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    max_msg_fds: u64,
    max_data_xfer_size: u64,
    write_multiple: bool,
}

/// Answers VERSION.
pub(crate) fn negotiate(mut fields: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
    let (major, minor) = (fields.u16()?, fields.u16()?);
    if major != MAJOR {
        return Err(Errno::UNSUPPORTED);
    }
    let offer = parse(fields.rest())?;
    let client = offer.capabilities;
    log::info!(
        "client of version {major}.{minor}: max_msg_fds {}, max_data_xfer_size {}, write_multiple {}",
        client.max_msg_fds,
        client.max_data_xfer_size,
        client.write_multiple
    );
    reply.u16(MAJOR).u16(MINOR).bytes(capabilities().as_bytes()).bytes(&[0]);
    Ok(())
}

/// The client's JSON, which ends with a NUL and may be missing altogether.
fn parse(data: &[u8]) -> Result<Offer, Errno> {
    let Some((&last, json)) = data.split_last() else {
        return Ok(Offer::default());
    };
    if last != 0 {
        return Err(Errno::INVALID);
    }
    serde_json::from_slice(json).map_err(|_| Errno::INVALID)
}

/// The server's JSON.
///
/// QEMU 10.1 and 10.2 queue every message for a client that takes many writes in one, which is
/// slower (`VFIO_PROXY_USE_MULTI` held the bit of another option as well); 11.0 and later send as
/// ever, until more than a thousand writes wait.
fn capabilities() -> String {
    format!(
        r#"{{"capabilities":{{"max_msg_fds":{MAX_FDS},"max_data_xfer_size":{MAX_DATA},"max_dma_maps":{MAX_MAPPINGS},"pgsizes":{},"write_multiple":true}}}}"#,
        gen8_spec::PAGE_SIZE
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HEADER_SIZE, Header};

    /// What QEMU 11.1 sends.
    const QEMU: &str = r#"{"capabilities": {"pgsizes": 4096, "max_msg_fds": 16,
        "max_dma_maps": 65535, "max_data_xfer_size": 1048576,
        "migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "write_multiple": true}}"#;

    fn body(major: u16, data: &[u8]) -> Vec<u8> {
        [&major.to_ne_bytes()[..], &[0, 0], data].concat()
    }

    fn answer(body: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut reply = Reply::new();
        negotiate(Fields(body), &mut reply)?;
        let header = Header::read(&[0; HEADER_SIZE]);
        Ok(reply.finish(&header, Ok(()))[HEADER_SIZE..].to_vec())
    }

    #[test]
    fn qemus_offer_and_an_empty_one_are_taken() {
        let with_nul = [QEMU.as_bytes(), &[0]].concat();
        for data in [&with_nul[..], &[], b"{}\0"] {
            let answer = answer(&body(0, data)).unwrap();
            assert_eq!(answer[..4], [0; 4]);
            let (&last, json) = answer[4..].split_last().unwrap();
            assert_eq!(last, 0);
            let json: serde_json::Value = serde_json::from_slice(json).unwrap();
            assert_eq!(json["capabilities"]["pgsizes"], 4096);
            assert_eq!(json["capabilities"]["max_msg_fds"], 16);
        }
    }

    #[test]
    fn other_versions_and_broken_json_are_refused() {
        assert_eq!(answer(&body(1, b"{}\0")), Err(Errno::UNSUPPORTED));
        for data in [&b"{}"[..], b"{\0", b"\0", b"[1]\0", b"{}\0{}\0", b"\xff\0"] {
            assert_eq!(answer(&body(0, data)), Err(Errno::INVALID), "{data:?}");
        }
        for length in 0..4 {
            assert_eq!(answer(&[0; 4][..length]), Err(Errno::INVALID));
        }
    }
}
