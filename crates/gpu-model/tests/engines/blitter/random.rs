//! Random blits against the reference.

use std::cell::RefCell;

use gpu_model::EngineActivity;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::case::{Case, DATA, case};
use super::field::Field;

/// Blits; each draws some hundred pixels.
const BLITS: u32 = 3000;
/// Pixels that they draw at least, all together.
const PIXELS: u64 = 1_000_000;

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
