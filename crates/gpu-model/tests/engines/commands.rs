//! What single commands do.

use gen8_spec::commands::mi::{self, flush_dw};
use gen8_spec::commands::pipe_control as pipe;
use gen8_spec::engine::EngineId;
use gen8_spec::interrupts as irq;
use gen8_spec::masked_enable;
use gen8_spec::mmio::{self, ring as reg};
use gpu_model::Event;

use super::bench::{END, load_register, one, start, store, store_ggtt};
use super::setup::{VA, setup};

const BCS: EngineId = EngineId::Bcs;
const RCS: EngineId = EngineId::Rcs;

#[test]
fn store_data_imm_writes_dwords_qwords_and_arrays() {
    let mut s = setup(BCS);
    let [_, low, high, _] = store(VA, 0);
    s.ring(&[mi::header(mi::STORE_DATA_IMM, 4), low, high, 1, 2, 3]);
    assert_eq!([0, 4, 8].map(|at| s.bench.peek(s.data + at)), [1, 2, 3]);
    let header = mi::header(mi::STORE_DATA_IMM, 3) | mi::STORE_QWORD;
    s.ring(&[header, low + 16, high, 4, 5]);
    assert_eq!([16, 20].map(|at| s.bench.peek(s.data + at)), [4, 5]);
    let header = mi::header(mi::STORE_DATA_IMM, 5) | mi::STORE_QWORD;
    s.ring(&[header, low + 32, high, 6, 7, 8, 9]);
    assert_eq!([32, 36, 40, 44].map(|at| s.bench.peek(s.data + at)), [6, 7, 8, 9]);
}

#[test]
fn commands_wrap_around_the_end_of_the_ring() {
    let mut s = setup(BCS);
    let room = super::bench::RING_BYTES / 4 - 2;
    s.ring(&vec![0; room as usize]);
    s.ring(&store(VA, 0xabc));
    assert_eq!(s.bench.peek(s.data), 0xabc);
    assert_eq!(s.bench.get(BCS, reg::HEAD), 1 << 21 | 8);
}

#[test]
fn store_index_goes_to_the_pphwsp_or_the_global_status_page() {
    let mut s = setup(BCS);
    let global = s.bench.status_page(BCS);
    let own = u64::from(s.context.descriptor.lrca());
    let header = mi::header(mi::STORE_DATA_INDEX, 1);
    s.ring(&[header | mi::INDEX_PPHWSP, 0xd0, 1]);
    s.ring(&[header, 0xd0, 2]);
    assert_eq!((s.bench.peek(own + 0xd0), s.bench.peek(global + 0xd0)), (1, 2));
}

#[test]
fn flush_dw_writes_dword_qword_timestamp_and_notifies() {
    let mut s = setup(BCS);
    s.bench.gpu.advance_to(mmio::TIMESTAMP_TICK_NS * 1000);
    let header = |post, len| mi::header(mi::FLUSH_DW, len) | post;
    let low = VA as u32;
    s.bench.poke(s.data + 4, 77);
    s.ring(&[header(flush_dw::POST_SYNC_WRITE, 2), low, 0, 1]);
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 4)), (1, 77));
    s.ring(&[header(flush_dw::POST_SYNC_WRITE, 3), low, 0, 2, 3]);
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 4)), (2, 3));
    s.ring(&[header(flush_dw::TIMESTAMP_WRITE, 2), low + 8, 0, 0]);
    assert_eq!(s.bench.peek(s.data + 8), 1000);
    let own = u64::from(s.context.descriptor.lrca());
    let index = header(flush_dw::POST_SYNC_WRITE | flush_dw::STORE_INDEX, 2);
    s.ring(&[index, 0xd0, 0, 9]);
    assert_eq!(s.bench.peek(own + 0xd0), 9);
    let bank = irq::gt_bank(BCS.interrupt_bank());
    s.bench.write_register(bank + irq::IMR, 0);
    s.ring(&[header(flush_dw::NOTIFY, 1), 0, 0]);
    let bit = irq::FLUSH_NOTIFY << BCS.interrupt_shift();
    assert_ne!(s.bench.read_register(bank + irq::IIR) & bit, 0);
}

#[test]
fn flush_dw_bit_7_is_not_part_of_its_length() {
    let mut s = setup(EngineId::Vcs);
    let header = mi::header(mi::FLUSH_DW, 2) | flush_dw::INVALIDATE_BSD;
    let mut commands = vec![header | flush_dw::POST_SYNC_WRITE, VA as u32, 0, 1];
    commands.extend(store(VA + 4, 2));
    s.ring(&commands);
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 4)), (1, 2));
}

#[test]
fn pipe_control_writes_qword_index_register_and_notifies() {
    let mut s = setup(RCS);
    let low = VA as u32;
    s.ring(&[pipe::HEADER, pipe::QW_WRITE | pipe::CS_STALL, low, 0, 5, 6]);
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 4)), (5, 6));
    let global = s.bench.page();
    let flags = pipe::QW_WRITE | pipe::GLOBAL_GTT;
    s.ring(&[pipe::HEADER, flags, global as u32, 0, 7, 8]);
    assert_eq!((s.bench.peek(global), s.bench.peek(global + 4)), (7, 8));
    let own = u64::from(s.context.descriptor.lrca());
    s.ring(&[pipe::HEADER, pipe::QW_WRITE | pipe::STORE_DATA_INDEX, 0xd0, 0, 9, 0]);
    assert_eq!(s.bench.peek(own + 0xd0), 9);
    let register = RCS.mmio_base() + reg::GPR0;
    s.ring(&[pipe::HEADER, pipe::LRI_POST_SYNC, register, 0, 0x55, 0]);
    assert_eq!(s.bench.get(RCS, reg::GPR0), 0x55);
    let bank = irq::gt_bank(RCS.interrupt_bank());
    s.bench.write_register(bank + irq::IMR, 0);
    s.ring(&[pipe::HEADER, pipe::NOTIFY, 0, 0, 0, 0]);
    assert_ne!(s.bench.read_register(bank + irq::IIR) & irq::FLUSH_NOTIFY, 0);
}

#[test]
fn user_interrupt_reaches_the_bank_of_its_engine() {
    for engine in EngineId::ALL {
        let mut s = setup(engine);
        let bank = irq::gt_bank(engine.interrupt_bank());
        s.bench.write_register(bank + irq::IMR, 0);
        s.ring(&[one(mi::USER_INTERRUPT), 0]);
        let bit = irq::USER_INTERRUPT << engine.interrupt_shift();
        assert_ne!(s.bench.read_register(bank + irq::IIR) & bit, 0, "{}", engine.name());
    }
}

#[test]
fn registers_move_to_and_from_memory() {
    let mut s = setup(BCS);
    let gpr = |n: u32| BCS.mmio_base() + reg::GPR0 + 8 * n;
    let low = VA as u32;
    s.bench.poke(s.data, 0x1111);
    let mut commands = vec![mi::header(mi::LOAD_REGISTER_MEM, 2), gpr(0), low, 0];
    commands.extend([mi::header(mi::LOAD_REGISTER_REG, 1), gpr(0), gpr(1)]);
    commands.extend([mi::header(mi::STORE_REGISTER_MEM, 2), gpr(1), low + 4, 0]);
    commands.extend([mi::header(mi::COPY_MEM_MEM, 3), low + 8, 0, low + 4, 0]);
    s.user_batch(&commands);
    assert_eq!((s.bench.peek(s.data + 4), s.bench.peek(s.data + 8)), (0x1111, 0x1111));
}

#[test]
fn privileged_batch_runs_from_the_ggtt() {
    let mut s = setup(BCS);
    let (batch, target) = (s.bench.page(), s.bench.page());
    s.bench.poke_all(batch, &[&store_ggtt(target, 3)[..], &[END]].concat());
    s.ring(&start(batch, 0));
    assert_eq!(s.bench.peek(target), 3);
}

#[test]
fn second_level_returns_to_its_caller_and_a_chain_returns_to_the_ring() {
    let mut s = setup(BCS);
    let user = mi::BATCH_PPGTT;
    let second = [&store(VA + 4, 2)[..], &[END]].concat();
    s.bench.batch(s.vm, 0x100_0000, &second);
    let chained = [&store(VA + 12, 4)[..], &[END]].concat();
    s.bench.batch(s.vm, 0x110_0000, &chained);
    let mut commands = store(VA, 1).to_vec();
    commands.extend(start(0x100_0000, user | mi::BATCH_SECOND_LEVEL));
    commands.extend(store(VA + 8, 3));
    commands.extend(start(0x110_0000, user));
    commands.extend(store(VA + 16, 5));
    s.user_batch(&commands);
    let written = [0, 4, 8, 12, 16].map(|at| s.bench.peek(s.data + at));
    assert_eq!(written, [1, 2, 3, 4, 0], "what follows a chain is not run");
}

#[test]
fn conditional_end_goes_on_only_if_memory_is_greater() {
    for (memory, expected) in [(4, 0), (5, 0), (6, 1)] {
        let mut s = setup(BCS);
        s.bench.poke(s.data, memory);
        let header = mi::header(mi::CONDITIONAL_BATCH_BUFFER_END, 2) | mi::CONDITIONAL_COMPARE;
        let mut commands = vec![header, 5, VA as u32, 0];
        commands.extend(store(VA + 4, 1));
        s.user_batch(&commands);
        assert_eq!(s.bench.peek(s.data + 4), expected, "memory {memory}");
    }
}

#[test]
fn conditional_end_compares_only_if_told_to() {
    let mut s = setup(BCS);
    let header = mi::header(mi::CONDITIONAL_BATCH_BUFFER_END, 2);
    s.user_batch(&[&[header, 5, VA as u32, 0][..], &store(VA + 8, 1)].concat());
    assert_eq!(s.bench.peek(s.data + 8), 1);
}

#[test]
fn conditional_end_of_a_second_level_ends_the_first_as_well() {
    let mut s = setup(BCS);
    let header = mi::header(mi::CONDITIONAL_BATCH_BUFFER_END, 2) | mi::CONDITIONAL_COMPARE;
    let second = [&[header, 5, VA as u32, 0][..], &store(VA + 8, 1), &[END]].concat();
    s.bench.batch(s.vm, 0x100_0000, &second);
    let call = start(0x100_0000, mi::BATCH_PPGTT | mi::BATCH_SECOND_LEVEL);
    s.user_batch(&[&call[..], &store(VA + 16, 2)].concat());
    assert_eq!((s.bench.peek(s.data + 8), s.bench.peek(s.data + 16)), (0, 0));
    s.ring(&store(VA + 24, 3));
    assert_eq!(s.bench.peek(s.data + 24), 3, "the ring goes on");
}

#[test]
fn load_register_imm_leaves_disabled_bytes_alone() {
    let mut s = setup(BCS);
    let register = BCS.mmio_base() + reg::GPR0;
    s.ring(&load_register(register, 0x1122_3344));
    let [header, ..] = load_register(register, 0);
    let disables = |bytes: u32| header | bytes << mi::BYTE_DISABLES_SHIFT;
    s.ring(&[disables(0b0101), register, 0xaabb_ccdd]);
    assert_eq!(s.bench.get(BCS, reg::GPR0), 0xaa22_cc44);
    s.ring(&[disables(0b1111), register, 0]);
    assert_eq!(s.bench.get(BCS, reg::GPR0), 0xaa22_cc44);
}

#[test]
fn pipe_control_writes_the_depth_count_that_the_register_holds() {
    let mut s = setup(RCS);
    let (count, low) = (mmio::PS_DEPTH_COUNT, VA as u32);
    s.user_batch(
        &[
            &load_register(count, 0x1234)[..],
            &load_register(count + 4, 0x56),
            &[pipe::HEADER, pipe::DEPTH_COUNT_WRITE, low, 0, u32::MAX, u32::MAX],
        ]
        .concat(),
    );
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 4)), (0x1234, 0x56));
}

#[test]
fn perf_report_is_64_dwords_with_id_time_and_context() {
    let mut s = setup(RCS);
    s.bench.gpu.advance_to(mmio::TIMESTAMP_TICK_NS * 1000);
    for n in 0..80 {
        s.bench.poke(s.data + 4 * n, 0x8080_8080);
    }
    s.user_batch(&[mi::header(mi::REPORT_PERF_COUNT, 2), VA as u32, 0, 0xbeef]);
    let report: Vec<u32> = (0..66).map(|n| s.bench.peek(s.data + 4 * n)).collect();
    assert_eq!(report[..3], [0xbeef, 1000, 1]);
    assert!(report[3..64].iter().all(|&counter| counter == 0));
    assert_eq!(report[64..], [0x8080_8080; 2]);
}

#[test]
fn packets_without_effect_are_skipped_by_their_length() {
    let mut s = setup(RCS);
    // 3DSTATE_SO_DECL_LIST has nine length bits, PIPELINE_SELECT and VF_STATISTICS one dword,
    // 3DPRIMITIVE carries flags where others have length.
    let mut commands = vec![0x7917_0101];
    commands.extend([u32::MAX; 258]);
    commands.extend([0x6904_0000, 0x680b_0001, 0x7b00_0505]);
    commands.extend([u32::MAX; 6]);
    commands.extend(store(VA, 1));
    s.user_batch(&commands);
    assert_eq!(s.bench.peek(s.data), 1);
}

#[test]
fn noop_with_identification_loads_nopid_and_report_head_writes_the_status_page() {
    let mut s = setup(BCS);
    s.ring(&[mi::header(mi::NOOP, mi::NOOP_WRITE_ID | 0x1234), one(mi::REPORT_HEAD)]);
    assert_eq!(s.bench.get(BCS, reg::NOPID), 0x1234);
    let page = s.bench.status_page(BCS);
    assert_eq!(s.bench.peek(page + gen8_spec::hwsp::HEAD_REPORT), 4);
}

#[test]
fn a_batch_without_privilege_marks_its_address_space_by_a_noop_with_identification() {
    let mut s = setup(BCS);
    let mark = mi::header(mi::NOOP, mi::NOOP_WRITE_ID | mi::NOOP_ID_MASK);
    s.user_batch(&[mark, one(mi::NOOP)]);
    let told = s.bench.events();
    let marks: Vec<&Event> =
        told.iter().filter(|event| matches!(event, Event::NopId { .. })).collect();
    let value = mi::NOOP_ID_MASK;
    assert!(
        matches!(marks[..], [Event::NopId { engine: BCS, value: seen, .. }] if *seen == value),
        "{marks:?}"
    );
}

#[test]
fn update_gtt_takes_effect_for_the_next_command() {
    let mut s = setup(BCS);
    let (old, new) = (s.bench.page(), s.bench.page());
    let pte = gen8_spec::pte::encode_ggtt_pte(new) as u32;
    let mut commands = vec![mi::header(mi::UPDATE_GTT, 2), old as u32, pte, 0];
    commands.extend(store_ggtt(old, 6));
    s.ring(&commands);
    assert_eq!((s.bench.peek(old), s.bench.peek(new)), (0, 6));
}

#[test]
fn a_command_writes_registers_that_engines_share() {
    let mut s = setup(RCS);
    s.ring(&load_register(0x7004, masked_enable(1 << 6)));
    assert_eq!(s.bench.read_register(0x7004), 1 << 6);
}
