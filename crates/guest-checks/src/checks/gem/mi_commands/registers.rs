//! MI commands that move registers.

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Placed, Trial, mi};
use crate::uapi;

pub(super) const WORKS: &[Work] = &[
    Work { name: "register moves", on: everywhere, run: moves },
    Work { name: "byte disables", on: everywhere, run: byte_disables },
    Work { name: "privileged registers", on: everywhere, run: privileged_registers },
    Work { name: "privileged commands", on: everywhere, run: privileged_commands },
    Work { name: "secure batch", on: everywhere, run: secure_batch },
];

/// General-purpose registers: any batch may write them.
const GPR: u32 = 0x600;
/// What a register must not become, or memory.
const NEVER: u32 = 0x0bad_0bad;

/// From the command, from memory, from a register, to memory.
fn moves(device: &Device, engine: Engine) -> Result<String> {
    const PAIRS: u32 = 16;
    let trial = Trial::new(device, engine)?;
    let gpr = trial.register(GPR)?;
    let immediate = |n: u32| 0x1000_0001 * (n + 1);
    let pairs: Vec<_> = (0..PAIRS).map(|n| (gpr + 4 * n, immediate(n))).collect();
    trial.set(100, 0x600d_600d);
    let batch = Batch::default()
        .load_registers(&pairs)
        .load_register_from(gpr + 4 * PAIRS, trial.slot(100))
        .copy_register(gpr + 4 * (PAIRS + 1), gpr + 4 * PAIRS)
        .copy_register(gpr + 4 * (PAIRS + 2), gpr + 8)
        .store_registers(trial.slot(0), gpr, PAIRS + 3);
    trial.run(&batch.end())?;
    let expected = (0..PAIRS).map(immediate).chain([0x600d_600d, 0x600d_600d, immediate(2)]);
    for (slot, value) in expected.enumerate() {
        trial.expect(&format!("dword {slot} of the registers"), slot, value)?;
    }
    Ok(format!("{PAIRS} by one command, from memory, from registers"))
}

/// Bits 11:8 of MI_LOAD_REGISTER_IMM keep bytes as they are.
fn byte_disables(device: &Device, engine: Engine) -> Result<String> {
    const BEFORE: u32 = 0x1122_3344;
    const WRITTEN: u32 = 0xaabb_ccdd;
    let trial = Trial::new(device, engine)?;
    let gpr = trial.register(GPR)?;
    let mut batch = Batch::default();
    for disables in 0..16 {
        batch = batch
            .load_registers(&[(gpr, BEFORE)])
            .command(mi::LOAD_REGISTER_IMM | disables << 8, &[gpr, WRITTEN])
            .store_register(trial.slot(disables as usize), gpr);
    }
    trial.run(&batch.end())?;
    for disables in 0..16_usize {
        let mut bytes = WRITTEN.to_le_bytes();
        for (n, kept) in BEFORE.to_le_bytes().into_iter().enumerate() {
            if disables >> n & 1 != 0 {
                bytes[n] = kept;
            }
        }
        let expected = u32::from_le_bytes(bytes);
        trial.expect(&format!("with byte disables {disables:#x}"), disables, expected)?;
    }
    Ok("16 masks".into())
}

/// Registers of an engine that a batch must not write, each with a value that would show or do harm;
/// offsets from the engine's base.
const OWN: [(&str, u32, u32); 14] = [
    ("RING_TAIL", 0x30, 8),
    ("RING_HEAD", 0x34, 8),
    ("RING_START", 0x38, 0xdead_b000),
    ("RING_CTL", 0x3c, 0),
    ("PWRCTX_MAXCNT", 0x54, 0x123),
    ("HWS_PGA", 0x80, 0xdead_b000),
    ("MI_MODE", 0x9c, 0x0100_0100),
    ("IMR", 0xa8, 0x1234_5678),
    ("EMR", 0xb4, 0x55),
    ("CONTEXT_CONTROL", 0x244, 0x0001_0001),
    ("PDP0_UDW", 0x274, 0x77),
    ("PDP0_LDW", 0x270, 0xdead_b000),
    ("GFX_MODE", 0x29c, 0xffff_0001),
    ("FORCE_TO_NONPRIV", 0x4d0, 0x2030),
];
/// Registers of the whole GPU, likewise.
const GLOBAL: [(&str, u32, u32); 6] = [
    ("RCS_FAULT_REG", 0x4094, 1),
    ("PRIVATE_PAT", 0x40e0, 0x0102_0304),
    ("GDRST", 0x941c, 1),
    ("FORCEWAKE_MT", 0xa188, 0x8000_8000),
    ("MASTER_IRQ", 0x4_4200, 0),
    ("GT_IMR0", 0x4_4304, u32::MAX),
];

/// Whatever loads a register loads none of these; the command behind runs all the same.
fn privileged_registers(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let (base, gpr) = (engine.base()?, trial.register(GPR)?);
    let own = OWN.map(|(name, offset, value)| (name, base + offset, value));
    let mut values = 0;
    for (name, register, value) in own.into_iter().chain(GLOBAL) {
        trial.set(100, value);
        let batch = Batch::default()
            .load_registers(&[(gpr, value)])
            .store_register(trial.slot(0), register)
            .load_registers(&[(register, value)])
            .store_register(trial.slot(1), register)
            .load_register_from(register, trial.slot(100))
            .store_register(trial.slot(2), register)
            .copy_register(register, gpr)
            .store_register(trial.slot(3), register)
            .store(trial.slot(4), value);
        trial.set(4, !value);
        trial.run(&batch.end())?;
        trial.expect(&format!("behind the loads of {name}"), 4, value)?;
        for (slot, command) in [(1, "immediate"), (2, "from memory"), (3, "from a register")] {
            let what = format!("{name} after a load ({command}) without privilege");
            trial.expect(&what, slot, trial.get(0))?;
        }
        values += 3;
    }
    Ok(format!("{values} loads without effect"))
}

/// Commands that reach into the GGTT or to a status page have no effect: neither there, nor in the
/// context's own space at that address, nor on what follows.
fn privileged_commands(device: &Device, engine: Engine) -> Result<String> {
    const SOURCE: usize = 10;
    const TARGET: usize = 20;
    let trial = Trial::new(device, engine)?;
    let gpr = trial.register(GPR)?;
    trial.set(SOURCE, NEVER);
    let pair = |slot| [mi::low(trial.slot(slot)), mi::high(trial.slot(slot))];
    let (source, target) = (pair(SOURCE), pair(TARGET));
    let copied = [target, source].concat();
    let batch = Batch::default()
        .load_registers(&[(gpr, 7)])
        .command(mi::STORE_DATA_IMM | mi::GGTT, &[target[0], target[1], NEVER])
        .command(mi::STORE_REGISTER_MEM | mi::GGTT, &[gpr, target[0], target[1]])
        .command(mi::LOAD_REGISTER_MEM | mi::GGTT, &[gpr, source[0], source[1]])
        .command(mi::COPY_MEM_MEM | mi::GGTT, &copied)
        .command(mi::COPY_MEM_MEM | mi::BIT_21, &copied)
        .command(mi::COPY_MEM_MEM | mi::GGTT | mi::BIT_21, &copied)
        .command(mi::STORE_DATA_INDEX, &[0xfc0, NEVER])
        .command(mi::STORE_DATA_INDEX | mi::BIT_21, &[0xfc0, NEVER])
        .command(mi::UPDATE_GTT, &[0, NEVER, 0])
        .store_register(trial.slot(0), gpr)
        .store(trial.slot(1), 8);
    trial.run(&batch.end())?;
    trial.expect("memory at the address", TARGET, 0)?;
    trial.expect("the register", 0, 7)?;
    trial.expect("what follows", 1, 8)?;
    Ok("9 commands".into())
}

/// i915 gives privilege to no batch on this hardware.
fn secure_batch(device: &Device, engine: Engine) -> Result<String> {
    let context = device.context(engine)?;
    let object = device.object(4096)?;
    Batch::default().end().write_to(&object.open()?);
    let nothing: [Placed<'_>; 0] = [];
    match context.submit_with(&nothing, object.at(0x10_0000), uapi::EXEC_SECURE) {
        Err(error) if error.errno() == Some(libc::EPERM) => Ok("refused with EPERM".into()),
        Err(error) => Err(error),
        Ok(()) => Err(Error::Wrong("I915_EXEC_SECURE was taken".into())),
    }
}
