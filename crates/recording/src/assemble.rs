//! Recordings that no device made.

use gpu_model::GpuConfig;

use crate::block::{Base, Block, Kind, LARGEST};
use crate::header::Header;
use crate::writer::Ending;

/// A recording of these records, as `docs/recording.md` tells how they are written, whole in all else: for
/// tests, and for fuzzing, which would not get past the checksums.
///
/// ```
/// let config = gpu_model::GpuConfig::by_device_id(0x1616).expect("a Broadwell");
/// let reset = [0x08];
/// let bytes = recording::assemble(&config, &reset, 1);
/// let summary = recording::Reader::new(&bytes[..], recording::Limits::default())?.summary()?;
/// assert_eq!(summary.inputs, 1);
/// # Ok::<(), recording::ReadError>(())
/// ```
pub fn assemble(config: &GpuConfig, contents: &[u8], inputs: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Nothing but an operating system refuses bytes.
    let _ = Header::new(config).write(&mut bytes);
    let contents = contents[..contents.len().min(LARGEST)].to_vec();
    let (kind, base) = (Kind::Records, Base::default());
    let block = Block { kind, base, continues: false, contents };
    bytes.extend(block.pack());
    let ending = serde_json::to_vec(&Ending { inputs, now_ns: 0, lost: None });
    let contents = ending.unwrap_or_default();
    let base = Base { inputs, ..Base::default() };
    bytes.extend(Block { kind: Kind::End, base, continues: false, contents }.pack());
    bytes
}
