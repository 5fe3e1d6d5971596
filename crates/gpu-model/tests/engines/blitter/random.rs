//! Random blits against the reference.

use std::cell::RefCell;

use gpu_model::EngineActivity;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::case::{Case, DATA, DATA_BYTES, case};
use super::field::Field;
use crate::cases::{Random, a_million};

/// Blits; each draws some hundred pixels.
const BLITS: u32 = 3000;
/// Pixels that they draw at least, all together.
const PIXELS: u64 = 1_000_000;
/// Seeds of [`SMALL`] blits each.
const SEEDS: u32 = 2500;
/// Blits between two looks at memory.
const SMALL: usize = 400;
/// Dwords of a batch of them, less the longest one.
const BATCH_DWORDS: usize = 700;

/// Draws a case with the device and with the reference; `memory` is what the field holds.
fn compare(case: &Case, field: &mut Field, memory: &mut [u8]) -> Result<u64, TestCaseError> {
    field.put(DATA as u64, &case.data);
    memory[DATA as usize..][..case.data.len()].copy_from_slice(&case.data);
    if field.run(&case.commands(), case.budget) != EngineActivity::Idle {
        *field = scrambled();
        memory.copy_from_slice(&field.bytes());
        return Err(TestCaseError::fail("the packet stopped the engine"));
    }
    let pixels = case.blit().draw(memory);
    let drawn = field.bytes();
    if let Some(at) = (0..drawn.len()).find(|&at| drawn[at] != memory[at]) {
        let (drawn, expected) = (drawn[at], memory[at]);
        // The next case, a smaller one perhaps, starts from what is there.
        memory.copy_from_slice(&field.bytes());
        return Err(TestCaseError::fail(format!("{at:#x}: {drawn:#x} instead of {expected:#x}")));
    }
    Ok(pixels)
}

fn scrambled() -> Field {
    let field = Field::new();
    field.scramble(1);
    field
}

#[test]
fn every_packet_draws_what_the_reference_draws() {
    let field = scrambled();
    let memory = field.bytes();
    let state = RefCell::new((field, memory, 0));
    let mut runner =
        TestRunner::new(Config { cases: BLITS, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&case(), |case| {
        let (field, memory, pixels) = &mut *state.borrow_mut();
        *pixels += compare(&case, field, memory)?;
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(state.borrow().2 >= PIXELS, "only {} pixels were drawn", state.borrow().2);
}

/// Draws small blits with the device and with the reference, many of them in a batch.
fn compare_many(seed: u64, field: &mut Field, memory: &mut [u8]) -> Result<u64, TestCaseError> {
    let mut random = Random::new(seed);
    let data: Vec<u8> = (0..DATA_BYTES).map(|_| random.next() as u8).collect();
    field.put(DATA as u64, &data);
    memory[DATA as usize..][..DATA_BYTES].copy_from_slice(&data);
    let mut batch = Vec::new();
    for n in 1..=SMALL {
        let case = Case::small(&mut random, &data);
        batch.extend(case.commands());
        case.blit().draw(memory);
        if batch.len() > BATCH_DWORDS || n == SMALL {
            let state = field.run(&batch, case.budget);
            prop_assert_eq!(state, EngineActivity::Idle, "a packet stopped the engine");
            batch.clear();
        }
    }
    let drawn = field.bytes();
    let differs = drawn != memory;
    prop_assert!(!differs, "at {:x?}", (0..drawn.len()).find(|&at| drawn[at] != memory[at]));
    Ok(SMALL as u64)
}

#[test]
fn a_million_small_blits_in_a_row_draw_what_the_reference_draws() {
    let state = RefCell::new((scrambled(), Vec::new()));
    a_million(SEEDS, |seed| {
        let (field, memory) = &mut *state.borrow_mut();
        if memory.is_empty() {
            *memory = field.bytes();
        }
        let result = compare_many(seed, field, memory);
        if result.is_err() {
            // The next seed, a smaller one, starts anew.
            *field = scrambled();
            *memory = field.bytes();
        }
        result
    });
}
