//! What no driver sends: the engine stops with an instruction error, or draws within bounds.

use gen8_spec::commands::blt;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gpu_model::EngineActivity;
use proptest::prelude::*;

use super::case::{address, case};
use super::field::{Field, formats};

const BCS: EngineId = EngineId::Bcs;

/// Every opcode that means something.
fn known() -> impl Iterator<Item = u32> {
    let others = [
        blt::XY_SETUP,
        blt::XY_SETUP_CLIP,
        blt::XY_SETUP_MONO_PATTERN_SL,
        blt::XY_PIXEL,
        blt::XY_SCANLINES,
        blt::XY_TEXT,
        blt::XY_TEXT_IMMEDIATE,
        blt::COLOR,
        blt::SRC_COPY,
    ];
    blt::XY_PACKETS.into_iter().map(|packet| packet.opcode).chain(others)
}

/// Dwords of a packet.
fn length(header: u32) -> usize {
    (header & 0xff) as usize + 2
}

/// Whether the engine stopped at the packet, which comes after the commands of `before`, with IPEHR
/// and ESR telling of it.
fn is_error(field: &mut Field, before: &[u32], packet: &[u32]) -> bool {
    let stopped = field.run(&[before, packet].concat(), 1000) == EngineActivity::Waiting;
    let told = field.bench.get(BCS, reg::ESR) & reg::EIR_INSTRUCTION != 0;
    assert_eq!(stopped, told);
    assert!(!stopped || field.bench.get(BCS, reg::IPEHR) == packet[0]);
    stopped
}

#[test]
fn opcodes_that_are_not_there_are_instruction_errors() {
    assert!(known().all(|opcode| opcode != blt::XY_FAST_COPY_GEN9));
    for opcode in (0..0x80).filter(|&opcode| known().all(|known| known != opcode)) {
        let mut packet = vec![0; 10];
        packet[0] = blt::header(opcode, 10);
        assert!(is_error(&mut Field::new(), &[], &packet), "{opcode:#x}");
    }
}

#[test]
fn packets_that_end_too_early_are_instruction_errors() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&case(), |case| {
        let mut commands = case.commands();
        let end = commands.len();
        let mut start = formats(false, false).len();
        while start + length(commands[start]) < end {
            start += length(commands[start]);
        }
        let needed = case.needed_dwords(end - start);
        for dwords in 2..=needed {
            let header = commands[start] & !0xff | (dwords as u32 - 2);
            commands[start] = header;
            let mut field = Field::new();
            let error = is_error(&mut field, &commands[..start], &commands[start..start + dwords]);
            prop_assert_eq!(error, dwords < needed, "{} of {} dwords", dwords, needed);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn a_fixed_pattern_that_is_reserved_is_an_instruction_error() {
    for number in 6..16 {
        let mut packet = vec![0; 8];
        packet[0] = blt::header(0x59, 8) | number << blt::FIXED_PATTERN_SHIFT;
        packet[4..6].copy_from_slice(&address(0));
        assert!(is_error(&mut Field::new(), &[], &packet), "{number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_packets_never_panic_and_every_step_ends(
        opcode in proptest::sample::select(known().collect::<Vec<_>>()),
        flags in any::<u32>(),
        dwords in 2u32..=257,
        words in proptest::collection::vec(prop_oneof![
            any::<u32>(),
            0u32..0x1000,
            Just(0x3400_0000u32),
            Just(0x12u32),
            Just(0u32),
            Just(0x7fff_7fffu32),
            Just(0x8000_8000u32),
        ], 256),
        swctrl in 0u32..4,
    ) {
        let mut field = Field::new();
        let mut batch = formats(swctrl & 1 != 0, swctrl & 2 != 0).to_vec();
        batch.push(blt::header(opcode, dwords) | flags & 0x003f_ff00);
        batch.extend(&words[..dwords as usize - 1]);
        field.start(&batch);
        for _ in 0..50 {
            field.bench.gpu.step(1000);
        }
    }
}
