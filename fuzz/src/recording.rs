//! Recordings that nobody made: files, and contents of files whose checksums are right.

use std::io::Cursor;

use gpu_model::GpuConfig;
use recording::{Limits, Position, Replay, assemble};

use crate::input::Input;
use crate::watched::Watched;

/// Most guest memory of a recording.
const RAM: u64 = 64 << 20;
/// Calls that a run makes at most.
const CALLS: u64 = 256;
/// The recorded parts.
const DEVICE_IDS: [u16; 3] = [0x1616, 0x1626, 0x1606];
/// A monitor.
const OUTPUT: &str = "hdmi=640x480";

/// The first byte says what the others are: a file; the records of one; or what it says of its device, and then its
/// records. Records have how many inputs the recording claims to have before them.
///
/// Judged by: nothing panics; the file is refused, or replays, or differs. All observers hear of it, and tell.
pub fn recording(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let file = match kind % 3 {
        0 => rest.to_vec(),
        1 => GpuConfig::by_device_id(DEVICE_IDS[0]).map_or_else(Vec::new, |it| made(&it, rest)),
        _ => {
            let (config, rest) = rest.split_at(rest.len().min(CONFIG_BYTES));
            made(&config_of(&mut Input::new(config)), rest)
        }
    };
    for partial in [false, true] {
        let limits = Limits { ram: RAM, partial };
        let Ok(mut replay) = Replay::new(Cursor::new(&file[..]), limits) else { continue };
        let watched = Watched::new();
        replay.gpu_mut().set_observer(Some(Box::new(watched.observers())));
        // A difference is what most of them are.
        let _ = replay.run_to(Position::Input(CALLS));
        watched.tell(replay.gpu_mut());
    }
}

/// A file of these records, behind the number of its inputs.
fn made(config: &GpuConfig, data: &[u8]) -> Vec<u8> {
    match data {
        [inputs, records @ ..] => assemble(config, records, (*inputs).into()),
        [] => Vec::new(),
    }
}

/// Bytes of what [`config_of`] reads.
const CONFIG_BYTES: usize = 25;

/// Any device.
fn config_of(input: &mut Input<'_>) -> GpuConfig {
    let part = input.pick(&DEVICE_IDS);
    let mut config = GpuConfig::by_device_id(part).expect("a Broadwell");
    let flags = input.u8();
    (config.gmch_ctrl, config.stolen_base) = (input.u16(), input.u32());
    config.aperture_size = input.u64();
    config.display_fused_off = flags & 1 != 0;
    for _ in 0..flags >> 1 & 7 {
        let output = if input.u8() & 1 == 0 { OUTPUT } else { "hdmi=none" };
        config.outputs.push(output.parse().expect("an output"));
    }
    config.mutations.tlb_never_invalidates = flags & 0x10 != 0;
    config.mutations.first_root_not_loaded_again = flags & 0x20 != 0;
    config.mutations.pte_lost = (flags & 0x40 != 0).then_some(config.aperture_size);
    config.mutations.pte_restored = (flags & 0x80 != 0).then_some(config.aperture_size);
    config
}
