//! MI_ATOMIC: every operation, every size, operands in the command and in registers, returned data.

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "atomic dword", on: everywhere, run: dwords },
    Work { name: "atomic qword", on: everywhere, run: qwords },
    Work { name: "atomic octword", on: everywhere, run: octwords },
];

/// The general-purpose registers. Operand 1 is R0 (for octwords with R1), operand 2 is R2 (with R3),
/// returned data go to R4 (and R5): Intel's media-driver, description of MI_ATOMIC for Gen8.
const GPR: u32 = 0x600;
const OPERAND_2: u32 = GPR + 2 * 8;
const RETURNED: u32 = GPR + 4 * 8;
/// Sizes, in bits 20:19; the operation's number has 0x20 more a step.
const QWORD: u32 = 1 << 19;
const OCTWORD: u32 = 2 << 19;
/// Operands stand in the command, which has 11 dwords then.
const INLINE: u32 = 1 << 18;
/// Waits until it is done, so that what is returned can be read.
const STALL: u32 = 1 << 17;
/// What was in memory goes to a register.
const RETURN: u32 = 1 << 16;

const INLINE_OPERANDS: usize = 8;

/// An operation: name, number for dwords, and memory's new value from the old one and the operands.
type Operation<T> = (&'static str, u32, fn(T, T, T) -> T);

/// The operations for one size, from the table of MI_ATOMIC in the PRM.
macro_rules! operations {
    ($unsigned:ty, $signed:ty) => {{
        const OPERATIONS: [Operation<$unsigned>; 15] = [
            ("AND", 0x01, |m, a, _| m & a),
            ("OR", 0x02, |m, a, _| m | a),
            ("XOR", 0x03, |m, a, _| m ^ a),
            ("MOVE", 0x04, |_, a, _| a),
            ("INC", 0x05, |m, _, _| m.wrapping_add(1)),
            ("DEC", 0x06, |m, _, _| m.wrapping_sub(1)),
            ("ADD", 0x07, |m, a, _| m.wrapping_add(a)),
            ("SUB", 0x08, |m, a, _| m.wrapping_sub(a)),
            ("RSUB", 0x09, |m, a, _| a.wrapping_sub(m)),
            ("IMAX", 0x0a, |m, a, _| (m as $signed).max(a as $signed) as $unsigned),
            ("IMIN", 0x0b, |m, a, _| (m as $signed).min(a as $signed) as $unsigned),
            ("UMAX", 0x0c, |m, a, _| m.max(a)),
            ("UMIN", 0x0d, |m, a, _| m.min(a)),
            ("CMPWR", 0x0e, |m, a, b| if m == a { b } else { m }),
            ("PREDEC", 0x0f, |m, _, _| m.wrapping_sub(1)),
        ];
        OPERATIONS
    }};
}

/// Memory and two operands, 64 bits wide; smaller sizes take the lower part.
const VALUES: [(u64, u64, u64); 6] = [
    (0, 0, 0x1234_5678_9abc_def0),
    (0xf0f0_f0f0_f0f0_f0f0, 0x3c3c_3c3c_3c3c_3c3c, 7),
    (0x8000_0000_8000_0000, 0x7fff_ffff_7fff_ffff, 1),
    (5, 5, 0x0102_0304_0506_0708),
    (u64::MAX, 1, 0),
    (0x0000_0000_ffff_ffff, 0xffff_ffff_0000_0001, 3),
];

/// An operation on `bits` bits in the form that it is tried in.
struct Case {
    name: &'static str,
    header: u32,
    memory: u64,
    operands: [u64; 2],
    expected: u64,
    returned: u64,
}

/// Slots of a case: memory, a canary behind it, and what was returned.
const SLOTS: usize = 8;
const BEHIND: usize = 2;
const RESULT: usize = 4;
const CANARY: u32 = 0xca4a_4157;

fn dwords(device: &Device, engine: Engine) -> Result<String> {
    let mut cases = Vec::new();
    for (memory, first, second) in VALUES {
        for (name, number, apply) in operations!(u32, i32) {
            let expected = apply(memory as u32, first as u32, second as u32);
            cases.push(Case {
                name,
                header: mi::ATOMIC | number << 8,
                // The dword behind must stay.
                memory: u64::from(memory as u32) | u64::from(CANARY) << 32,
                operands: [first, second],
                expected: u64::from(expected) | u64::from(CANARY) << 32,
                returned: u64::from(if name == "PREDEC" { expected } else { memory as u32 }),
            });
        }
    }
    in_both_forms(device, engine, &cases, u64::from(u32::MAX))
}

fn qwords(device: &Device, engine: Engine) -> Result<String> {
    let mut cases = Vec::new();
    for (memory, first, second) in VALUES {
        for (name, number, apply) in operations!(u64, i64) {
            let expected = apply(memory, first, second);
            cases.push(Case {
                name,
                header: mi::ATOMIC | QWORD | (number + 0x20) << 8,
                memory,
                operands: [first, second],
                expected,
                returned: if name == "PREDEC" { expected } else { memory },
            });
        }
    }
    in_both_forms(device, engine, &cases, u64::MAX)
}

/// With the operands in registers and in the command; `mask`: the bits of returned data that count.
fn in_both_forms(device: &Device, engine: Engine, cases: &[Case], mask: u64) -> Result<String> {
    for inline in [false, true] {
        let trial = Trial::new(device, engine)?;
        let gpr = trial.register(GPR)?;
        let mut batch = Batch::default();
        for (number, case) in cases.iter().enumerate() {
            let slot = SLOTS * number;
            trial.set(slot, mi::low(case.memory));
            trial.set(slot + 1, mi::high(case.memory));
            trial.set(slot + BEHIND, CANARY);
            let [a, b] = case.operands;
            let address = trial.slot(slot);
            let place = [mi::low(address), mi::high(address)];
            let header = case.header | STALL | RETURN;
            if inline {
                let mut operands = [0; INLINE_OPERANDS];
                operands[..4].copy_from_slice(&[mi::low(a), mi::low(b), mi::high(a), mi::high(b)]);
                batch = batch.command(header | INLINE, &[&place[..], &operands].concat());
            } else {
                let second = trial.register(OPERAND_2)?;
                let loads = [
                    (gpr, mi::low(a)),
                    (gpr + 4, mi::high(a)),
                    (second, mi::low(b)),
                    (second + 4, mi::high(b)),
                ];
                batch = batch.load_registers(&loads).command(header, &place);
            }
            batch = batch.store_registers(trial.slot(slot + RESULT), trial.register(RETURNED)?, 2);
        }
        trial.run(&batch.end())?;
        for (number, case) in cases.iter().enumerate() {
            judge(&trial, SLOTS * number, case, mask)?;
        }
    }
    Ok(format!("{} cases, operands in registers and in the command", cases.len()))
}

fn judge(trial: &Trial, slot: usize, case: &Case, mask: u64) -> Result<()> {
    let Case { name, memory, operands: [a, b], expected, returned, .. } = case;
    let found = trial.get_qword(slot);
    if found != *expected {
        return Err(Error::Wrong(format!(
            "{name} of {memory:#x} with {a:#x}, {b:#x} left {found:#x} and should leave {expected:#x}"
        )));
    }
    trial.expect(&format!("what stands behind the data of {name}"), slot + BEHIND, CANARY)?;
    let found = trial.get_qword(slot + RESULT) & mask;
    if found != *returned {
        return Err(Error::Wrong(format!(
            "{name} of {memory:#x} returned {found:#x} and should return {returned:#x}"
        )));
    }
    Ok(())
}

/// The one operation on 16 bytes: compare all, write all.
fn octwords(device: &Device, engine: Engine) -> Result<String> {
    const CMPWR_16B: u32 = 0x4e << 8;
    const OLD: [u32; 4] = [1, 2, 3, 4];
    const NEW: [u32; 4] = [5, 6, 7, 8];
    const OTHER: [u32; 4] = [1, 2, 3, 5];
    let trial = Trial::new(device, engine)?;
    let gpr = trial.register(GPR)?;
    for compared in [OLD, OTHER] {
        for inline in [false, true] {
            (0..).zip(OLD).for_each(|(slot, value)| trial.set(slot, value));
            trial.set(4, CANARY);
            let address = trial.slot(0);
            let place = [mi::low(address), mi::high(address)];
            let header = mi::ATOMIC | OCTWORD | STALL | RETURN | CMPWR_16B;
            let batch = if inline {
                let operands: Vec<u32> = (0..4).flat_map(|n| [compared[n], NEW[n]]).collect();
                Batch::default().command(header | INLINE, &[&place[..], &operands].concat())
            } else {
                let values = [compared, NEW].concat();
                let loads: Vec<_> = (0..).map(|n| gpr + 4 * n).zip(values).collect();
                Batch::default().load_registers(&loads).command(header, &place)
            };
            trial.run(&batch.store_registers(trial.slot(8), trial.register(RETURNED)?, 4).end())?;
            let expected = if compared == OLD { NEW } else { OLD };
            for n in 0..4 {
                trial.expect("CMPWR16B's result", n, expected[n])?;
                trial.expect("what CMPWR16B returned", 8 + n, OLD[n])?;
            }
            trial.expect("what stands behind", 4, CANARY)?;
        }
    }
    Ok("written if equal, left alone if not".into())
}
