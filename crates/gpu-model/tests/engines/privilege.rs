//! What a batch without privilege may not do.

use gen8_spec::commands::mi::{self, flush_dw};
use gen8_spec::commands::pipe_control as pipe;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::status;
use gen8_spec::masked_enable;
use gen8_spec::mmio::ring as reg;
use gpu_model::{EngineActivity, Event};

use super::bench::{ARB_OFF, ARB_ON, END, load_register, start, store, store_ggtt, wait_ggtt};
use super::setup::{BATCH, Setup, VA, setup};

const BCS: EngineId = EngineId::Bcs;
const RCS: EngineId = EngineId::Rcs;

/// Commands that write 1 or the like to GGTT address `at`, and where.
fn ggtt_writers(engine: EngineId, at: u64) -> Vec<(&'static str, Vec<u32>)> {
    let (low, ggtt) = (at as u32, mi::USE_GGTT);
    let source = VA as u32;
    let mut list = vec![
        ("STORE_DATA_IMM", store_ggtt(at, 1).to_vec()),
        (
            "STORE_REGISTER_MEM",
            vec![
                mi::header(mi::STORE_REGISTER_MEM, 2) | ggtt,
                engine.mmio_base() + reg::CTL,
                low,
                0,
            ],
        ),
        (
            "COPY_MEM_MEM",
            vec![mi::header(mi::COPY_MEM_MEM, 3) | mi::COPY_DESTINATION_GGTT, low, 0, source, 0],
        ),
        (
            "FLUSH_DW",
            vec![
                mi::header(mi::FLUSH_DW, 2) | flush_dw::POST_SYNC_WRITE,
                low | flush_dw::ADDRESS_GGTT,
                0,
                1,
            ],
        ),
    ];
    if engine == RCS {
        let flags = pipe::QW_WRITE | pipe::GLOBAL_GTT;
        list.push(("PIPE_CONTROL", vec![pipe::HEADER, flags, low, 0, 1, 0]));
        let report = mi::header(mi::REPORT_PERF_COUNT, 2);
        let address = low | mi::report_perf_count::ADDRESS_GGTT;
        list.push(("REPORT_PERF_COUNT", vec![report, address, 0, 1]));
    }
    list
}

/// A page in the GGTT that the same address in the PPGTT does not lead to.
fn victim(s: &mut Setup) -> (u64, u64) {
    let victim = s.bench.page();
    let own = s.bench.mapped_page(s.vm, victim);
    (victim, own)
}

#[test]
fn commands_that_write_the_ggtt_have_no_effect_in_a_user_batch() {
    for engine in [RCS, BCS] {
        for n in 0..ggtt_writers(engine, 0).len() {
            let mut s = setup(engine);
            let (victim, own) = victim(&mut s);
            let (name, command) = ggtt_writers(engine, victim).swap_remove(n);
            s.bench.poke(s.data, 1);
            s.bench.events();
            let after = store(VA + 8, 7);
            assert_eq!(s.user_batch(&[&command[..], &after].concat()), EngineActivity::Idle);
            let told = |event: &Event| matches!(event, Event::GuestError { .. });
            assert!(s.bench.events().iter().any(told), "{name}");
            let seen = [victim, own, s.data + 8].map(|at| s.bench.peek(at));
            assert_eq!(seen, [0, 0, 7], "{name} on {}", engine.name());
            s.ring(&command);
            assert_ne!(s.bench.peek(victim), 0, "{name} with privilege");
        }
    }
}

#[test]
fn commands_that_read_the_ggtt_have_no_effect_in_a_user_batch() {
    let mut s = setup(BCS);
    let (secret, own) = victim(&mut s);
    s.bench.poke(secret, 0x5ec);
    s.bench.poke(own, 0x0e);
    let low = secret as u32;
    let register = BCS.mmio_base() + reg::GPR0;
    let load = [mi::header(mi::LOAD_REGISTER_MEM, 2) | mi::USE_GGTT, register, low, 0];
    let copy = [mi::header(mi::COPY_MEM_MEM, 3) | mi::COPY_SOURCE_GGTT, VA as u32, 0, low, 0];
    let flags = mi::CONDITIONAL_COMPARE | mi::USE_GGTT;
    let end = [mi::header(mi::CONDITIONAL_BATCH_BUFFER_END, 2) | flags, u32::MAX, low, 0];
    s.user_batch(&[&load[..], &copy, &end, &store(VA + 8, 7)].concat());
    assert_eq!(s.bench.get(BCS, reg::GPR0), 0);
    assert_eq!((s.bench.peek(s.data), s.bench.peek(s.data + 8)), (0, 7));
}

/// MI_ATOMIC and MI_SEMAPHORE_WAIT ignore the bit instead.
#[test]
fn atomics_and_semaphores_of_a_user_batch_reach_the_ppgtt_even_with_the_ggtt_bit() {
    let mut s = setup(BCS);
    let (victim, own) = victim(&mut s);
    let increment = mi::atomic::INC << mi::atomic::OPERATION_SHIFT;
    let atomic = [mi::header(mi::ATOMIC, 1) | increment | mi::USE_GGTT, victim as u32, 0];
    let wait = wait_ggtt(victim, mi::semaphore::SAD_EQ_SDD, 1);
    assert_eq!(s.user_batch(&[&atomic[..], &wait].concat()), EngineActivity::Idle);
    assert_eq!((s.bench.peek(victim), s.bench.peek(own)), (0, 1));
}

#[test]
fn user_batch_gets_no_privilege_by_starting_a_batch_without_the_ppgtt_bit() {
    let mut s = setup(BCS);
    let (victim, own) = victim(&mut s);
    let escape = 0xc0_0000;
    let page = s.bench.batch(s.vm, escape, &[&store(victim, 2)[..], &[END]].concat());
    s.bench.map_ggtt(escape, page);
    s.user_batch(&start(escape, 0));
    assert_eq!((s.bench.peek(victim), s.bench.peek(own)), (0, 2));
}

#[test]
fn status_pages_and_arbitration_are_not_for_user_batches() {
    let mut s = setup(BCS);
    let pages = [s.bench.status_page(BCS), s.context.descriptor.lrca().into()];
    let index = mi::header(mi::STORE_DATA_INDEX, 1);
    let flush = mi::header(mi::FLUSH_DW, 2) | flush_dw::POST_SYNC_WRITE | flush_dw::STORE_INDEX;
    let commands = [index, 0xd0, 1, index | mi::INDEX_PPHWSP, 0xd0, 2, flush, 0xd0, 0, 3];
    s.user_batch(&commands);
    assert_eq!(pages.map(|page| s.bench.peek(page + 0xd0)), [0, 0]);
    s.ring(&commands);
    assert_eq!(pages.map(|page| s.bench.peek(page + 0xd0)), [1, 3]);
    // The batch would stop at its error with arbitration on, if it could switch it.
    s.bench.batch(s.vm, BATCH, &[ARB_ON, 0xdead_beef]);
    s.bench.write_register(BCS.tlb_invalidate_register(), 1);
    s.ring(&[&[ARB_OFF][..], &start(BATCH, mi::BATCH_PPGTT)].concat());
    assert_eq!(s.bench.get(BCS, reg::EXECLIST_STATUS_LO) & status::ARB_ENABLED, 0);
}

#[test]
fn user_batch_may_not_write_ring_registers_until_software_opens_them() {
    let mut s = setup(BCS);
    let register = BCS.mmio_base() + reg::MAX_IDLE;
    s.user_batch(&load_register(register, 3));
    assert_eq!(s.bench.get(BCS, reg::MAX_IDLE), 0);
    let expected = Event::PrivilegeViolation { engine: BCS, register };
    assert!(s.bench.events().contains(&expected));
    s.bench.set(BCS, reg::FORCE_TO_NONPRIV, register);
    s.ring(&start(BATCH, mi::BATCH_PPGTT));
    assert_eq!(s.bench.get(BCS, reg::MAX_IDLE), 3);
    s.ring(&load_register(register, 4));
    assert_eq!(s.bench.get(BCS, reg::MAX_IDLE), 4);
}

/// The same rule however the write is made.
#[test]
fn no_command_of_a_user_batch_writes_a_privileged_register() {
    let mut s = setup(RCS);
    let register = RCS.mmio_base() + reg::MAX_IDLE;
    s.bench.poke(s.data, 9);
    let gpr = RCS.mmio_base() + reg::GPR0;
    let commands = [
        &load_register(gpr, 9)[..],
        &[mi::header(mi::LOAD_REGISTER_REG, 1), gpr, register],
        &[mi::header(mi::LOAD_REGISTER_MEM, 2), register, VA as u32, 0],
        &[pipe::HEADER, pipe::LRI_POST_SYNC, register, 0, 9, 0],
        &[mi::header(mi::STORE_REGISTER_MEM, 2), register, VA as u32 + 8, 0],
    ]
    .concat();
    s.bench.set(RCS, reg::MAX_IDLE, 2);
    s.user_batch(&commands);
    assert_eq!(s.bench.get(RCS, reg::MAX_IDLE), 2);
    assert_eq!(s.bench.peek(s.data + 8), 2, "reading is allowed");
    s.ring(&commands);
    assert_eq!(s.bench.get(RCS, reg::MAX_IDLE), 9);
}

#[test]
fn gfx_mode_can_switch_the_checks_off() {
    let mut s = setup(BCS);
    s.bench.set(BCS, reg::GFX_MODE, masked_enable(reg::GFX_MODE_PRIVILEGE_OFF));
    let victim = s.bench.page();
    let register = BCS.mmio_base() + reg::MAX_IDLE;
    s.user_batch(&[&store_ggtt(victim, 1)[..], &load_register(register, 5)].concat());
    assert_eq!((s.bench.peek(victim), s.bench.get(BCS, reg::MAX_IDLE)), (1, 5));
}
