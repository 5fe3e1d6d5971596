//! Benches of the command streamer: `mi_noop` and `mi_store_data_imm`.

use std::hint::black_box;

use anyhow::{Result, ensure};
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};
use rigs::{DATA_VA, Rig};

pub(super) const MI_NOOP: Bench = Bench {
    name: "mi_noop",
    about: "MI_NOOPs of an endless batch",
    limit: "a plain scan of the same dwords, one by one",
    unit: Unit::MillionPerSecond,
    target: Target::Ratio(30.0),
    run: mi_noop,
};

pub(super) const MI_STORE_DATA_IMM: Bench = Bench {
    name: "mi_store_data_imm",
    about: "MI_STORE_DATA_IMMs of an endless batch",
    limit: "plain stores of the same dwords from the same list",
    unit: Unit::MillionPerSecond,
    target: Target::Ratio(60.0),
    run: mi_store_data_imm,
};

/// Dwords of the batch before it starts over: 64 KiB.
const BATCH_DWORDS: usize = 16 << 10;
/// Where the stores go: behind the batch, in one page.
const STORES: u64 = 1 << 20;

/// The jump back to the batch's start.
fn start_over() -> [u32; 3] {
    let header = mi::header(mi::BATCH_BUFFER_START, 1) | mi::BATCH_PPGTT;
    [header, DATA_VA as u32, (DATA_VA >> 32) as u32]
}

fn mi_noop() -> Result<Pair> {
    let batch = vec![mi::NOOP; BATCH_DWORDS];
    let mut rig = endless(&batch)?;
    Ok(measure::pair(
        |rounds| rig.run(u64::from(rounds) * 1000),
        |rounds| {
            let mut other = 0_u32;
            let passes = rounds.div_ceil(16);
            for _ in 0..passes {
                for dword in &batch {
                    // One by one: commands have different lengths, so nobody may read ahead.
                    other += u32::from(*black_box(dword) != mi::NOOP);
                }
            }
            black_box(other);
            u64::from(passes) * batch.len() as u64
        },
    ))
}

fn mi_store_data_imm() -> Result<Pair> {
    let header = mi::header(mi::STORE_DATA_IMM, 2);
    let mut batch = Vec::with_capacity(BATCH_DWORDS);
    for n in 0..(BATCH_DWORDS / 4) as u64 {
        let address = DATA_VA + STORES + 4 * n % PAGE_SIZE;
        batch.extend([header, address as u32, (address >> 32) as u32, n as u32 + 1]);
    }
    let mut rig = endless(&batch)?;
    ensure!(rig.data(STORES).is_some_and(|dword| dword != 0), "the batch stored nothing");
    let mut target = vec![0_u32; (PAGE_SIZE / 4) as usize];
    Ok(measure::pair(
        |rounds| rig.run(u64::from(rounds) * 1000),
        |rounds| {
            let passes = rounds.div_ceil(16);
            for _ in 0..passes {
                for command in batch.chunks_exact(4) {
                    let place = u64::from(command[1]) % PAGE_SIZE / 4;
                    target[place as usize] = command[3];
                    black_box(&mut target);
                }
            }
            u64::from(passes) * (batch.len() / 4) as u64
        },
    ))
}

/// Runs `batch` again and again.
fn endless(batch: &[u32]) -> Result<Rig> {
    let mut rig = Rig::new()?;
    rig.put_data(0, batch);
    rig.put_data(4 * batch.len() as u64, &start_over());
    rig.submit();
    rig.check_endless()?;
    // Once round, so that every page was touched.
    rig.run(batch.len() as u64);
    Ok(rig)
}
