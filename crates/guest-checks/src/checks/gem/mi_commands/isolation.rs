//! Registers that belong to a context.
//!
//! Which these are: IGT's `gem_ctx_isolation` has the list for Gen8, the PRM (volume 3, "Logical
//! Context Data") the groups.

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Trial};

pub(super) const WORKS: &[Work] = &[Work { name: "isolation", on: everywhere, run: isolation }];

/// A run of registers: what it is, first offset, dwords, and bits that a batch can set.
struct Run {
    name: &'static str,
    first: u32,
    dwords: u32,
    bits: u32,
    /// The upper half of what is written chooses the bits of the lower half.
    masked: bool,
}

const fn run(name: &'static str, first: u32, dwords: u32, bits: u32) -> Run {
    Run { name, first, dwords, bits, masked: false }
}

/// A masked register with bits that can be changed without harm (0: its value is looked at alone).
const fn masked(name: &'static str, first: u32, bits: u32) -> Run {
    Run { name, first, dwords: 1, bits, masked: true }
}

/// Render's, offsets in BAR0.
const RENDER: [Run; 20] = [
    masked("INSTPM", 0x20c0, 1 << 5),
    run("GPGPU_THREADS_DISPATCHED", 0x2290, 2, u32::MAX),
    run("PS_INVOCATION_COUNT_0", 0x22c8, 2, !3),
    run("PS_DEPTH_COUNT_0", 0x22d8, 2, u32::MAX),
    run("PS_INVOCATION_COUNT_1", 0x22f0, 2, !3),
    run("PS_DEPTH_COUNT_1", 0x22f8, 2, u32::MAX),
    run("pipeline statistics", 0x2300, 18, u32::MAX),
    run("MI_PREDICATE_SRC0, SRC1, DATA", 0x2400, 6, u32::MAX),
    run("MI_PREDICATE_RESULT", 0x2418, 1, 1),
    run("MI_PREDICATE_RESULT_1", 0x241c, 1, 1),
    run("3DPRIM_END_OFFSET", 0x2420, 1, u32::MAX),
    run("3DPRIM_START_VERTEX and following", 0x2430, 5, u32::MAX),
    run("PS_INVOCATION_COUNT_2", 0x2448, 2, !3),
    run("PS_DEPTH_COUNT_2", 0x2450, 2, u32::MAX),
    run("GPGPU_DISPATCHDIM", 0x2500, 3, u32::MAX),
    run("SO_NUM_PRIMS_WRITTEN", 0x5200, 8, u32::MAX),
    run("SO_PRIM_STORAGE_NEEDED", 0x5240, 8, u32::MAX),
    run("SO_WRITE_OFFSET", 0x5280, 4, !3),
    masked("CACHE_MODE_1", 0x7004, 1 << 1),
    run("TD_CTL", 0xe400, 1, 0xffff),
];
/// The blitter's.
const COPY: [Run; 1] = [masked("BCS_SWCTRL", 0x2_2200, 3)];
/// Every engine's general-purpose registers, from its base.
const GPR: Run = run("GPR", 0x600, 32, u32::MAX);

/// The registers of `engine`.
fn runs(engine: Engine) -> Result<Vec<Run>> {
    let gpr = Run { first: engine.base()? + GPR.first, ..GPR };
    let mut runs = vec![gpr];
    if engine.is_render() {
        runs.extend(RENDER);
    } else if engine.is_copy() {
        runs.extend(COPY);
    }
    Ok(runs)
}

/// One register of a run.
#[derive(Clone, Copy)]
struct Register {
    name: &'static str,
    offset: u32,
    bits: u32,
    masked: bool,
}

impl Register {
    /// What to write so that its bits become those of `pattern`.
    fn written(&self, pattern: u32) -> u32 {
        if self.masked { self.bits << 16 | pattern & self.bits } else { pattern & self.bits }
    }

    /// A value of its own in each of two contexts.
    fn pattern(&self, context: u32) -> u32 {
        let value = self.offset.wrapping_mul(0x9e37_79b1) ^ 0x5a5a_a5a5;
        if context == 0 { value } else { !value }
    }
}

/// What one context writes another never sees, what a context wrote it finds again after others ran,
/// and contexts that are new are all the same.
fn isolation(device: &Device, engine: Engine) -> Result<String> {
    let registers: Vec<Register> = runs(engine)?
        .into_iter()
        .flat_map(|run| {
            let Run { name, first, dwords, bits, masked } = run;
            (0..dwords).map(move |n| Register { name, offset: first + 4 * n, bits, masked })
        })
        .collect();
    let contexts = [Trial::new(device, engine)?, Trial::new(device, engine)?];
    let virgin = read(&Trial::new(device, engine)?, &registers)?;
    for (number, trial) in (0..).zip(&contexts) {
        expect(&registers, "in a new context", &read(trial, &registers)?, |n| virgin[n])?;
        write(trial, &registers, number)?;
    }
    for (number, trial) in (0..).zip(&contexts) {
        let found = read(trial, &registers)?;
        expect(&registers, "after another context ran", &found, |n| {
            let Register { bits, .. } = registers[n];
            // Bits that cannot be set by a batch are as they were.
            registers[n].pattern(number) & bits | virgin[n] & !bits
        })?;
    }
    let last = read(&Trial::new(device, engine)?, &registers)?;
    expect(&registers, "in a new context, after others wrote", &last, |n| virgin[n])?;
    Ok(format!("{} registers", registers.len()))
}

/// What the registers hold in a context.
fn read(trial: &Trial, registers: &[Register]) -> Result<Vec<u32>> {
    let mut batch = Batch::default();
    for (slot, register) in registers.iter().enumerate() {
        batch = batch.store_register(trial.slot(slot), register.offset);
    }
    trial.run(&batch.end())?;
    Ok((0..registers.len()).map(|slot| trial.get(slot)).collect())
}

/// Writes them all.
fn write(trial: &Trial, registers: &[Register], context: u32) -> Result<()> {
    let mut batch = Batch::default();
    for register in registers {
        let value = register.written(register.pattern(context));
        batch = batch.load_registers(&[(register.offset, value)]);
    }
    trial.run(&batch.end())
}

fn expect(
    registers: &[Register],
    when: &str,
    found: &[u32],
    expected: impl Fn(usize) -> u32,
) -> Result<()> {
    for (n, (register, found)) in registers.iter().zip(found).enumerate() {
        let expected = expected(n);
        if *found != expected {
            let Register { name, offset, .. } = register;
            return Err(Error::Wrong(format!(
                "{name} at {offset:#x} is {found:#x} {when} and should be {expected:#x}"
            )));
        }
    }
    Ok(())
}
