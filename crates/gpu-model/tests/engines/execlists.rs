//! Submission by ELSP: what is reported, in which order, and which context runs when.

use gen8_spec::commands::mi::{self, semaphore};
use gen8_spec::context_image as image;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{ContextDescriptor, status};
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::ring as reg;
use gpu_model::{EngineActivity, Event};
use ppgtt::Levels;

use super::bench::{
    ARB_CHECK, ARB_OFF, ARB_ON, Bench, END, one, start, store, store_ggtt, wait_ggtt,
};

const BCS: EngineId = EngineId::Bcs;
const VA: u64 = 0x1234_5000;

#[test]
fn batch_writes_a_dword_on_every_engine_with_three_and_four_levels() {
    for levels in [Levels::Three, Levels::Four] {
        for engine in EngineId::ALL {
            let mut bench = Bench::new();
            bench.execlists(engine);
            let vm = bench.vm(levels);
            let target = bench.mapped_page(vm, VA);
            let mut commands = store(VA + 0x40, 0xcafe).to_vec();
            commands.push(END);
            bench.batch(vm, VA + 0x20_0000, &commands);
            let mut context = bench.context(engine, vm, 0x20);
            bench.emit(&mut context, &start(VA + 0x20_0000, mi::BATCH_PPGTT));
            bench.submit(context, None);
            assert_eq!(bench.run(), EngineActivity::Idle);
            assert_eq!(bench.peek(target + 0x40), 0xcafe, "{} {levels:?}", engine.name());
            assert_eq!(bench.csb(engine, 2), [(0x1, 0), (0x18, 0x20)]);
            assert_eq!(bench.csb_index(engine), 1);
            assert_eq!(bench.image(context, image::RING_HEAD), context.tail);
        }
    }
}

#[test]
fn four_level_addresses_reach_the_top_of_the_address_space() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let top = (1 << 48) - 0x1000;
    let target = bench.mapped_page(vm, top);
    // The batch names the canonical form, as i915 relocates it.
    let mut commands = store(top | 0xffff << 48, 7).to_vec();
    commands.push(END);
    bench.batch(vm, 0x8000_0000_0000, &commands);
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &start(0xffff_8000_0000_0000, mi::BATCH_PPGTT));
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.peek(target), 7);
}

#[test]
fn two_elements_run_in_order_and_report_0x1_0x14_0x18() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let target = bench.page();
    let mut first = bench.context(BCS, vm, 1);
    let mut second = bench.context(BCS, vm, 2);
    bench.emit(&mut first, &store_ggtt(target, 1));
    bench.emit(&mut second, &store_ggtt(target, 2));
    bench.submit(first, Some(second));
    bench.run();
    assert_eq!(bench.peek(target), 2);
    assert_eq!(bench.csb(BCS, 3), [(0x1, 0), (0x14, 1), (0x18, 2)]);
    let registers: Vec<_> = (0..3)
        .map(|n| {
            let low = bench.get(BCS, reg::CSB_LO + 8 * n);
            (low, bench.get(BCS, reg::CSB_HI + 8 * n))
        })
        .collect();
    assert_eq!(registers, [(0x1, 0), (0x14, 1), (0x18, 2)]);
}

#[test]
fn every_status_raises_the_context_switch_interrupt_unless_the_ring_masks_it() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let bank = irq::gt_bank(BCS.interrupt_bank());
    let bit = irq::CONTEXT_SWITCH << BCS.interrupt_shift();
    bench.write_register(bank + irq::IMR, 0);
    let vm = bench.vm(Levels::Four);
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &[0, 0]);
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.read_register(bank + irq::IIR), bit);
    // Two deep: the idle event was the second.
    bench.write_register(bank + irq::IIR, bit);
    assert_eq!(bench.read_register(bank + irq::IIR), bit);
    bench.write_register(bank + irq::IIR, bit);
    assert_eq!(bench.read_register(bank + irq::IIR), 0);
    bench.set(BCS, reg::IMR, bit);
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.read_register(bank + irq::IIR), 0);
}

#[test]
fn next_entry_is_slot_0_after_software_wrote_both_pointers_as_5() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let context = bench.context(BCS, vm, 9);
    assert_eq!(bench.get(BCS, reg::CSB_PTR) & 7, 7);
    bench.set(BCS, reg::CSB_PTR, 0xffff_0505);
    assert_eq!(bench.get(BCS, reg::CSB_PTR), 0x505);
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0x18, 9)]);
    assert_eq!(bench.get(BCS, reg::CSB_PTR), 0x501);
}

#[test]
fn lite_restore_reads_tail_again_and_nothing_else() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let (target, gate) = (bench.page(), bench.page());
    let mut context = bench.context(BCS, vm, 3);
    bench.emit(&mut context, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    bench.emit(&mut context, &store_ggtt(target, 1));
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    bench.emit(&mut context, &store_ggtt(target + 4, 2));
    // HEAD in the image is what a full restore would take.
    bench.set_image(context, image::RING_HEAD, 0xff8);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0x8002, 3)]);
    bench.poke(gate, 1);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!((bench.peek(target), bench.peek(target + 4)), (1, 2));
    assert_eq!(bench.csb(BCS, 3)[2], (0x18, 3));
}

#[test]
fn other_context_preempts_at_arb_check_and_the_first_resumes_in_its_batch() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let target = bench.page();
    // The batch never ends by itself: it chains to its own arbitration point.
    let result = bench.mapped_page(vm, VA);
    let mut commands = vec![ARB_CHECK];
    commands.extend(start(VA + 0x1000, mi::BATCH_PPGTT));
    let batch = bench.batch(vm, VA + 0x1000, &commands);
    let mut low = bench.context(BCS, vm, 1);
    bench.emit(&mut low, &start(VA + 0x1000, mi::BATCH_PPGTT));
    let mut high = bench.context(BCS, vm, 2);
    bench.emit(&mut high, &store_ggtt(target, 1));
    bench.submit(low, None);
    bench.gpu.step(100);
    bench.submit(high, None);
    bench.gpu.step(100);
    assert_eq!(bench.peek(target), 1);
    assert_eq!(bench.csb(BCS, 3), [(0x1, 0), (0x2, 1), (0x18, 2)]);
    assert_eq!(bench.image(low, image::BB_ADDR), (VA as u32 + 0x1004) | reg::BBADDR_VALID);
    assert_eq!(bench.image(low, image::BB_STATE), reg::BBSTATE_PPGTT);
    // Now let it end: the chain becomes a store and an end.
    bench.poke_all(batch + 4, &store(VA, 5));
    bench.poke(batch + 4 + 16, END);
    bench.submit(low, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.peek(result), 5);
    assert_eq!(bench.csb(BCS, 5)[3..], [(0x1, 0), (0x18, 1)]);
}

#[test]
fn arb_off_holds_preemption_back_until_arb_on() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let (gate, target) = (bench.page(), bench.page());
    let mut low = bench.context(BCS, vm, 1);
    bench.emit(&mut low, &[ARB_OFF, 0]);
    bench.emit(&mut low, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    bench.emit(&mut low, &[ARB_CHECK, 0]);
    bench.emit(&mut low, &store_ggtt(target, 1));
    bench.emit(&mut low, &[ARB_ON, ARB_CHECK]);
    bench.emit(&mut low, &store_ggtt(target, 3));
    let mut high = bench.context(BCS, vm, 2);
    bench.emit(&mut high, &store_ggtt(target + 4, 2));
    bench.submit(low, None);
    bench.run();
    bench.submit(high, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_eq!(bench.csb_index(BCS), 0, "no switch while arbitration is off");
    assert_ne!(bench.get(BCS, reg::EXECLIST_STATUS_LO) & status::QUEUE_FULL, 0);
    bench.poke(gate, 1);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!((bench.peek(target), bench.peek(target + 4)), (1, 2));
    assert_eq!(bench.csb(BCS, 3), [(0x1, 0), (0x2, 1), (0x18, 2)]);
}

#[test]
fn failing_semaphore_yields_to_a_pending_list() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let (gate, target) = (bench.page(), bench.page());
    let mut waiter = bench.context(BCS, vm, 1);
    bench.emit(&mut waiter, &wait_ggtt(gate, semaphore::SAD_GTE_SDD, 5));
    bench.emit(&mut waiter, &store_ggtt(target, 1));
    bench.submit(waiter, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_ne!(bench.get(BCS, reg::CTL) & reg::CTL_WAIT_SEMAPHORE, 0);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 1);
    let mut opener = bench.context(BCS, vm, 2);
    bench.emit(&mut opener, &store_ggtt(gate, 5));
    bench.submit(opener, Some(waiter));
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 1);
    assert_eq!(bench.csb(BCS, 4), [(0x1, 0), (0x2, 1), (0x14, 2), (0x18, 1)]);
}

#[test]
fn semaphore_orders_two_engines() {
    let mut bench = Bench::new();
    let vm = bench.vm(Levels::Four);
    let (gate, target) = (bench.page(), bench.page());
    let rcs = EngineId::Rcs;
    bench.execlists(rcs);
    bench.execlists(BCS);
    let mut waiter = bench.context(rcs, vm, 1);
    bench.emit(&mut waiter, &wait_ggtt(gate, semaphore::SAD_GTE_SDD, 1));
    bench.emit(&mut waiter, &store_ggtt(target, 2));
    bench.submit(waiter, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_eq!(bench.peek(target), 0);
    let mut signaler = bench.context(BCS, vm, 2);
    bench.emit(&mut signaler, &store_ggtt(target, 1));
    bench.emit(&mut signaler, &store_ggtt(gate, 1));
    bench.submit(signaler, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 2);
}

#[test]
fn list_that_waits_for_a_completion_starts_from_idle() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let mut first = bench.context(BCS, vm, 1);
    bench.emit(&mut first, &[one(mi::NOOP); 8]);
    let mut second = bench.context(BCS, vm, 2);
    bench.emit(&mut second, &[0, 0]);
    bench.submit(first, None);
    bench.gpu.step(10);
    bench.submit(second, None);
    bench.run();
    assert_eq!(bench.csb(BCS, 4), [(0x1, 0), (0x18, 1), (0x1, 0), (0x18, 2)]);
}

#[test]
fn port_is_deaf_in_legacy_mode_and_refuses_a_list_without_element_0() {
    let mut bench = Bench::new();
    let vm = bench.vm(Levels::Four);
    let context = bench.context(BCS, vm, 1);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert!(bench.events().iter().any(|event| matches!(event, Event::GuestError { .. })));
    bench.execlists(BCS);
    bench.submit_raw(BCS, ContextDescriptor(0), context.descriptor);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert!(bench.events().iter().any(|event| matches!(event, Event::GuestError { .. })));
    bench.submit(context, None);
    bench.run();
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0x18, 1)]);
}

#[test]
fn endless_batch_does_not_keep_the_device_from_answering() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    bench.batch(vm, VA, &start(VA, mi::BATCH_PPGTT));
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &start(VA, mi::BATCH_PPGTT));
    bench.submit(context, None);
    for _ in 0..10 {
        assert_ne!(bench.gpu.step(1000).state, EngineActivity::Idle);
        assert_eq!(bench.get(BCS, reg::ACTHD), VA as u32);
        assert_eq!(bench.get(BCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    }
}

#[test]
fn events_tell_the_page_tables_that_a_restore_loads() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Three);
    let context = bench.context(BCS, vm, 0x40);
    bench.submit(context, None);
    bench.run();
    let expected = |event: &Event| match *event {
        Event::PdpLoaded { engine, levels, pdps, context, .. } => {
            (engine, levels, pdps, context) == (BCS, 3, vm.pdps, 0x40)
        }
        _ => false,
    };
    assert!(bench.events().iter().any(expected));
}

#[test]
fn no_memory_is_touched_without_bus_mastering() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let context = bench.context(BCS, vm, 1);
    let command = gen8_spec::pci::COMMAND_MEMORY;
    bench.gpu.config_write(gen8_spec::pci::CFG_COMMAND, 2, command.into());
    bench.submit(context, None);
    bench.gpu.step(1000);
    assert_eq!(bench.csb(BCS, 1), [(0, 0)]);
    let command = command | gen8_spec::pci::COMMAND_BUS_MASTER;
    bench.gpu.config_write(gen8_spec::pci::CFG_COMMAND, 2, command.into());
    bench.run();
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0x18, 1)]);
}
