//! Rules that the device looks for when somebody asks: each is broken on purpose, and kept.

use gen8_spec::commands::mi;
use gen8_spec::context_image as image;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::fence::Fence;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::tiling::Tiling;
use gen8_spec::{PAGE_SIZE, masked_disable, masked_enable, pte};
use gpu_model::{Event, GuestRule, Interests, Origin};
use ppgtt::Levels;

use super::bench::{Bench, Context, RING_BYTES, Vm, start};

const BCS: EngineId = EngineId::Bcs;
const RCS: EngineId = EngineId::Rcs;
const VCS: EngineId = EngineId::Vcs;

/// A bench that looks for broken rules, execlists on.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.listen(Interests::BASICS | Interests::RULES);
    bench.write_register(mmio::PRIVATE_PAT_LO, mmio::PRIVATE_PAT_LO_I915);
    bench.write_register(mmio::PRIVATE_PAT_HI, mmio::PRIVATE_PAT_HI_I915);
    for engine in [RCS, BCS, VCS] {
        bench.execlists(engine);
    }
    assert_eq!(broken(&mut bench), []);
    bench
}

/// The rules broken since the last call, with who and where.
fn told(bench: &mut Bench) -> Vec<(GuestRule, Origin, u64)> {
    let events = bench.events().into_iter();
    let told = events.filter_map(|event| match event {
        Event::GuestError { rule, origin, detail } => Some((rule, origin, detail)),
        _ => None,
    });
    told.collect()
}

fn broken(bench: &mut Bench) -> Vec<GuestRule> {
    told(bench).into_iter().map(|(rule, ..)| rule).collect()
}

/// A context with all that a driver writes to its image, and two commands.
fn context(bench: &mut Bench, engine: EngineId, id: u32) -> Context {
    let vm = bench.vm(Levels::Four);
    context_of(bench, engine, vm, id)
}

/// The same in this address space.
fn context_of(bench: &mut Bench, engine: EngineId, vm: Vm, id: u32) -> Context {
    let mut context = bench.context(engine, vm, id);
    let render = engine == RCS;
    let at = |index: usize| Bench::image_at(context, index) - 4;
    for (index, header) in image::headers(render) {
        bench.poke(at(index), header);
    }
    for &(index, register) in image::registers(render) {
        bench.poke(at(index), engine.mmio_base() + register);
    }
    bench.emit(&mut context, &[mi::NOOP, mi::NOOP]);
    context
}

/// What running one context breaks whose image `spoil` has changed.
fn spoilt(engine: EngineId, spoil: impl FnOnce(&mut Bench, Context)) -> Vec<GuestRule> {
    let mut bench = bench();
    let context = context(&mut bench, engine, 1);
    spoil(&mut bench, context);
    bench.submit(context, None);
    bench.run();
    broken(&mut bench)
}

#[test]
fn a_sound_context_on_each_engine_breaks_nothing() {
    for engine in [RCS, BCS, VCS] {
        assert_eq!(spoilt(engine, |_, _| {}), []);
    }
}

#[test]
fn nothing_is_looked_for_unless_somebody_asks() {
    let mut bench = bench();
    bench.listen(Interests::BASICS);
    bench.set(BCS, reg::TAIL, 4);
    bench.set(BCS, reg::IPEHR, 4);
    assert_eq!(broken(&mut bench), []);
}

#[test]
fn images_are_looked_at_as_they_are_loaded() {
    let dword = |index: usize, value: u32| {
        move |bench: &mut Bench, context: Context| {
            bench.poke(Bench::image_at(context, index) - 4, value);
        }
    };
    let value = |index: usize, value: u32| {
        move |bench: &mut Bench, context: Context| bench.set_image(context, index, value)
    };
    for (_, header) in image::headers(true) {
        let index = image::headers(true).iter().find(|&&(_, h)| h == header).unwrap().0;
        assert_eq!(spoilt(RCS, dword(index, 0)), [GuestRule::ContextImageHeader]);
        assert_eq!(spoilt(RCS, dword(index, header ^ 1 << 12)), [], "posted or not");
    }
    let wrong = dword(image::RING_HEAD, RCS.mmio_base() + reg::HEAD);
    assert_eq!(spoilt(BCS, wrong), [GuestRule::ContextImageRegister]);
    let unmasked = value(image::CONTEXT_CONTROL, image::control::INHIBIT_SYNC_SWITCH);
    assert_eq!(spoilt(BCS, unmasked), [GuestRule::ContextControlBeyondMask]);
    let too_high = value(image::pdp_udw(0), 0x80);
    assert_eq!(spoilt(BCS, too_high), [GuestRule::ContextPdpReserved]);
    // With four levels, only the first pointer counts.
    assert_eq!(spoilt(BCS, value(image::pdp_ldw(3), 1)), []);
    let ctl = (RING_BYTES - PAGE_SIZE as u32) | reg::CTL_VALID;
    assert_eq!(spoilt(BCS, value(image::RING_CTL, ctl | 1 << 5)), [GuestRule::RingCtlReserved]);
    assert_eq!(spoilt(BCS, value(image::RING_TAIL, 0xc)), [GuestRule::RingTailMisaligned]);
    assert_eq!(spoilt(BCS, value(image::RING_HEAD, 0x10)), [GuestRule::RingTailBehindHead]);
    assert_eq!(spoilt(BCS, value(image::RING_HEAD, 0x40)), [], "another cache line");
    let misplaced = |bench: &mut Bench, context: Context| {
        bench.set_image(context, image::RING_START, context.ring as u32 | 8);
    };
    assert_eq!(spoilt(BCS, misplaced), [GuestRule::RingStartMisaligned]);
}

#[test]
fn an_image_or_a_status_page_that_is_not_mapped_is_told() {
    let unmap = |bench: &mut Bench, context: Context| {
        let lrca = u64::from(context.descriptor.lrca());
        bench.write_ggtt_pte(lrca + PAGE_SIZE, 0);
    };
    assert_eq!(spoilt(BCS, unmap), [GuestRule::ContextImageUnmapped]);
    let without_status = |bench: &mut Bench, _: Context| {
        let page = bench.status_page(BCS);
        bench.write_ggtt_pte(page, 0);
    };
    let lost = [GuestRule::StatusPageUnmapped; 2];
    assert_eq!(spoilt(BCS, without_status), lost, "begin and end of the context");
}

#[test]
fn both_ends_of_a_ring_are_mapped() {
    let longer = |bench: &mut Bench, context: Context| {
        bench.set_image(context, image::RING_CTL, RING_BYTES | reg::CTL_VALID);
        bench.write_ggtt_pte(context.ring + PAGE_SIZE, 0);
    };
    assert_eq!(spoilt(BCS, longer), [GuestRule::RingUnmapped]);
}

#[test]
fn a_ppgtt_needs_a_pat_and_entries_of_39_bits() {
    let without = |bench: &mut Bench, _: Context| {
        bench.write_register(mmio::PRIVATE_PAT_LO, 0);
        bench.write_register(mmio::PRIVATE_PAT_HI, 0);
    };
    assert_eq!(spoilt(BCS, without), [GuestRule::PatNotProgrammed]);
    let mut bench = bench();
    let vm = bench.vm(Levels::Four);
    let page = bench.batch(vm, 0x1000, &[mi::header(mi::BATCH_BUFFER_END, 0)]);
    let entry = pte::encode_pte(page, pte::CacheLevel::Llc, false) | 1 << 52;
    bench.write_pte(vm, 0x1000, entry);
    let mut context = context_of(&mut bench, BCS, vm, 1);
    bench.emit(&mut context, &start(0x1000, mi::BATCH_PPGTT));
    bench.submit(context, None);
    bench.run();
    assert_eq!(told(&mut bench), [(GuestRule::PteReserved, Origin::Engine(BCS), entry)]);
}

#[test]
fn lists_must_not_name_a_context_twice_nor_one_that_another_engine_has() {
    let mut bench = bench();
    let (one, two) = (context(&mut bench, BCS, 1), context(&mut bench, BCS, 2));
    bench.submit(one, Some(two));
    assert_eq!(broken(&mut bench), []);
    bench.submit_raw(VCS, one.descriptor, ContextDescriptor(0));
    assert_eq!(broken(&mut bench), [GuestRule::ContextOnTwoEngines]);
    let same_id =
        ContextDescriptor(two.descriptor.0 & 0xffff_ffff | one.descriptor.0 & !0xffff_ffff);
    let other = context(&mut bench, RCS, 4);
    bench.submit(other, None);
    assert_eq!(broken(&mut bench), []);
    bench.gpu.step(1000);
    bench.events();
    for second in [one.descriptor, same_id] {
        bench.submit_raw(BCS, one.descriptor, second);
        assert!(broken(&mut bench).contains(&GuestRule::ElspContextTwice));
        bench.gpu.step(1000);
        bench.events();
    }
    let reserved = ContextDescriptor(two.descriptor.0 | 1 << 9);
    bench.submit_raw(BCS, reserved, ContextDescriptor(0));
    let detail = reserved.0 & 0xfff;
    let expected = (GuestRule::ElspDescriptorReserved, Origin::Cpu, detail);
    assert!(told(&mut bench).contains(&expected));
}

#[test]
fn a_lite_restore_needs_more_work() {
    let mut bench = bench();
    let mut context = context(&mut bench, BCS, 1);
    bench.submit(context, None);
    bench.gpu.step(1);
    bench.emit(&mut context, &[mi::NOOP, mi::NOOP]);
    bench.submit(context, None);
    bench.run();
    assert_eq!(broken(&mut bench), []);
    bench.submit(context, None);
    bench.gpu.step(1);
    bench.submit(context, None);
    bench.run();
    assert_eq!(broken(&mut bench), [GuestRule::LiteRestoreRingEmpty]);
}

#[test]
fn an_image_stays_where_it_is_while_an_engine_has_it() {
    let mut bench = bench();
    let context = context(&mut bench, BCS, 1);
    let lrca = u64::from(context.descriptor.lrca());
    bench.submit(context, None);
    bench.map_ggtt(lrca, lrca);
    assert_eq!(broken(&mut bench), [], "the same mapping again");
    bench.map_ggtt(lrca + PAGE_SIZE, 0x5000);
    let expected = (GuestRule::ContextImageRemapped, Origin::Cpu, lrca + PAGE_SIZE);
    assert_eq!(told(&mut bench), [expected]);
    bench.map_ggtt(lrca + PAGE_SIZE, lrca + PAGE_SIZE);
    bench.events();
    bench.run();
    bench.map_ggtt(lrca, 0x5000);
    assert_eq!(broken(&mut bench), [], "the engine is done with it");
}

#[test]
fn status_buffer_pointers_are_moved_as_far_as_there_are_entries() {
    let mut bench = bench();
    bench.set(BCS, reg::CSB_PTR, csb::set_pointers(5, 5));
    assert_eq!(broken(&mut bench), []);
    let context = context(&mut bench, BCS, 1);
    bench.submit(context, None);
    bench.run();
    // Entries 0 and 1 were written.
    bench.set(BCS, reg::CSB_PTR, csb::set_read_pointer(1));
    assert_eq!(broken(&mut bench), []);
    bench.set(BCS, reg::CSB_PTR, csb::set_read_pointer(2));
    assert_eq!(broken(&mut bench), [GuestRule::CsbReadPointerBeyond]);
    bench.set(BCS, reg::CSB_PTR, csb::set_read_pointer(6));
    assert_eq!(broken(&mut bench), [GuestRule::CsbPointerInvalid]);
    bench.set(BCS, reg::CSB_PTR, csb::set_pointers(5, 5));
    bench.events();
    bench.submit(context, None);
    bench.set(BCS, reg::CSB_PTR, csb::set_pointers(4, 4));
    assert_eq!(broken(&mut bench), [GuestRule::CsbWritePointerMoved]);
}

#[test]
fn registers_are_written_as_they_can_be_written() {
    let mut bench = bench();
    for (offset, value) in [
        (BCS.mmio_base() + reg::MI_MODE, masked_enable(reg::MI_MODE_STOP_RING)),
        (BCS.mmio_base() + reg::MI_MODE, masked_disable(reg::MI_MODE_STOP_RING)),
        (mmio::FORCEWAKE_MT, masked_enable(2)),
        (VCS.mmio_base() + reg::TAIL, 0x18),
    ] {
        bench.write_register(offset, value);
        assert_eq!(broken(&mut bench), [], "{offset:#x}");
    }
    for offset in
        [BCS.mmio_base() + reg::MI_MODE, mmio::FORCEWAKE_MT, VCS.mmio_base() + reg::CSB_PTR]
    {
        bench.write_register(offset, 1);
        let expected = (GuestRule::MaskedBitBeyondMask, Origin::Cpu, offset.into());
        assert_eq!(told(&mut bench), [expected]);
    }
    let isr = irq::gt_bank(0) + irq::ISR;
    for offset in [BCS.mmio_base() + reg::ACTHD, BCS.mmio_base() + reg::INSTPS, isr, mmio::FUSE2] {
        bench.write_register(offset, 0);
        let expected = (GuestRule::ReadOnlyRegisterWritten, Origin::Cpu, offset.into());
        assert_eq!(told(&mut bench), [expected]);
    }
    bench.set(VCS, reg::TAIL, 0x1c);
    bench.set(VCS, reg::START, 0x1008);
    assert_eq!(broken(&mut bench), [GuestRule::RingTailMisaligned, GuestRule::RingStartMisaligned]);
}

#[test]
fn a_legacy_ring_is_never_filled_up_to_the_cache_line_of_its_head() {
    let mut bench = Bench::new();
    bench.listen(Interests::BASICS | Interests::RULES);
    let ring = bench.page() as u32;
    bench.set(BCS, reg::START, ring);
    bench.set(BCS, reg::HEAD, 0x20);
    bench.set(BCS, reg::CTL, reg::CTL_VALID);
    bench.set(BCS, reg::TAIL, 0x40);
    assert_eq!(broken(&mut bench), []);
    bench.set(BCS, reg::TAIL, 0x10);
    assert_eq!(broken(&mut bench), [GuestRule::RingTailBehindHead]);
    bench.set(BCS, reg::CTL, reg::CTL_VALID | 1 << 30);
    assert_eq!(broken(&mut bench), [GuestRule::RingCtlReserved]);
}

#[test]
fn interrupts_are_enabled_when_none_is_old_and_cleared_with_the_master_off() {
    let mut bench = bench();
    let bank = irq::gt_bank(0);
    let context = context(&mut bench, RCS, 1);
    bench.write_register(bank + irq::IMR, 0);
    bench.submit(context, None);
    bench.run();
    bench.write_register(bank + irq::IER, irq::USER_INTERRUPT);
    assert_eq!(broken(&mut bench), [], "another bit is pending");
    bench.write_register(bank + irq::IER, irq::CONTEXT_SWITCH);
    let expected = (GuestRule::IirPendingAtEnable, Origin::Cpu, u64::from(bank + irq::IER));
    assert_eq!(told(&mut bench), [expected]);
    bench.write_register(irq::MASTER, irq::MASTER_ENABLE);
    bench.write_register(bank + irq::IIR, irq::USER_INTERRUPT);
    assert_eq!(broken(&mut bench), [], "that one is not pending");
    bench.write_register(bank + irq::IIR, irq::CONTEXT_SWITCH);
    let expected = (GuestRule::IirClearedWithMasterOn, Origin::Cpu, u64::from(bank + irq::IIR));
    assert_eq!(told(&mut bench), [expected]);
    bench.write_register(irq::MASTER, 0);
    bench.write_register(bank + irq::IIR, irq::CONTEXT_SWITCH);
    assert_eq!(broken(&mut bench), []);
}

#[test]
fn ggtt_entries_map_memory_that_there_is() {
    let mut bench = bench();
    bench.map_ggtt(0x5000, 0x6000);
    bench.write_ggtt_pte(0x5000, 0);
    assert_eq!(broken(&mut bench), []);
    bench.map_ggtt(0x5000, 1 << 30);
    assert_eq!(told(&mut bench), [(GuestRule::GgttPteOutsideRam, Origin::Cpu, 0x5000)]);
    bench.write_ggtt_pte(0x5000, pte::encode_ggtt_pte(0x6000) | 1 << 39);
    assert_eq!(broken(&mut bench), [GuestRule::GgttPteReserved]);
}

#[test]
fn an_engine_is_asked_before_it_is_reset() {
    let mut bench = bench();
    let context = context(&mut bench, BCS, 1);
    bench.submit(context, None);
    bench.set(BCS, reg::RESET_CTL, masked_enable(reg::RESET_CTL_REQUEST));
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    assert_eq!(broken(&mut bench), [], "the second time it has no work");
    bench.execlists(BCS);
    bench.submit(context, None);
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    let expected = (GuestRule::ResetWithoutRequest, Origin::Cpu, BCS.reset_domain().into());
    assert_eq!(told(&mut bench), [expected]);
    bench.execlists(BCS);
    bench.submit(context, None);
    bench.write_register(mmio::GDRST, mmio::GDRST_FULL);
    assert_eq!(broken(&mut bench), [GuestRule::ResetWithoutRequest]);
}

#[test]
fn a_fence_is_off_while_it_changes() {
    let mut bench = bench();
    let fence = |start: u64, end: u64| Fence { start, end, pitch: 512, tiling: Tiling::X }.encode();
    let (low, high) = (mmio::FENCE_LO, mmio::FENCE_LO + 4);
    let value = fence(0x10_0000, 0x20_0000);
    for (register, half) in
        [(low, 0), (high, value >> 32), (low, value & 0xffff_ffff), (low, value & 0xffff_ffff)]
    {
        bench.write_register(register, half as u32);
    }
    assert_eq!(broken(&mut bench), []);
    bench.write_register(high, (fence(0x10_0000, 0x30_0000) >> 32) as u32);
    let expected = (GuestRule::FenceChangedWhileValid, Origin::Cpu, high.into());
    assert_eq!(told(&mut bench), [expected]);
    bench.write_register(low, 0);
    bench.write_register(high, (fence(0, 0x1000) >> 32) as u32);
    bench.write_register(low, value as u32);
    assert_eq!(told(&mut bench), [(GuestRule::FenceEmpty, Origin::Cpu, low.into())]);
}
