//! Whatever the guest does, the device answers: no panic, no endless slice.

use gen8_spec::commands::mi;
use gen8_spec::context_image as image;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::masked_enable;
use gen8_spec::mmio::ring as reg;
use ppgtt::{Levels, PhysicalMemory};
use proptest::prelude::*;

use super::bench::{Bench, start};

const BATCH: u64 = 0x80_0000;

fn engine() -> impl Strategy<Value = EngineId> {
    proptest::sample::select(EngineId::ALL.to_vec())
}

/// Dwords that decode often: MI commands with small operands and addresses near mapped ones.
fn dword() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (0u32..64, 0u32..12, any::<u32>()).prop_map(|(opcode, length, flags)| {
            mi::header(opcode, length) | flags & 0x007f_f100
        }),
        2 => 0u32..0x10_0000,
        1 => (0u32..0x2000).prop_map(|at| BATCH as u32 + at * 4),
        1 => engine().prop_flat_map(|engine| {
            (0u32..0x200).prop_map(move |at| engine.mmio_base() + at * 4)
        }),
        1 => any::<u32>(),
        1 => any::<u32>().prop_map(|low| 0x7a00_0000 | low & 0x00ff_ffff),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_never_panic_and_slices_end(
        engine in engine(),
        user in any::<bool>(),
        four in any::<bool>(),
        commands in proptest::collection::vec(dword(), 1..400),
    ) {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(if four { Levels::Four } else { Levels::Three });
        let page = bench.batch(vm, BATCH, &commands);
        bench.map_ggtt(BATCH, page);
        let mut context = bench.context(engine, vm, 1);
        bench.emit(&mut context, &start(BATCH, if user { mi::BATCH_PPGTT } else { 0 }));
        bench.emit(&mut context, &[0; 4]);
        bench.submit(context, None);
        for _ in 0..20 {
            let report = bench.gpu.step(500);
            prop_assert!(report.commands <= 500);
        }
    }

    #[test]
    fn random_images_and_submissions_in_any_order_never_panic(
        engine in engine(),
        fields in proptest::collection::vec((0usize..0x110, dword()), 0..20),
        port in proptest::collection::vec((any::<u32>(), 0u8..4), 1..40),
    ) {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let mut context = bench.context(engine, vm, 1);
        bench.emit(&mut context, &[0; 8]);
        for (index, value) in fields {
            bench.set_image(context, index, value);
        }
        for (value, kind) in port {
            match kind {
                0 => bench.set(engine, reg::ELSP, value),
                1 => bench.submit(context, Some(context)),
                2 => bench.submit_raw(
                    engine,
                    ContextDescriptor(u64::from(value) << 12 | context.descriptor.0 & 0xfff),
                    ContextDescriptor(u64::from(value)),
                ),
                _ => {
                    bench.gpu.step(value % 300);
                }
            }
        }
        bench.gpu.step(1000);
    }

    #[test]
    fn random_page_tables_never_panic(
        entries in proptest::collection::vec((0u64..512, any::<u64>(), any::<bool>()), 0..60),
        va in any::<u64>(),
    ) {
        let mut bench = Bench::new();
        let engine = EngineId::Bcs;
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        bench.map(vm, va & 0xffff_ffff_f000, vm.pdps[0]);
        for (index, value, near) in entries {
            let value = if near { value & 0xf_f000 | 3 } else { value };
            prop_assert!(bench.ram.write_u64(vm.pdps[0] + 8 * index, value));
        }
        let mut context = bench.context(engine, vm, 1);
        bench.emit(&mut context, &start(va, mi::BATCH_PPGTT));
        bench.submit(context, None);
        for _ in 0..4 {
            bench.gpu.step(500);
        }
    }

    #[test]
    fn random_register_traffic_while_a_ring_runs_never_panics(
        accesses in proptest::collection::vec(
            (engine(), prop_oneof![
                Just(reg::HEAD), Just(reg::TAIL), Just(reg::START), Just(reg::CTL),
                Just(reg::GFX_MODE), Just(reg::MI_MODE), Just(reg::ELSP), Just(reg::CSB_PTR),
                (0u32..0x200).prop_map(|n| 4 * n),
            ], dword(), 0u32..50),
            1..80,
        ),
    ) {
        let mut bench = Bench::new();
        for engine in EngineId::ALL {
            let ring = bench.pages(2);
            bench.set(engine, reg::START, ring as u32);
            bench.set(engine, reg::CTL, 0x1000 | reg::CTL_VALID);
        }
        bench.set(EngineId::Rcs, reg::GFX_MODE, masked_enable(reg::GFX_MODE_PPGTT));
        for (engine, offset, value, budget) in accesses {
            bench.set(engine, offset, value);
            bench.get(engine, offset);
            bench.gpu.step(budget);
        }
    }
}

/// A case that the strategies above do not reach often: a state page full of one bit pattern.
#[test]
fn image_of_all_ones_is_survived() {
    for engine in EngineId::ALL {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let context = bench.context(engine, vm, 1);
        for index in 0..1023 {
            bench.set_image(context, index, u32::MAX);
        }
        bench.set_image(context, image::RING_CTL, reg::CTL_VALID);
        bench.submit(context, None);
        bench.gpu.step(1000);
    }
}
