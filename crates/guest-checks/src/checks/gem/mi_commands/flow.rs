//! Where execution goes: chained batches, second levels, conditional ends.

use crate::checks::engines;
use crate::checks::gem::{Work, everywhere, on_render};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "two levels", on: everywhere, run: engines::check },
    Work { name: "chains", on: everywhere, run: chains },
    Work { name: "second level chains", on: everywhere, run: second_level_chains },
    Work { name: "offset start", on: on_render, run: offset_start },
    Work { name: "conditional end", on: everywhere, run: conditional_end },
    Work { name: "conditional loop", on: everywhere, run: conditional_loop },
    Work { name: "without effect", on: everywhere, run: without_effect },
    Work { name: "nopid", on: everywhere, run: nopid },
];

/// Places of further batches, in dwords.
const SECOND: usize = 0x400;
const THIRD: usize = 0x800;
const FOURTH: usize = 0xc00;
/// What must not be written.
const NEVER: u32 = 0x0bad_0bad;

/// MI_BATCH_BUFFER_START without the second level's bit never comes back, wherever it leads; the end
/// of the last batch of the chain is the end of the first.
fn chains(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let store = |slot, value| Batch::default().store(trial.slot(slot), value);
    trial.write_code(
        SECOND,
        &store(1, 2)
            .call(trial.code(FOURTH))
            .store(trial.slot(2), 3)
            .jump(trial.code(THIRD))
            .store(trial.slot(9), NEVER)
            .end(),
    );
    trial.write_code(THIRD, &store(3, 4).end());
    trial.write_code(FOURTH, &store(4, 5).end());
    trial.run(&store(0, 1).jump(trial.code(SECOND)).store(trial.slot(8), NEVER).end())?;
    for (slot, value) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (8, 0), (9, 0)] {
        trial.expect(&format!("slot {slot}"), slot, value)?;
    }
    Ok("three batches, one of them with a second level".into())
}

/// There is no stack: a second level started from a second level takes its place, and its end goes
/// back behind the first call.
fn second_level_chains(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let store = |slot, value| Batch::default().store(trial.slot(slot), value);
    trial
        .write_code(SECOND, &store(1, 2).call(trial.code(THIRD)).store(trial.slot(8), NEVER).end());
    trial.write_code(THIRD, &store(2, 3).end());
    trial.run(&store(0, 1).call(trial.code(SECOND)).store(trial.slot(3), 4).end())?;
    for (slot, value) in [(0, 1), (1, 2), (2, 3), (3, 4), (8, 0)] {
        trial.expect(&format!("slot {slot}"), slot, value)?;
    }
    Ok("back to the first level".into())
}

/// MI_BATCH_BUFFER_START adds BB_OFFSET to its address where bit 16 says so.
fn offset_start(device: &Device, engine: Engine) -> Result<String> {
    const BB_OFFSET: u32 = 0x158;
    const ADD_OFFSET: u32 = 1 << 16;
    let trial = Trial::new(device, engine)?;
    let register = trial.register(BB_OFFSET)?;
    trial.write_code(SECOND, &Batch::default().store(trial.slot(0), 1).end());
    trial.write_code(THIRD, &Batch::default().store(trial.slot(0), 2).end());
    let address = trial.code(SECOND);
    let offset = (trial.code(THIRD) - address) as u32;
    for (add, entered) in [(0, 1), (ADD_OFFSET, 2)] {
        trial.set(0, 0);
        let header = mi::BATCH_BUFFER_START | mi::PPGTT | mi::SECOND_LEVEL | add;
        let batch = Batch::default()
            .load_registers(&[(register, offset)])
            .command(header, &[mi::low(address), mi::high(address)])
            .store(trial.slot(1), entered);
        trial.run(&batch.end())?;
        trial.expect("the batch that was entered", 0, entered)?;
        trial.expect("what stands behind the start", 1, entered)?;
    }
    Ok("with and without".into())
}

/// The batch goes on only if memory is greater than the data, both without sign. Without the compare
/// bit nothing is looked at.
fn conditional_end(device: &Device, engine: Engine) -> Result<String> {
    const CASES: [(u32, u32, u32, bool); 8] = [
        (mi::BIT_21, 2, 1, true),
        (mi::BIT_21, 1, 1, false),
        (mi::BIT_21, 0, 1, false),
        (mi::BIT_21, 0, 0, false),
        (mi::BIT_21, 0x8000_0000, 1, true),
        (mi::BIT_21, 1, 0x8000_0000, false),
        (mi::BIT_21, u32::MAX, u32::MAX, false),
        (0, 0, 1, true),
    ];
    let trial = Trial::new(device, engine)?;
    let (memory_slot, done) = (0, 1);
    for (number, (compare, memory, data, goes_on)) in (1..).zip(CASES) {
        trial.set(memory_slot, memory);
        trial.set(done, 0);
        let address = trial.slot(memory_slot);
        let operands = [data, mi::low(address), mi::high(address)];
        let batch = Batch::default()
            .command(mi::CONDITIONAL_BATCH_BUFFER_END | compare, &operands)
            .store(trial.slot(done), number);
        trial.run(&batch.end())?;
        let what =
            format!("behind the conditional end with {memory:#x} in memory, {data:#x} as data");
        trial.expect(&what, done, if goes_on { number } else { 0 })?;
    }
    Ok(format!("{} cases", CASES.len()))
}

/// A loop that counts down in memory and leaves by a conditional end.
fn conditional_loop(device: &Device, engine: Engine) -> Result<String> {
    const ROUNDS: u32 = 100;
    let trial = Trial::new(device, engine)?;
    trial.set(0, ROUNDS);
    let (left, done) = (trial.slot(0), trial.slot(1));
    let batch = Batch::default()
        .command(mi::ATOMIC | DEC, &[mi::low(left), mi::high(left)])
        .increment(done)
        .end_unless_greater(left, 0)
        .jump(trial.code(0));
    trial.run(&batch.end())?;
    trial.expect("what is left", 0, 0)?;
    trial.expect("the rounds", 1, ROUNDS)?;
    Ok(format!("{ROUNDS} rounds"))
}

/// MI_ATOMIC's operation on a dword.
const DEC: u32 = 0x06 << 8;

/// Commands that change nothing a batch could see, in the midst of others.
fn without_effect(device: &Device, engine: Engine) -> Result<String> {
    /// MI_ARB_CHECK and, as privilege is missing, MI_ARB_ON_OFF (off).
    const ARBITRATION: [u32; 2] = [0x05 << 23, 0x08 << 23];
    let trial = Trial::new(device, engine)?;
    let batch = Batch::default()
        .store(trial.slot(0), 1)
        .command(ARBITRATION[0], &[])
        .command(ARBITRATION[1], &[])
        .command(mi::USER_INTERRUPT, &[])
        .command(mi::REPORT_HEAD, &[])
        .command(0, &[])
        .store(trial.slot(1), 2);
    trial.run(&batch.end())?;
    trial.expect("ahead of them", 0, 1)?;
    trial.expect("behind them", 1, 2)?;
    Ok("five commands".into())
}

/// MI_NOOP with an identification number leaves it in NOPID; without, it leaves NOPID alone.
fn nopid(device: &Device, engine: Engine) -> Result<String> {
    const NOPID: u32 = 0x94;
    let trial = Trial::new(device, engine)?;
    let register = trial.register(NOPID)?;
    let mut batch = Batch::default();
    let numbers = [0x12_3456, 0x3f_ffff, 0];
    for (slot, number) in numbers.into_iter().enumerate() {
        batch = batch.mark(number).command(0, &[]).store_register(trial.slot(slot), register);
    }
    trial.run(&batch.end())?;
    for (slot, number) in numbers.into_iter().enumerate() {
        if trial.get(slot) != number {
            let found = trial.get(slot);
            return Err(Error::Wrong(format!("NOPID is {found:#x} after a NOOP of {number:#x}")));
        }
    }
    Ok("three numbers".into())
}
