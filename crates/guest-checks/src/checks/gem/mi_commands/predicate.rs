//! Predication, which the render engine has.

use crate::checks::gem::{Work, on_render};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "predicate", on: on_render, run: predicates },
    Work { name: "predicated start", on: on_render, run: predicated_start },
    Work { name: "predicated store", on: on_render, run: predicated_store },
    Work { name: "set predicate", on: on_render, run: set_predicate },
];

const SRC0: u32 = 0x2400;
const SRC1: u32 = 0x2408;
const DATA: u32 = 0x2410;
const RESULT: u32 = 0x2418;
const RESULT_1: u32 = 0x241c;
const RESULT_2: u32 = 0x23bc;
/// A register with a value that is not 0 to store.
const TIMESTAMP: u32 = 0x2358;
const SECOND: usize = 0x2000;

/// MI_PREDICATE's fields.
const LOAD: u32 = 2 << 6;
const ALWAYS: u32 = 0;
const NEVER: u32 = 1;

/// SRC0, SRC1 and DATA with the outcomes of "equal" and "delta equal". The differences are their own
/// negatives, or wrong both ways round.
const SOURCES: [(u64, u64, u64, bool, bool); 4] = [
    (0x1_0000_0005, 0x1_0000_0005, 0, true, true),
    (0x1_0000_0005, 0x2_0000_0005, 7, false, false),
    (1 << 63 | 3, 3, 1 << 63, false, true),
    (9, 9, 1 << 32, true, false),
];

/// A condition of MI_SET_PREDICATE: its number, and whether what follows runs with these values of
/// MI_PREDICATE_RESULT and MI_PREDICATE_RESULT_2.
type Condition = (u32, fn(bool, bool) -> bool);

/// Loads the result with `value`.
fn preset(batch: Batch, value: bool) -> Batch {
    batch.command(mi::PREDICATE | LOAD | if value { ALWAYS } else { NEVER }, &[])
}

/// All loads, combinations and comparisons from both results before.
fn predicates(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let mut batch = Batch::default();
    let mut expected = Vec::new();
    for (source0, source1, data, equal, delta_equal) in SOURCES {
        let wide = |at: u32, value| [(at, mi::low(value)), (at + 4, mi::high(value))];
        let loads = [wide(SRC0, source0), wide(SRC1, source1), wide(DATA, data)].concat();
        batch = batch.load_registers(&loads);
        for case in 0..2 * 3 * 4 * 4 {
            let (before, load, combine, compare) =
                (case & 1 != 0, [0, 2, 3][case / 2 % 3], case / 6 % 4, case / 24);
            let fields = load << 6 | (combine as u32) << 3 | compare as u32;
            batch = preset(batch, before).command(mi::PREDICATE | fields, &[]);
            batch = batch.store_register(trial.slot(expected.len()), RESULT);
            let compared = [true, false, equal, delta_equal][compare];
            let combined = match combine {
                0 => compared,
                1 => before && compared,
                2 => before || compared,
                _ => before != compared,
            };
            let after = match load {
                0 => before,
                2 => combined,
                _ => !combined,
            };
            expected.push((fields, before, after));
        }
    }
    trial.run(&batch.end())?;
    for (slot, (fields, before, after)) in expected.iter().enumerate() {
        let found = trial.get(slot) & 1 != 0;
        if found != *after {
            return Err(Error::Wrong(format!(
                "MI_PREDICATE {fields:#x} from {before} gave {found}, not {after}"
            )));
        }
    }
    Ok(format!("{} cases", expected.len()))
}

/// A start with the predicate bit looks at bit 0 of MI_PREDICATE_RESULT_1 (PRM volume 2a,
/// MI_BATCH_BUFFER_START), not at what MI_PREDICATE left.
fn predicated_start(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    trial.write_code(SECOND, &Batch::default().store(trial.slot(1), 1).end());
    let target = trial.code(SECOND);
    for (result_1, result, taken) in
        [(0, true, false), (1, false, true), (u32::MAX, true, true), (!1, true, false)]
    {
        trial.set(1, 0);
        trial.set(2, 0);
        let batch = preset(Batch::default(), result)
            .load_registers(&[(RESULT_1, result_1)])
            .command(
                mi::BATCH_BUFFER_START | mi::PPGTT | mi::SECOND_LEVEL | mi::PREDICATED,
                &[mi::low(target), mi::high(target)],
            )
            .store(trial.slot(2), 2);
        trial.run(&batch.end())?;
        trial.expect(&format!("the second level with RESULT_1 {result_1:#x}"), 1, taken.into())?;
        trial.expect("what stands behind the start", 2, 2)?;
    }
    Ok("by RESULT_1".into())
}

/// A store with the predicate bit looks at MI_PREDICATE_RESULT.
fn predicated_store(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let mut batch = Batch::default();
    for (slot, result) in [false, true].into_iter().enumerate() {
        let address = trial.slot(slot);
        batch = preset(batch, result).command(
            mi::STORE_REGISTER_MEM | mi::BIT_21,
            &[TIMESTAMP, mi::low(address), mi::high(address)],
        );
    }
    trial.run(&batch.end())?;
    trial.expect("a store with the predicate clear", 0, 0)?;
    if trial.get(1) == 0 {
        return Err(Error::Wrong("a store with the predicate set stored nothing".into()));
    }
    Ok("by RESULT".into())
}

/// MI_SET_PREDICATE: what follows is passed over by a condition, until another MI_SET_PREDICATE.
fn set_predicate(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let kept = trial.slot(200);
    // Whether RESULT_2 is set is the kernel's or the hardware's choice.
    trial.run(&Batch::default().store_register(kept, RESULT_2).end())?;
    let second = trial.get(200) & 1 != 0;
    let conditions: [Condition; 6] = [
        (0, |_, _| true),
        (1, |_, second| second),
        (2, |_, second| !second),
        (3, |result, _| result),
        (4, |result, _| !result),
        (15, |_, _| false),
    ];
    let mut batch = Batch::default();
    for (number, result) in [false, true].into_iter().enumerate() {
        for (condition, (field, _)) in conditions.iter().enumerate() {
            let slot = conditions.len() * number + condition;
            batch = preset(batch, result)
                .command(mi::SET_PREDICATE | field, &[])
                .store(trial.slot(slot), 1)
                .command(mi::SET_PREDICATE, &[])
                .store(trial.slot(100 + slot), 2);
        }
    }
    trial.run(&batch.end())?;
    for (number, result) in [false, true].into_iter().enumerate() {
        for (condition, (field, runs)) in conditions.iter().enumerate() {
            let slot = conditions.len() * number + condition;
            let what = format!("a store behind MI_SET_PREDICATE {field} with result {result}");
            trial.expect(&what, slot, runs(result, second).into())?;
            trial.expect("what follows its end", 100 + slot, 2)?;
        }
    }
    Ok(format!("{} conditions, both results", conditions.len()))
}
