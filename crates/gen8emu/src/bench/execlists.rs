//! `elsp_to_csb`: an empty batch, from the ELSP write to the CSB entry.

use std::hint::black_box;

use anyhow::Result;
use gen8_spec::PAGE_SIZE;
use gen8_spec::commands::mi;
use rigs::Rig;

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

/// The limit is what no device gets around: a context switch reads the register state in and
/// writes it out again, one page each way.
pub(super) const ELSP_TO_CSB: Bench = Bench {
    name: "elsp_to_csb",
    about: "an empty batch, from the ELSP write to the CSB entry",
    limit: "the register-state page copied in and out",
    unit: Unit::Microseconds,
    target: Target::Ratio(20.0),
    run: elsp_to_csb,
};

fn elsp_to_csb() -> Result<Pair> {
    let mut rig = Rig::new()?;
    rig.put_data(0, &[mi::header(mi::BATCH_BUFFER_END, 0), mi::NOOP]);
    (0..16).try_for_each(|_| rig.run_to_csb())?;
    let mut state = vec![0_u8; PAGE_SIZE as usize];
    let mut image = vec![0_u8; PAGE_SIZE as usize];
    Ok(measure::pair(
        |rounds| (0..rounds).filter(|_| rig.run_to_csb().is_ok()).count() as u64,
        |rounds| {
            for _ in 0..rounds {
                state.copy_from_slice(black_box(&image));
                image.copy_from_slice(black_box(&state));
            }
            u64::from(rounds)
        },
    ))
}
