//! Commands that are executed or not.

use gen8_spec::commands::mi::{self, predicate as field, set_predicate as when};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gpu_model::{EngineActivity, GpuConfig};
use ppgtt::Levels;

use super::bench::{Bench, END, load_register, start, store};
use super::setup::{Setup, VA, setup};

const BCS: EngineId = EngineId::Bcs;
const RCS: EngineId = EngineId::Rcs;
const TARGET: u64 = 0x100_0000;

fn register(offset: u32) -> u32 {
    RCS.mmio_base() + offset
}

fn set(value: u32) -> u32 {
    mi::header(mi::SET_PREDICATE, value)
}

/// Whether a predicated MI_BATCH_BUFFER_START after `before` is taken.
fn is_taken(s: &mut Setup, before: &[u32]) -> bool {
    s.bench.poke(s.data, 0);
    s.user_batch(&[before, &start(TARGET, mi::BATCH_PPGTT | mi::BATCH_PREDICATED)].concat());
    s.bench.peek(s.data) == 1
}

#[test]
fn predicated_start_looks_at_result_1_on_the_render_engine() {
    let mut s = setup(RCS);
    s.bench.batch(s.vm, TARGET, &[&store(VA, 1)[..], &[END]].concat());
    let result_1 = register(reg::PREDICATE_RESULT_1);
    assert!(!is_taken(&mut s, &load_register(result_1, 0)));
    assert!(is_taken(&mut s, &load_register(result_1, u32::MAX)));
    assert!(!is_taken(&mut s, &load_register(result_1, !1)));
    // MI_PREDICATE writes the other register; software copies it.
    let predicate = mi::header(mi::PREDICATE, 2 << field::LOAD_SHIFT);
    assert!(!is_taken(&mut s, &[predicate]));
    let result = register(reg::PREDICATE_RESULT);
    let copy = [mi::header(mi::LOAD_REGISTER_REG, 1), result, result_1];
    assert!(is_taken(&mut s, &[&[predicate][..], &copy].concat()));
}

#[test]
fn other_engines_have_no_predicates() {
    let mut s = setup(BCS);
    s.bench.batch(s.vm, TARGET, &[&store(VA, 1)[..], &[END]].concat());
    assert!(is_taken(&mut s, &[set(when::ALWAYS)]));
    let header = mi::header(mi::STORE_REGISTER_MEM, 2) | mi::STORE_REGISTER_PREDICATED;
    s.user_batch(&[header, BCS.mmio_base() + reg::CTL, VA as u32, 0]);
    assert_ne!(s.bench.peek(s.data), 0);
}

#[test]
fn store_register_looks_at_result() {
    for (result, stored) in [(0, false), (1, true)] {
        let mut s = setup(RCS);
        let header = mi::header(mi::STORE_REGISTER_MEM, 2) | mi::STORE_REGISTER_PREDICATED;
        let load = load_register(register(reg::PREDICATE_RESULT), result);
        s.user_batch(&[&load[..], &[header, register(reg::CTL), VA as u32, 0]].concat());
        assert_eq!(s.bench.peek(s.data) != 0, stored);
    }
}

/// Every MI_PREDICATE against the table of its fields.
#[test]
fn predicate_compares_combines_and_loads() {
    let mut s = setup(RCS);
    // Source 0, source 1, data: equal, differing by data, differing otherwise.
    let sources = [(5_u64, 5_u64, 1_u64), (5, 1 << 40 | 5, 1 << 40), (6, 4, u64::MAX), (9, 8, 7)];
    for (source0, source1, data) in sources {
        for bits in 0..256 {
            let (compare, combine, load) = (bits & 3, bits >> 3 & 3, bits >> 6 & 3);
            if bits & 0x24 != 0 {
                continue;
            }
            for before in [false, true] {
                let mut commands = Vec::new();
                for (at, value) in [
                    (reg::PREDICATE_SRC0, source0),
                    (reg::PREDICATE_SRC1, source1),
                    (reg::PREDICATE_DATA, data),
                    (reg::PREDICATE_RESULT, before.into()),
                ] {
                    commands.extend(load_register(register(at), value as u32));
                    if at != reg::PREDICATE_RESULT {
                        commands.extend(load_register(register(at + 4), (value >> 32) as u32));
                    }
                }
                commands.push(mi::header(mi::PREDICATE, bits));
                s.user_batch(&commands);
                let compared = match compare {
                    0 => true,
                    1 => false,
                    2 => source0 == source1,
                    _ => source1.wrapping_sub(source0) == data,
                };
                let combined =
                    [compared, before && compared, before || compared, before != compared];
                let combined = combined[combine as usize];
                let expected = [before, before, combined, !combined][load as usize];
                let result = s.bench.get(RCS, reg::PREDICATE_RESULT);
                assert_eq!(result, u32::from(expected), "{bits:#x} {source0} {source1} {before}");
            }
        }
    }
}

/// Whether commands between MI_SET_PREDICATE with `value` and its end are executed.
fn is_executed(s: &mut Setup, result: u32, result_2: u32, value: u32) -> bool {
    s.bench.poke(s.data, 0);
    s.bench.poke(s.data + 8, 0);
    s.ring(
        &[
            &load_register(register(reg::PREDICATE_RESULT), result)[..],
            &load_register(register(reg::PREDICATE_RESULT_2), result_2),
            &[set(value)],
            &store(VA, 1),
            &[set(when::NEVER)],
            &store(VA + 8, 1),
        ]
        .concat(),
    );
    assert_eq!(s.bench.peek(s.data + 8), 1, "{value} does not end");
    s.bench.peek(s.data) == 1
}

#[test]
fn set_predicate_passes_over_by_result_and_result_2() {
    let mut s = setup(RCS);
    for (result, result_2) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for (value, expected) in [
            (when::NEVER, true),
            (when::RESULT2_CLEAR, result_2 == 1),
            (when::RESULT2_SET, result_2 == 0),
            (when::RESULT_CLEAR, result == 1),
            (when::RESULT_SET, result == 0),
            (when::ALWAYS, false),
        ] {
            let executed = is_executed(&mut s, result, result_2, value);
            assert_eq!(executed, expected, "{value} with {result} and {result_2}");
        }
    }
}

#[test]
fn set_predicate_knows_the_number_of_slices() {
    for (device, slices) in [(0x1616, 1), (0x1626, 2)] {
        let config = GpuConfig::by_device_id(device).expect("a Broadwell");
        let mut s = Setup::on(Bench::with_config(config), RCS);
        for count in 1..=3 {
            let value = when::UNLESS_ONE_SLICE + count - 1;
            assert_eq!(is_executed(&mut s, 0, 0, value), count == slices, "{count} of {slices}");
        }
    }
}

#[test]
fn a_batch_ends_although_its_commands_are_passed_over() {
    let mut s = setup(RCS);
    let commands = [&[set(when::ALWAYS)][..], &store(VA, 1)].concat();
    assert_eq!(s.user_batch(&commands), EngineActivity::Idle);
    assert_eq!(s.bench.peek(s.data), 0);
}

#[test]
fn predication_belongs_to_the_context() {
    let mut s = setup(RCS);
    let vm = s.bench.vm(Levels::Four);
    let first = s.context;
    let second = s.bench.context(RCS, vm, 2);
    s.ring(&[set(when::ALWAYS), 0]);
    let target = s.bench.page();
    s.context = second;
    s.ring(&super::bench::store_ggtt(target, 1));
    assert_eq!(s.bench.peek(target), 1, "the other context executes");
    s.context = first;
    s.ring(&super::bench::store_ggtt(target, 2));
    assert_eq!(s.bench.peek(target), 1, "the first one still passes over");
    s.ring(&[&[set(when::NEVER)][..], &super::bench::store_ggtt(target, 3)].concat());
    assert_eq!(s.bench.peek(target), 3);
}
