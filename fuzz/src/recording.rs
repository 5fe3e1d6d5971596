//! Recordings that nobody made: files, and contents of files whose checksums are right.

use std::io::Cursor;

use gpu_model::GpuConfig;
use recording::{Limits, Position, Replay, assemble};

/// Most guest memory of a recording.
const RAM: u64 = 64 << 20;
/// Calls that a run makes at most.
const CALLS: u64 = 256;
/// The recorded part.
const DEVICE_ID: u16 = 0x1616;

/// The first byte says what the others are: a file if it is even, else the records of one. The second is then
/// how many inputs the recording claims to have.
///
/// Judged by: nothing panics; the file is refused, or replays, or differs.
pub fn recording(data: &[u8]) {
    let (file, inputs) = match data {
        [kind, rest @ ..] if kind % 2 == 0 => (rest.to_vec(), None),
        [_, inputs, rest @ ..] => (rest.to_vec(), Some(*inputs)),
        _ => return,
    };
    let file = match (inputs, GpuConfig::by_device_id(DEVICE_ID)) {
        (Some(inputs), Some(config)) => assemble(&config, &file, inputs.into()),
        _ => file,
    };
    for partial in [false, true] {
        let limits = Limits { ram: RAM, partial };
        if let Ok(mut replay) = Replay::new(Cursor::new(&file[..]), limits) {
            // A difference is what most of them are.
            let _ = replay.run_to(Position::Input(CALLS));
        }
    }
}
