//! Stopping and resetting an engine.

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_disable, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::bench::{ARB_CHECK, Bench, start, store_ggtt};

const BCS: EngineId = EngineId::Bcs;
const VA: u64 = 0x1_0000;

/// An engine that chases its own tail in a batch.
fn spinning() -> Bench {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    bench.batch(vm, VA, &[&[0][..], &start(VA, mi::BATCH_PPGTT)].concat());
    let mut context = bench.context(BCS, vm, 7);
    bench.emit(&mut context, &start(VA, mi::BATCH_PPGTT));
    bench.submit(context, None);
    bench.gpu.step(101);
    bench
}

#[test]
fn stop_ring_makes_the_engine_idle_and_its_end_resumes_it() {
    let mut bench = spinning();
    assert_eq!(bench.get(BCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    bench.set(BCS, reg::MI_MODE, masked_enable(reg::MI_MODE_STOP_RING));
    assert_ne!(bench.get(BCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    assert_eq!(bench.gpu.step(100).state, EngineActivity::Idle);
    bench.set(BCS, reg::MI_MODE, masked_disable(reg::MI_MODE_STOP_RING));
    assert_ne!(bench.gpu.step(100).state, EngineActivity::Idle);
}

#[test]
fn reset_request_becomes_ready_and_goes_away_on_cancel() {
    let mut bench = spinning();
    bench.set(BCS, reg::RESET_CTL, masked_enable(reg::RESET_CTL_REQUEST));
    let ready = bench.get(BCS, reg::RESET_CTL) & reg::RESET_CTL_READY;
    assert_ne!(ready, 0);
    bench.set(BCS, reg::RESET_CTL, masked_disable(reg::RESET_CTL_REQUEST));
    assert_eq!(bench.get(BCS, reg::RESET_CTL), 0);
}

#[test]
fn domain_reset_empties_the_engine_and_it_takes_new_work() {
    let mut bench = spinning();
    let status_page = bench.status_page(BCS);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 7);
    bench.set(BCS, reg::FORCE_TO_NONPRIV, 0x1234);
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 0);
    assert_eq!(bench.get(BCS, reg::CSB_PTR), 7);
    assert_eq!(bench.get(BCS, reg::IMR), u32::MAX);
    assert_eq!(bench.get(BCS, reg::FORCE_TO_NONPRIV), 0);
    assert_eq!(bench.get(BCS, reg::GFX_MODE) & reg::GFX_MODE_EXECLISTS, 0);
    let ring = [reg::HEAD, reg::TAIL, reg::START, reg::CTL].map(|offset| bench.get(BCS, offset));
    assert_eq!(ring, [0; 4]);
    assert_ne!(bench.get(BCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    assert_eq!(bench.status_page(BCS), status_page);

    bench.execlists(BCS);
    let vm = bench.vm(Levels::Three);
    let target = bench.page();
    let mut context = bench.context(BCS, vm, 8);
    bench.emit(&mut context, &store_ggtt(target, 1));
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 1);
    assert_eq!(bench.csb(BCS, 2), [(0x1, 0), (0x18, 8)]);
}

#[test]
fn reset_frees_an_engine_that_an_error_stopped() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let mut context = bench.context(BCS, vm, 1);
    bench.emit(&mut context, &[0xdead_beef, ARB_CHECK]);
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Waiting);
    assert_eq!(bench.get(BCS, reg::ESR), reg::EIR_INSTRUCTION);
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    assert_eq!((bench.get(BCS, reg::EIR), bench.get(BCS, reg::ESR)), (0, 0));
    bench.execlists(BCS);
    let mut healthy = bench.context(BCS, vm, 2);
    bench.emit(&mut healthy, &[0, 0]);
    bench.submit(healthy, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
}

#[test]
fn reset_of_one_engine_leaves_the_others_alone() {
    let mut bench = spinning();
    bench.write_register(mmio::GDRST, EngineId::Rcs.reset_domain());
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 7);
    assert_ne!(bench.gpu.step(100).state, EngineActivity::Idle);
}
