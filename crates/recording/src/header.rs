//! What comes first in a recording: the device.

use std::io::{self, Read, Write};

use gen8_spec::sku;
use gpu_model::display::{Monitor, Output, Port};
use gpu_model::{Gpu, GpuConfig, GuestRam, Mutations};
use serde::{Deserialize, Serialize};

use crate::error::{Offset, ReadError};

/// First bytes of a file. One that went through a program for text does not begin so any more.
const MAGIC: [u8; 8] = *b"\x89G8REC\r\n";
/// Version of the format.
pub(crate) const VERSION: u32 = 1;
/// Most bytes of the description: three EDIDs of the largest size, as digits.
const LONGEST: u32 = 1 << 20;
/// Bytes before the description: magic, version, its length, its checksum.
const FIXED: u64 = 20;

/// What a recording says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The program that wrote it, with its version.
    pub program: String,
    /// State hash of the device after power-on. One that differs is another build's: there, all others do.
    pub power_on: u64,
    /// The device after power-on.
    pub gpu: RecordedGpu,
}

/// A [`GpuConfig`] in plain values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedGpu {
    /// PCI device id.
    pub device_id: u16,
    /// Bytes of the aperture.
    pub aperture_size: u64,
    /// GMCH_CTRL.
    pub gmch_ctrl: u16,
    /// BDSM.
    pub stolen_base: u32,
    /// Whether the part has no display.
    pub display_fused_off: bool,
    /// EDIDs of the monitors by port, as hexadecimal digits; null for a port without one.
    pub outputs: Vec<Option<String>>,
    /// Defects.
    pub mutations: RecordedMutations,
}

/// [`Mutations`] in plain values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedMutations {
    /// TLB entries stay whatever the guest does.
    pub tlb_never_invalidates: bool,
    /// The PTE of this PPGTT address is cleared once an engine has used it.
    pub pte_lost: Option<u64>,
    /// The PTE of this PPGTT address comes back after software changed it.
    pub pte_restored: Option<u64>,
    /// Writes of the PTE of this GGTT address are dropped.
    pub ggtt_write_lost: Option<u64>,
    /// An engine does not load the address space again that it loaded first.
    pub first_root_not_loaded_again: bool,
    /// A context whose image has moved is saved to the old page as well.
    pub context_saved_to_old_page: bool,
}

impl From<Mutations> for RecordedMutations {
    fn from(mutations: Mutations) -> RecordedMutations {
        let Mutations {
            tlb_never_invalidates,
            pte_lost,
            pte_restored,
            ggtt_write_lost,
            first_root_not_loaded_again,
            context_saved_to_old_page,
        } = mutations;
        RecordedMutations {
            tlb_never_invalidates,
            pte_lost,
            pte_restored,
            ggtt_write_lost,
            first_root_not_loaded_again,
            context_saved_to_old_page,
        }
    }
}

impl From<RecordedMutations> for Mutations {
    fn from(recorded: RecordedMutations) -> Mutations {
        let RecordedMutations {
            tlb_never_invalidates,
            pte_lost,
            pte_restored,
            ggtt_write_lost,
            first_root_not_loaded_again,
            context_saved_to_old_page,
        } = recorded;
        Mutations {
            tlb_never_invalidates,
            pte_lost,
            pte_restored,
            ggtt_write_lost,
            first_root_not_loaded_again,
            context_saved_to_old_page,
        }
    }
}

impl Header {
    /// The header for a device.
    pub fn new(config: &GpuConfig) -> Header {
        let GpuConfig {
            sku,
            aperture_size,
            gmch_ctrl,
            stolen_base,
            display_fused_off,
            outputs,
            mutations,
        } = config;
        let edid = |output: &Output| output.monitor.as_ref().map(|monitor| hex(monitor.edid()));
        let gpu = RecordedGpu {
            device_id: sku.device_id,
            aperture_size: *aperture_size,
            gmch_ctrl: *gmch_ctrl,
            stolen_base: *stolen_base,
            display_fused_off: *display_fused_off,
            outputs: outputs.iter().map(edid).collect(),
            mutations: (*mutations).into(),
        };
        let program = concat!("gen8emu ", env!("CARGO_PKG_VERSION")).to_owned();
        Header { program, power_on: power_on(config), gpu }
    }

    /// Whether the state hashes of the recording are comparable with this program's.
    pub fn is_of_this_build(&self) -> bool {
        self.config().is_ok_and(|config| power_on(&config) == self.power_on)
    }

    /// The device that it describes; else what cannot be.
    pub(crate) fn config(&self) -> Result<GpuConfig, String> {
        let gpu = &self.gpu;
        let sku = sku::by_device_id(gpu.device_id)
            .ok_or_else(|| format!("there is no part with device id {:#06x}", gpu.device_id))?;
        let (outputs, ports) = (gpu.outputs.len(), Port::ALL.len());
        if outputs > ports {
            return Err(format!("it has {outputs} outputs, and there are {ports} ports"));
        }
        let outputs = gpu.outputs.iter().map(|edid| output(edid.as_deref()));
        Ok(GpuConfig {
            sku,
            aperture_size: gpu.aperture_size,
            gmch_ctrl: gpu.gmch_ctrl,
            stolen_base: gpu.stolen_base,
            display_fused_off: gpu.display_fused_off,
            outputs: outputs.collect::<Result<_, _>>()?,
            mutations: gpu.mutations.into(),
        })
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let len = u32::try_from(text.len()).map_err(io::Error::other)?;
        to.write_all(&MAGIC)?;
        for word in [VERSION, len, crc32fast::hash(&text)] {
            to.write_all(&word.to_le_bytes())?;
        }
        to.write_all(&text)
    }

    /// Reads the header; gives the bytes that it takes as well.
    pub(crate) fn read(from: &mut impl Read) -> Result<(Header, u64), ReadError> {
        let mut magic = [0; MAGIC.len()];
        let whole = fill(from, &mut magic, 0)?;
        if magic[..whole] != MAGIC[..whole] || whole == 0 {
            return Err(ReadError::NoRecording);
        }
        let cut = |offset| ReadError::Cut { offset: Offset::file(offset), inputs: 0 };
        if whole < MAGIC.len() {
            return Err(cut(0));
        }
        let mut words = [0; FIXED as usize - MAGIC.len()];
        if fill(from, &mut words, MAGIC.len() as u64)? < words.len() {
            return Err(cut(MAGIC.len() as u64));
        }
        let [version, len, checksum] = [0, 4, 8].map(|at| u32_at(&words, at));
        if version != VERSION {
            return Err(ReadError::Version { found: version, known: VERSION });
        }
        let damaged = |what: String| ReadError::Damaged { offset: Offset::file(FIXED), what };
        if len > LONGEST {
            return Err(damaged(format!("its description has {len} bytes")));
        }
        let mut text = vec![0; len as usize];
        if fill(from, &mut text, FIXED)? < text.len() {
            return Err(cut(FIXED));
        }
        if crc32fast::hash(&text) != checksum {
            return Err(damaged("the checksum of its description is wrong".to_owned()));
        }
        let header: Header = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("its description is none: {error}")))?;
        Ok((header, FIXED + u64::from(len)))
    }
}

/// The state hash of a device after power-on.
fn power_on(config: &GpuConfig) -> u64 {
    Gpu::new(config.clone(), GuestRam::empty()).state_hash()
}

/// Reads as much as there is; `offset` is where.
pub(crate) fn fill(from: &mut impl Read, room: &mut [u8], offset: u64) -> Result<usize, ReadError> {
    let mut filled = 0;
    while filled < room.len() {
        match from.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(ReadError::Io { offset: Offset::file(offset + filled as u64), source });
            }
        }
    }
    Ok(filled)
}

/// A little-endian dword; 0 behind the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |&word| u32::from_le_bytes(word))
}

fn output(edid: Option<&str>) -> Result<Output, String> {
    let monitor = edid.map(|digits| {
        let bytes = unhex(digits).ok_or("an EDID is not written in hexadecimal digits")?;
        Monitor::of_edid(&bytes).map_err(|error| error.to_string())
    });
    Ok(Output { monitor: monitor.transpose()? })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some((digit(high)? << 4 | digit(low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> GpuConfig {
        let mut config = GpuConfig::by_device_id(0x1616).unwrap();
        config.outputs = vec!["hdmi=1024x768".parse().unwrap(), "hdmi=none".parse().unwrap()];
        config.stolen_base = 0x4000_0000;
        config.mutations.tlb_never_invalidates = true;
        config.mutations.pte_lost = Some(0x1000);
        config
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        Header::new(&config()).write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_device_is_read_as_it_was_written() {
        let bytes = written();
        let (header, len) = Header::read(&mut &bytes[..]).unwrap();
        assert_eq!(len, bytes.len() as u64);
        assert_eq!(header.config().unwrap(), config());
    }

    #[test]
    fn other_files_and_other_versions_are_refused_by_name() {
        for other in [&b""[..], b"\x7fELF", b"\x89G8REC\n\n more of it"] {
            assert!(matches!(Header::read(&mut &other[..]), Err(ReadError::NoRecording)));
        }
        let mut bytes = written();
        bytes[8] = 2;
        let error = Header::read(&mut &bytes[..]).unwrap_err();
        assert!(matches!(error, ReadError::Version { found: 2, known: 1 }), "{error}");
    }

    #[test]
    fn what_no_device_is_is_refused() {
        let mut header = Header::new(&config());
        header.gpu.outputs = vec![None; 4];
        assert!(header.config().unwrap_err().contains("4 outputs"));
        let mut header = Header::new(&config());
        header.gpu.device_id = 0;
        assert!(header.config().unwrap_err().contains("0x0000"));
    }

    #[test]
    fn every_cut_is_told_with_its_place_and_every_flipped_bit_is_an_error() {
        let bytes = written();
        for len in 1..bytes.len() {
            let error = Header::read(&mut &bytes[..len]).unwrap_err();
            assert!(error.to_string().contains("cut off"), "{len}: {error}");
        }
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::read(&mut &bytes[..]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_description_is_not_read_if_it_claims_to_be_huge() {
        let mut bytes = written();
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = Header::read(&mut &bytes[..]).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
    }
}
