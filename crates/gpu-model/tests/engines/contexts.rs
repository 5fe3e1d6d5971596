//! What a context keeps over a switch.

use gen8_spec::commands::mi::{self, semaphore};
use gen8_spec::context_image::{self as image, control};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::registers::context as saved;
use gen8_spec::{PAGE_SIZE, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::bench::{Bench, Context, END, load_register, store_ggtt, wait_ggtt};

/// Puts `commands` on the context's ring and runs it.
fn run(bench: &mut Bench, context: &mut Context, commands: &[u32]) {
    bench.emit(context, commands);
    bench.submit(*context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
}

#[test]
fn general_purpose_registers_belong_to_the_context_on_every_engine() {
    for engine in EngineId::ALL {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let mut first = bench.context(engine, vm, 1);
        let mut second = bench.context(engine, vm, 2);
        let register = engine.mmio_base() + reg::GPR0 + 0x7c;
        run(&mut bench, &mut first, &load_register(register, 0x11));
        run(&mut bench, &mut second, &[0, 0]);
        assert_eq!(bench.read_register(register), 0, "{}", engine.name());
        run(&mut bench, &mut first, &[0, 0]);
        assert_eq!(bench.read_register(register), 0x11, "{}", engine.name());
    }
}

#[test]
fn workaround_registers_of_one_context_do_not_show_in_another() {
    let mut bench = Bench::new();
    bench.execlists(EngineId::Rcs);
    let vm = bench.vm(Levels::Four);
    let mut first = bench.context(EngineId::Rcs, vm, 1);
    let mut second = bench.context(EngineId::Rcs, vm, 2);
    let registers = [0x7004, 0xe4f0, 0x20c0, 0x209c];
    for register in registers {
        run(&mut bench, &mut first, &load_register(register, masked_enable(1 << 14)));
    }
    run(&mut bench, &mut second, &[0, 0]);
    let idle = reg::MI_MODE_IDLE;
    assert_eq!(registers.map(|register| bench.read_register(register)), [0, 0, 0, idle]);
    run(&mut bench, &mut first, &[0, 0]);
    let set = [1 << 14, 1 << 14, 1 << 14, 1 << 14 | idle];
    assert_eq!(registers.map(|register| bench.read_register(register)), set);
}

#[test]
fn blitter_tiling_is_kept_at_its_place_in_the_image() {
    let mut bench = Bench::new();
    let bcs = EngineId::Bcs;
    bench.execlists(bcs);
    let vm = bench.vm(Levels::Four);
    let mut first = bench.context(bcs, vm, 1);
    let mut second = bench.context(bcs, vm, 2);
    let register = bcs.mmio_base() + reg::BCS_SWCTRL;
    run(&mut bench, &mut first, &load_register(register, masked_enable(3)));
    assert_eq!(bench.image(first, image::XCS_SWCTRL), 0xffff_0003);
    run(&mut bench, &mut second, &[0, 0]);
    assert_eq!(bench.read_register(register), 0);
    run(&mut bench, &mut first, &[0, 0]);
    assert_eq!(bench.read_register(register), 3);
}

#[test]
fn restore_inhibit_starts_from_reset_values_and_holds_for_one_restore() {
    let mut bench = Bench::new();
    let rcs = EngineId::Rcs;
    bench.execlists(rcs);
    let vm = bench.vm(Levels::Four);
    let mut context = bench.context(rcs, vm, 1);
    bench.set_image(context, image::CONTEXT_CONTROL, masked_enable(control::RESTORE_INHIBIT));
    bench.set_image(context, image::RCS_GPR0, 0xbad);
    let register = rcs.mmio_base() + reg::GPR0;
    run(&mut bench, &mut context, &[0, 0]);
    assert_eq!(bench.read_register(register), 0);
    run(&mut bench, &mut context, &load_register(register, 0x22));
    let mut other = bench.context(rcs, vm, 2);
    run(&mut bench, &mut other, &[0, 0]);
    run(&mut bench, &mut context, &[0, 0]);
    assert_eq!(bench.read_register(register), 0x22);
}

#[test]
fn nothing_is_written_outside_the_image_or_to_its_register_offsets() {
    for engine in [EngineId::Rcs, EngineId::Bcs] {
        let mut bench = Bench::new();
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let before = bench.page();
        let mut context = bench.context(engine, vm, 1);
        let lrca = u64::from(context.descriptor.lrca());
        let end = lrca + engine.context_image_pages() * PAGE_SIZE;
        let state = lrca + PAGE_SIZE;
        let places = [before, end - PAGE_SIZE * 2 + 0xff8, state + 4, state + 4 * 0x45];
        for place in [before + 0xffc, state + 4, state + 4 * 0x21, state + 4 * 0x46] {
            bench.poke(place, 0x5a5a_5a5a);
        }
        let after: Vec<u32> = (0..1024).map(|n| bench.peek(end + 4 * n)).collect();
        run(&mut bench, &mut context, &[0, 0]);
        // The first page after the image is the context's ring, which emit() changed.
        let ring: Vec<u32> = (0..1024).map(|n| bench.peek(end + 4 * n)).collect();
        assert_eq!(ring, after);
        for place in [before + 0xffc, state + 4, state + 4 * 0x21, state + 4 * 0x46] {
            assert_eq!(bench.peek(place), 0x5a5a_5a5a, "{place:#x} of {places:x?}");
        }
    }
}

#[test]
fn tail_in_the_image_is_softwares_and_survives_a_save() {
    let mut bench = Bench::new();
    let bcs = EngineId::Bcs;
    bench.execlists(bcs);
    let vm = bench.vm(Levels::Four);
    let (gate, target) = (bench.page(), bench.page());
    let mut context = bench.context(bcs, vm, 1);
    bench.emit(&mut context, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    bench.submit(context, None);
    bench.run();
    // More work is queued in the image while the context runs; it completes before the next ELSP.
    bench.emit(&mut context, &store_ggtt(target, 4));
    bench.poke(gate, 1);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 0);
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.peek(target), 4);
}

#[test]
fn context_timestamp_counts_only_while_the_context_runs() {
    let mut bench = Bench::new();
    let bcs = EngineId::Bcs;
    bench.execlists(bcs);
    let vm = bench.vm(Levels::Four);
    let gate = bench.page();
    let mut context = bench.context(bcs, vm, 1);
    bench.emit(&mut context, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    bench.submit(context, None);
    bench.run();
    bench.gpu.advance_to(100 * mmio::TIMESTAMP_TICK_NS);
    assert_eq!(bench.get(bcs, reg::CTX_TIMESTAMP), 100);
    bench.poke(gate, 1);
    bench.run();
    assert_eq!(bench.image(context, image::CTX_TIMESTAMP), 100);
    bench.gpu.advance_to(500 * mmio::TIMESTAMP_TICK_NS);
    assert_eq!(bench.get(bcs, reg::CTX_TIMESTAMP), 100);
    assert_eq!(bench.get(bcs, reg::TIMESTAMP), 500);
}

#[test]
fn indirect_context_batch_runs_by_count_before_the_ring_and_per_context_batch_until_its_end() {
    let mut bench = Bench::new();
    let rcs = EngineId::Rcs;
    bench.execlists(rcs);
    let vm = bench.vm(Levels::Four);
    let (indirect, per_context, target) = (bench.page(), bench.page(), bench.page());
    // One cache line: the store of the second is not run.
    bench.poke_all(indirect, &store_ggtt(target, 1));
    bench.poke_all(indirect + 64, &store_ggtt(target, 99));
    let copy = |to: u64, from: u64| {
        let flags = mi::COPY_SOURCE_GGTT | mi::COPY_DESTINATION_GGTT;
        [mi::header(mi::COPY_MEM_MEM, 3) | flags, to as u32, 0, from as u32, 0]
    };
    bench.poke_all(per_context, &[&copy(target + 4, target)[..], &[END]].concat());
    let mut context = bench.context(rcs, vm, 1);
    bench.set_image(context, image::INDIRECT_CTX, indirect as u32 | 1);
    bench.set_image(context, image::BB_PER_CTX_PTR, per_context as u32 | reg::BB_PER_CTX_VALID);
    run(&mut bench, &mut context, &copy(target + 8, target + 4));
    assert_eq!([0, 4, 8].map(|at| bench.peek(target + at)), [1, 1, 1]);
}

/// Registers of a context are found again after a switch, and a context that never ran finds the same
/// values whoever ran before.
#[test]
fn registers_of_the_context_are_found_again_and_virgin_contexts_are_equal() {
    let rcs = EngineId::Rcs;
    let mut bench = Bench::new();
    bench.execlists(rcs);
    let vm = bench.vm(Levels::Four);
    let registers: Vec<u32> = saved::offsets(saved::RENDER_USER).collect();
    // Masked registers take the low half, others everything: both show a change.
    let value = |register: u32| register << 16 | 0xffff_0000 | register & 0xff;
    let read = |bench: &mut Bench| -> Vec<u32> {
        registers.iter().map(|&register| bench.read_register(register)).collect()
    };
    let mut virgin = bench.context(rcs, vm, 1);
    run(&mut bench, &mut virgin, &[0, 0]);
    let fresh = read(&mut bench);
    let mut writer = bench.context(rcs, vm, 2);
    for chunk in registers.chunks(16) {
        let commands: Vec<u32> =
            chunk.iter().flat_map(|&register| load_register(register, value(register))).collect();
        let page = bench.batch(vm, 0x80_0000, &[&commands[..], &[END]].concat());
        assert_ne!(page, 0);
        bench.write_register(rcs.tlb_invalidate_register(), 1);
        run(&mut bench, &mut writer, &super::bench::start(0x80_0000, mi::BATCH_PPGTT));
    }
    let written = read(&mut bench);
    assert!(written.iter().zip(&fresh).filter(|(new, old)| new != old).count() > 50);
    let mut other = bench.context(rcs, vm, 3);
    run(&mut bench, &mut other, &[0, 0]);
    assert_eq!(read(&mut bench), fresh, "another virgin context");
    run(&mut bench, &mut writer, &[0, 0]);
    assert_eq!(read(&mut bench), written);
    // A reset forgets the engine's registers, not the image.
    bench.write_register(mmio::GDRST, rcs.reset_domain());
    bench.execlists(rcs);
    run(&mut bench, &mut writer, &[0, 0]);
    assert_eq!(read(&mut bench), written, "after a reset");
}
