//! MI commands that write memory: arrays, copies, addresses of 48 bits.

use crate::checks::gem::{Work, everywhere};
use crate::error::Result;
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "store arrays", on: everywhere, run: arrays },
    Work { name: "store qwords", on: everywhere, run: qwords },
    Work { name: "copies", on: everywhere, run: copies },
    Work { name: "48 bits", on: everywhere, run: far_away },
];

const CANARY: u32 = 0xca4a_4157;
/// Slots of a page.
const PAGE: usize = 1024;

/// MI_STORE_DATA_IMM of many lengths, up to the longest, also across a page's end; what stands on
/// either side stays.
fn arrays(device: &Device, engine: Engine) -> Result<String> {
    // The length field has 10 bits; the longest command is 1025 dwords, 1022 of them data.
    const LENGTHS: [usize; 7] = [1, 2, 3, 16, 63, 256, 1022];
    let trial = Trial::new(device, engine)?;
    for (n, length) in LENGTHS.into_iter().enumerate() {
        let first = 2 * n * PAGE + PAGE - length.min(5);
        let values: Vec<u32> = (0..length as u32).map(|m| 0x0101_0001 * (m + 1)).collect();
        trial.set(first - 1, CANARY);
        trial.set(first + length, CANARY);
        trial.run(&Batch::default().store_array(trial.slot(first), &values).end())?;
        for (m, value) in values.into_iter().enumerate() {
            trial.expect(&format!("dword {m} of {length}"), first + m, value)?;
        }
        trial.expect("the dword ahead", first - 1, CANARY)?;
        trial.expect("the dword behind", first + length, CANARY)?;
    }
    Ok(format!("up to {} dwords", LENGTHS[LENGTHS.len() - 1]))
}

/// The same with qwords.
fn qwords(device: &Device, engine: Engine) -> Result<String> {
    const LENGTHS: [usize; 3] = [1, 7, 500];
    let trial = Trial::new(device, engine)?;
    for (n, length) in LENGTHS.into_iter().enumerate() {
        // Two qwords ahead of a page's end.
        let first = 2 * n * PAGE + PAGE - 4;
        let values: Vec<u32> = (0..2 * length as u32).map(|m| 0x0020_0003 * (m + 1)).collect();
        trial.set(first + 2 * length, CANARY);
        let address = trial.slot(first);
        let operands = [&[mi::low(address), mi::high(address)][..], &values].concat();
        let batch = Batch::default().command(mi::STORE_DATA_IMM | mi::BIT_21, &operands);
        trial.run(&batch.end())?;
        for (m, value) in values.into_iter().enumerate() {
            trial.expect(&format!("dword {m} of {length} qwords"), first + m, value)?;
        }
        trial.expect("the dword behind", first + 2 * length, CANARY)?;
    }
    Ok(format!("up to {} qwords", LENGTHS[LENGTHS.len() - 1]))
}

/// MI_COPY_MEM_MEM takes one dword each and sees what the commands ahead of it left.
fn copies(device: &Device, engine: Engine) -> Result<String> {
    const STEPS: usize = 64;
    let trial = Trial::new(device, engine)?;
    trial.set(STEPS + 1, CANARY);
    let mut batch = Batch::default().store(trial.slot(0), 0x5eed_5eed);
    for step in 0..STEPS {
        batch = batch.copy(trial.slot(step + 1), trial.slot(step));
    }
    trial.run(&batch.end())?;
    trial.expect("the last of the chain", STEPS, 0x5eed_5eed)?;
    trial.expect("what stands behind", STEPS + 1, CANARY)?;
    Ok(format!("a chain of {STEPS}"))
}

/// All 48 bits of an address count, in every command that has one; bit 47 is repeated above.
fn far_away(device: &Device, engine: Engine) -> Result<String> {
    const PLACES: [u64; 3] = [0x0000_4567_89ab_c000, 0xffff_8000_0001_0000, 0xffff_fff0_0000_0000];
    let trial = Trial::new(device, engine)?;
    let gpr = trial.register(0x600)?;
    for place in PLACES {
        let object = device.object(4096)?;
        let memory = object.open()?;
        memory.write(3, 0x1eaf_1eaf);
        let batch = Batch::default()
            .store(place, 1)
            .copy(place + 4, place)
            .increment(place + 8)
            .load_register_from(gpr, place + 12)
            .store_register(place + 16, gpr)
            .wait_until(place, mi::Compare::Equal, 1)
            .end_unless_greater(place, 0)
            .store(trial.slot(0), 9);
        trial.set(0, 0);
        trial.run_with(&[object.at(place).written()], &batch.end())?;
        trial.expect(&format!("the end of the batch with {place:#x}"), 0, 9)?;
        for (dword, value) in [1, 1, 1, 0x1eaf_1eaf, 0x1eaf_1eaf].into_iter().enumerate() {
            let what = format!("dword {dword} at {place:#x}");
            crate::error::expect_dword(&what, memory.read(dword), value)?;
        }
    }
    Ok(format!("{} places", PLACES.len()))
}
