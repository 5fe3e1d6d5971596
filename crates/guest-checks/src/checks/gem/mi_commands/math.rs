//! MI_MATH and the general-purpose registers.

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "16 registers", on: everywhere, run: registers },
    Work { name: "math", on: everywhere, run: operations },
    Work { name: "math moves", on: everywhere, run: moves },
];

/// The first of 16 general-purpose registers of 64 bits.
const GPR: u32 = 0x600;

/// An ALU instruction (MI_MATH in PRM volume 2a): operation in 31:20, operands in 19:10 and 9:0.
const fn alu(operation: u32, first: u32, second: u32) -> u32 {
    operation << 20 | first << 10 | second
}

const LOAD: u32 = 0x080;
const LOADINV: u32 = 0x480;
const LOAD0: u32 = 0x081;
const LOAD1: u32 = 0x481;
const STORE: u32 = 0x180;
const STOREINV: u32 = 0x580;
const SRCA: u32 = 0x20;
const SRCB: u32 = 0x21;
const ACCU: u32 = 0x31;
const ZF: u32 = 0x32;
const CF: u32 = 0x33;

/// An operation with its name, its code, and its result and carry.
type Operation = (&'static str, u32, fn(u64, u64) -> (u64, bool));

/// The carry of a subtraction is a borrow; logic has none.
const OPERATIONS: [Operation; 5] = [
    ("ADD", 0x100, |a, b| {
        (a.wrapping_add(b), u128::from(a) + u128::from(b) > u128::from(u64::MAX))
    }),
    ("SUB", 0x101, |a, b| (a.wrapping_sub(b), b > a)),
    ("AND", 0x102, |a, b| (a & b, false)),
    ("OR", 0x103, |a, b| (a | b, false)),
    ("XOR", 0x104, |a, b| (a ^ b, false)),
];

const PAIRS: [(u64, u64); 8] = [
    (0, 0),
    (1, 2),
    (u64::MAX, 1),
    (0x0000_0001_0000_0000, 0x0000_0000_ffff_ffff),
    (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210),
    (0x8000_0000_0000_0000, 0x8000_0000_0000_0000),
    (0xffff_ffff_0000_0000, 0x0000_0001_0000_0001),
    (0x5555_5555_aaaa_aaaa, 0x5555_5555_aaaa_aaaa),
];

/// Loads for a general-purpose register.
fn load(base: u32, register: u32, value: u64) -> [(u32, u32); 2] {
    let at = base + 8 * register;
    [(at, mi::low(value)), (at + 4, mi::high(value))]
}

/// Each register keeps 64 bits of its own.
fn registers(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let base = trial.register(GPR)?;
    let value = |n: u32| (0x1111_1111_0000_0001 * u64::from(n + 1)).rotate_left(n);
    let pairs: Vec<(u32, u32)> = (0..16).flat_map(|n| load(base, n, value(n))).collect();
    let batch = Batch::default().load_registers(&pairs).store_registers(trial.slot(0), base, 32);
    trial.run(&batch.end())?;
    for n in 0..16 {
        expect(&format!("R{n}"), trial.get_qword(2 * n as usize), value(n))?;
    }
    Ok("64 bits each".into())
}

/// Every operation with numbers at its borders: result, zero flag and carry flag, which are stored
/// as all ones or 0.
fn operations(device: &Device, engine: Engine) -> Result<String> {
    const QWORDS: u32 = 3;
    let trial = Trial::new(device, engine)?;
    let base = trial.register(GPR)?;
    let mut batch = Batch::default();
    let cases = || PAIRS.into_iter().flat_map(|pair| OPERATIONS.map(|operation| (pair, operation)));
    for (number, ((a, b), (_, code, _))) in cases().enumerate() {
        let loads: Vec<_> = [load(base, 3, a), load(base, 14, b)].concat();
        let steps = [
            alu(LOAD, SRCA, 3),
            alu(LOAD, SRCB, 14),
            alu(code, 0, 0),
            alu(STORE, 0, ACCU),
            alu(STORE, 1, ZF),
            alu(STORE, 2, CF),
        ];
        let slot = trial.slot(2 * QWORDS as usize * number);
        batch = batch.load_registers(&loads).command(mi::MATH, &steps);
        batch = batch.store_registers(slot, base, 2 * QWORDS);
    }
    trial.run(&batch.end())?;
    for (number, ((a, b), (name, _, apply))) in cases().enumerate() {
        let slot = 2 * QWORDS as usize * number;
        let (result, carry) = apply(a, b);
        let flag = |set| if set { u64::MAX } else { 0 };
        let what = |part| format!("{part} of {a:#x} {name} {b:#x}");
        expect(&what("the result"), trial.get_qword(slot), result)?;
        expect(&what("the zero flag"), trial.get_qword(slot + 2), flag(result == 0))?;
        expect(&what("the carry flag"), trial.get_qword(slot + 4), flag(carry))?;
    }
    Ok(format!("{} cases", cases().count()))
}

/// Loads and stores, plain and inverted, of registers and constants.
fn moves(device: &Device, engine: Engine) -> Result<String> {
    const A: u64 = 0x0f1e_2d3c_4b5a_6978;
    const B: u64 = 0x8877_6655_4433_2211;
    let trial = Trial::new(device, engine)?;
    let base = trial.register(GPR)?;
    let loads = [load(base, 0, A), load(base, 1, B)].concat();
    let add = OPERATIONS[0].1;
    let steps = [
        // R2 = !A + B
        alu(LOADINV, SRCA, 0),
        alu(LOAD, SRCB, 1),
        alu(add, 0, 0),
        alu(STORE, 2, ACCU),
        // R3 = !(A + 0)
        alu(LOAD, SRCA, 0),
        alu(LOAD0, SRCB, 0),
        alu(add, 0, 0),
        alu(STOREINV, 3, ACCU),
        // R4 = all ones + B = B - 1, R5 = !carry
        alu(LOAD1, SRCA, 0),
        alu(LOAD, SRCB, 1),
        alu(add, 0, 0),
        alu(STORE, 4, ACCU),
        alu(STOREINV, 5, CF),
        // R6 = !zero
        alu(STOREINV, 6, ZF),
        // NOOP
        0,
        // R7 = R6 + R4, of registers stored by this very command
        alu(LOAD, SRCA, 6),
        alu(LOAD, SRCB, 4),
        alu(add, 0, 0),
        alu(STORE, 7, ACCU),
    ];
    let batch = Batch::default().load_registers(&loads).command(mi::MATH, &steps);
    trial.run(&batch.store_registers(trial.slot(0), base, 16).end())?;
    let expected = [A, B, B.wrapping_sub(A + 1), !A, B - 1, 0, u64::MAX, B - 2];
    for (n, expected) in expected.into_iter().enumerate() {
        expect(&format!("R{n}"), trial.get_qword(2 * n), expected)?;
    }
    Ok("plain, inverted, constants, flags".into())
}

/// Fails in words unless `found` is as `expected`.
fn expect(what: &str, found: u64, expected: u64) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Wrong(format!("{what} is {found:#x} and should be {expected:#x}")))
}
