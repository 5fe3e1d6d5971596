//! What stops an engine, and what hardware only drops.

use gen8_spec::commands::mi;
use gen8_spec::context_image as image;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::pte;
use gpu_model::{EngineActivity, Event, Origin};
use ppgtt::Levels;

use super::bench::{Bench, Context, END, load_register, start, store, store_ggtt};

const BCS: EngineId = EngineId::Bcs;
const VA: u64 = 0x1_2340_5000;
const BATCH: u64 = 0x80_0000;

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    bench
}

fn faults(bench: &mut Bench) -> Vec<gpu_model::fault::GpuFault> {
    let fault = |event| match event {
        Event::Fault(fault) => Some(fault),
        _ => None,
    };
    bench.events().into_iter().filter_map(fault).collect()
}

fn run_batch(bench: &mut Bench, commands: &[u32]) -> (Context, EngineActivity) {
    let vm = bench.vm(Levels::Four);
    bench.batch(vm, BATCH, &[commands, &[END]].concat());
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &start(BATCH, mi::BATCH_PPGTT));
    bench.submit(context, None);
    (context, bench.run())
}

#[test]
fn absent_translation_is_latched_and_holds_the_engine_at_the_command() {
    let mut bench = bench();
    let (_, activity) = run_batch(&mut bench, &[&[0, 0][..], &store(VA, 1)].concat());
    assert_eq!(activity, EngineActivity::Waiting);
    let found = faults(&mut bench);
    assert_eq!(found.len(), 1);
    let fault = found[0];
    assert_eq!((fault.engine, fault.ggtt, fault.write), (Some(BCS), false, true));
    assert_eq!((fault.address, fault.level), (VA, 2), "the batch shares the PML4E, not the PDPE");
    let register = bench.read_register(mmio::RING_FAULT_REG);
    let expected = mmio::FAULT_VALID
        | 2 << mmio::FAULT_LEVEL_SHIFT
        | BCS.fault_id() << mmio::FAULT_ENGINE_SHIFT;
    assert_eq!(register, expected);
    assert_eq!(bench.read_register(mmio::FAULT_TLB_DATA0), (VA >> 12) as u32);
    bench.run();
    assert_eq!(bench.get(BCS, reg::ACTHD), BATCH as u32 + 8);
    assert_eq!(bench.get(BCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 1);
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0, 0)]);
    assert!(faults(&mut bench).is_empty(), "it does not fault again and again");
}

#[test]
fn write_to_a_read_only_page_is_dropped_without_a_fault() {
    let mut bench = bench();
    bench.set(BCS, reg::EMR, 0);
    let vm = bench.vm(Levels::Four);
    let page = bench.page();
    bench.write_pte(vm, VA, pte::encode_pte(page, pte::CacheLevel::Llc, true));
    let other = bench.mapped_page(vm, VA + 0x1000);
    let commands = [&store(VA, 1)[..], &store(VA + 0x1000, 2), &[END]].concat();
    bench.batch(vm, BATCH, &commands);
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &start(BATCH, mi::BATCH_PPGTT));
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!((bench.peek(page), bench.peek(other)), (0, 2));
    assert!(faults(&mut bench).is_empty());
    assert_eq!(bench.get(BCS, reg::EIR), reg::EIR_PRIVILEGE);
}

#[test]
fn tables_and_pages_outside_ram_fault() {
    let outside = 1 << 38;
    for leaf in [false, true] {
        let mut bench = bench();
        let vm = bench.vm(Levels::Four);
        bench.write_pte(vm, VA, pte::encode_pte(outside, pte::CacheLevel::Llc, false));
        if !leaf {
            assert!(ppgtt::PhysicalMemory::write_u64(
                &bench.ram,
                vm.pdps[0],
                pte::encode_table(outside)
            ));
        } else {
            bench.batch(vm, BATCH, &[&store(VA, 1)[..], &[END]].concat());
        }
        let mut context = bench.context(BCS, vm, 1);
        bench.emit(&mut context, &start(BATCH, mi::BATCH_PPGTT));
        bench.submit(context, None);
        assert_eq!(bench.run(), EngineActivity::Waiting);
        let found = faults(&mut bench);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, if leaf { 0 } else { 2 });
    }
}

#[test]
fn table_that_points_at_itself_is_walked_in_four_steps() {
    let mut bench = bench();
    let vm = bench.vm(Levels::Four);
    let entry = pte::encode_table(vm.pdps[0]);
    for n in 0..512 {
        assert!(ppgtt::PhysicalMemory::write_u64(&bench.ram, vm.pdps[0] + 8 * n, entry));
    }
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &start(VA, mi::BATCH_PPGTT));
    bench.submit(context, None);
    // The table is its own leaf page: its entries are executed as commands.
    for _ in 0..10 {
        bench.gpu.step(1000);
    }
    assert!(bench.get(BCS, reg::ACTHD) >= VA as u32);
}

#[test]
fn global_gtt_fault_is_latched_reads_0_and_drops_the_write() {
    let mut bench = bench();
    let hole = bench.page();
    bench.write_ggtt_pte(hole, 0);
    let vm = bench.vm(Levels::Four);
    let target = bench.page();
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &store_ggtt(hole, 1));
    bench.emit(&mut context, &store_ggtt(target, 2));
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!((bench.peek(hole), bench.peek(target)), (0, 2));
    let found = faults(&mut bench);
    assert_eq!(found.len(), 1);
    assert!(found[0].ggtt && found[0].write && found[0].address == hole);
}

#[test]
fn undecodable_command_stops_at_its_dword_with_ipehr_eir_and_interrupt() {
    let mut bench = bench();
    let bank = irq::gt_bank(BCS.interrupt_bank());
    bench.write_register(bank + irq::IMR, 0);
    bench.set(BCS, reg::EMR, !reg::EIR_INSTRUCTION);
    let (_, activity) = run_batch(&mut bench, &[0, 0xdead_beef, 0]);
    assert_eq!(activity, EngineActivity::Waiting);
    assert_eq!(bench.get(BCS, reg::IPEHR), 0xdead_beef);
    assert_eq!(bench.get(BCS, reg::EIR), reg::EIR_INSTRUCTION);
    assert_eq!(bench.get(BCS, reg::ACTHD), BATCH as u32 + 4);
    let bit = irq::CS_ERROR << BCS.interrupt_shift();
    assert_ne!(bench.read_register(bank + irq::IIR) & bit, 0);
    let origin = Origin::UserBatch(BCS);
    let expected =
        Event::InstructionError { engine: BCS, header: 0xdead_beef, address: BATCH + 4, origin };
    assert!(bench.events().contains(&expected));
    bench.run();
    assert_eq!(bench.get(BCS, reg::ACTHD), BATCH as u32 + 4);
}

#[test]
fn ipeir_tells_a_batch_from_the_ring_and_a_reset_clears_it() {
    let mut bench = bench();
    run_batch(&mut bench, &[0xdead_beef]);
    assert_eq!(bench.get(BCS, reg::IPEIR), reg::IPEIR_BATCH);
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    assert_eq!(bench.get(BCS, reg::IPEIR), 0);
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let mut context = bench.context(BCS, vm, 2);
    bench.emit(&mut context, &[0xdead_beef, 0]);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_eq!((bench.get(BCS, reg::ESR), bench.get(BCS, reg::IPEIR)), (reg::EIR_INSTRUCTION, 0));
}

#[test]
fn missing_privilege_is_told_in_eir_and_stops_nothing() {
    let forbidden = load_register(BCS.mmio_base() + reg::HWS_PGA, 0x1000).to_vec();
    let global = store_ggtt(0x1000, 1).to_vec();
    for commands in [forbidden, global] {
        for open in [false, true] {
            let mut bench = bench();
            let bank = irq::gt_bank(BCS.interrupt_bank());
            bench.write_register(bank + irq::IMR, 0);
            bench.set(BCS, reg::IMR, 0);
            if open {
                bench.set(BCS, reg::EMR, !reg::EIR_PRIVILEGE);
            }
            let (_, activity) = run_batch(&mut bench, &commands);
            assert_eq!(activity, EngineActivity::Idle, "{commands:#x?}");
            assert_eq!(bench.get(BCS, reg::EIR), if open { reg::EIR_PRIVILEGE } else { 0 });
            assert_eq!(bench.get(BCS, reg::ESR), 0, "nothing lasts");
            let bit = irq::CS_ERROR << BCS.interrupt_shift();
            assert_eq!(bench.read_register(bank + irq::IIR) & bit != 0, open);
        }
    }
}

#[test]
fn emr_holds_an_error_back_until_it_is_lifted() {
    let mut bench = bench();
    let bank = irq::gt_bank(BCS.interrupt_bank());
    bench.write_register(bank + irq::IMR, 0);
    bench.set(BCS, reg::IMR, 0);
    run_batch(&mut bench, &[0xdead_beef]);
    let bit = irq::CS_ERROR << BCS.interrupt_shift();
    assert_eq!(bench.read_register(bank + irq::IIR) & bit, 0);
    assert_eq!((bench.get(BCS, reg::EIR), bench.get(BCS, reg::ESR)), (0, reg::EIR_INSTRUCTION));
    bench.set(BCS, reg::EMR, !reg::EIR_PRIVILEGE);
    assert_eq!(bench.get(BCS, reg::EIR), 0);
    bench.set(BCS, reg::EMR, !reg::EIR_INSTRUCTION);
    assert_ne!(bench.read_register(bank + irq::IIR) & bit, 0);
    assert_eq!(bench.get(BCS, reg::EIR), reg::EIR_INSTRUCTION);
    bench.set(BCS, reg::EIR, u32::MAX);
    assert_eq!(bench.get(BCS, reg::EIR), 0);
}

#[test]
fn commands_of_other_engines_and_short_lengths_are_instruction_errors() {
    let pipe_control = gen8_spec::commands::pipe_control::HEADER;
    let short_store = mi::header(mi::STORE_DATA_IMM, 0);
    let reserved_mi = mi::header(0x3f, 0);
    for header in [pipe_control, short_store, reserved_mi] {
        let mut bench = bench();
        let (_, activity) = run_batch(&mut bench, &[header, 0, 0, 0, 0, 0, 0]);
        assert_eq!(activity, EngineActivity::Waiting, "{header:#x}");
        assert_eq!(bench.get(BCS, reg::IPEHR), header);
    }
}

#[test]
fn context_that_makes_no_sense_stops_the_engine_with_an_event() {
    type Spoil = fn(&mut Bench, &mut Context);
    let spoils: [Spoil; 6] = [
        |bench, context| bench.write_ggtt_pte(u64::from(context.descriptor.lrca()) + 0x1000, 0),
        |bench, context| bench.set_image(*context, image::RING_CTL, 0),
        |bench, context| bench.set_image(*context, image::RING_HEAD, 0x1000),
        |bench, context| bench.set_image(*context, image::RING_TAIL, 0x8_0000),
        |bench, context| bench.set_image(*context, image::RING_START, 0xf000_0000),
        |_, context| context.descriptor.0 &= !(0b11 << 3),
    ];
    for (n, spoil) in spoils.into_iter().enumerate() {
        let mut bench = bench();
        let vm = bench.vm(Levels::Four);
        let mut context = bench.context(BCS, vm, 1);
        bench.emit(&mut context, &[0; 4]);
        spoil(&mut bench, &mut context);
        bench.events();
        bench.submit(context, None);
        assert_eq!(bench.run(), EngineActivity::Waiting, "case {n}");
        let told = |event: &Event| matches!(event, Event::Fault(_) | Event::GuestError { .. });
        assert!(bench.events().iter().any(told), "case {n}");
    }
}

#[test]
fn image_outside_the_ggtt_is_a_ggtt_fault() {
    let mut bench = bench();
    let descriptor = ContextDescriptor(0x1_ffff_f139);
    bench.submit_raw(BCS, descriptor, ContextDescriptor(0));
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert!(faults(&mut bench)[0].ggtt);
}

#[test]
fn tail_inside_a_command_waits_for_the_rest_of_it() {
    let mut bench = bench();
    let vm = bench.vm(Levels::Four);
    let target = bench.page();
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &store_ggtt(target, 5));
    bench.set_image(context, image::RING_TAIL, 8);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    bench.run();
    let cut = |event: &&Event| matches!(event, Event::GuestError { .. });
    assert_eq!(bench.events().iter().filter(cut).count(), 1, "told once");
    bench.set_image(context, image::RING_TAIL, 16);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting, "no arbitration inside a command");
}
