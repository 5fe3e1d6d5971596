//! Stopping and resetting an engine.

use std::collections::BTreeSet;

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_disable, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::bench::{ARB_CHECK, Bench, END, start, store_ggtt};

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

#[test]
fn head_moves_in_an_endless_loop_whatever_its_length() {
    for nothing in 0..300 {
        let mut bench = Bench::new();
        bench.execlists(BCS);
        let vm = bench.vm(Levels::Four);
        let commands = [&vec![0; nothing][..], &start(VA, mi::BATCH_PPGTT)].concat();
        bench.batch(vm, VA, &commands);
        let mut context = bench.context(BCS, vm, 7);
        bench.emit(&mut context, &start(VA, mi::BATCH_PPGTT));
        bench.submit(context, None);
        // As the device's thread does it.
        let heads: BTreeSet<u32> = (0..16)
            .map(|_| {
                bench.gpu.step(256);
                bench.get(BCS, reg::ACTHD)
            })
            .collect();
        let end = VA as u32 + 4 * nothing as u32;
        assert!(
            heads.iter().all(|head| (VA as u32..=end).contains(head)),
            "{nothing}: {heads:#x?}"
        );
        assert_eq!(heads.len() > 1, nothing > 0, "{nothing}: {heads:#x?}");
    }
}

#[test]
fn execlist_status_names_the_context_that_runs_and_the_one_after_it() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    let batch = bench.batch(vm, VA, &[&[0][..], &start(VA, mi::BATCH_PPGTT)].concat());
    let [mut first, mut second] = [41, 42].map(|id| bench.context(BCS, vm, id));
    for context in [&mut first, &mut second] {
        bench.emit(context, &start(VA, mi::BATCH_PPGTT));
    }
    bench.submit(first, Some(second));
    bench.gpu.step(100);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 41);
    bench.poke(batch, END);
    // The first one ends; the second one finds the loop closed again.
    while bench.get(BCS, reg::EXECLIST_STATUS_HI) == 41 {
        bench.gpu.step(1);
    }
    bench.poke(batch, 0);
    bench.gpu.step(100);
    assert_eq!(bench.get(BCS, reg::EXECLIST_STATUS_HI), 42);
}

#[test]
fn what_waited_behind_the_hung_context_runs_after_an_engine_reset() {
    let mut bench = Bench::new();
    bench.execlists(BCS);
    let vm = bench.vm(Levels::Four);
    bench.batch(vm, VA, &[&[0][..], &start(VA, mi::BATCH_PPGTT)].concat());
    let [mut hung, mut behind] = [1, 2].map(|id| bench.context(BCS, vm, id));
    let target = bench.page();
    bench.emit(&mut hung, &start(VA, mi::BATCH_PPGTT));
    bench.emit(&mut behind, &store_ggtt(target, 5));
    bench.submit(hung, Some(behind));
    bench.gpu.step(1000);
    let before = bench.get(BCS, reg::EXECLIST_STATUS_HI);
    bench.write_register(mmio::GDRST, BCS.reset_domain());
    assert_eq!((before, bench.run(), bench.peek(target)), (1, EngineActivity::Idle, 0));
    bench.execlists(BCS);
    bench.submit(behind, None);
    assert_eq!((bench.run(), bench.peek(target)), (EngineActivity::Idle, 5));
}

/// RCS and BCS: each context has run, was saved, and runs something endless when the GPU is reset.
#[test]
fn full_reset_empties_all_engines_and_saved_contexts_go_on_where_they_were() {
    let mut bench = Bench::new();
    let engines = [EngineId::Rcs, BCS];
    let vm = bench.vm(Levels::Four);
    bench.batch(vm, VA, &[&[0][..], &start(VA, mi::BATCH_PPGTT)].concat());
    let targets = engines.map(|_| bench.page());
    let mut saved = engines.map(|engine| {
        bench.execlists(engine);
        bench.context(engine, vm, 3)
    });
    for (context, target) in saved.iter_mut().zip(targets) {
        bench.emit(context, &store_ggtt(target, 1));
        bench.submit(*context, None);
    }
    assert_eq!(bench.run(), EngineActivity::Idle);
    for engine in engines {
        let mut hung = bench.context(engine, vm, 4);
        bench.emit(&mut hung, &start(VA, mi::BATCH_PPGTT));
        bench.submit(hung, None);
    }
    bench.gpu.step(1000);
    bench.write_register(mmio::GDRST, mmio::GDRST_FULL);
    assert_eq!(bench.read_register(mmio::GDRST), 0, "done");
    assert_eq!(bench.run(), EngineActivity::Idle);
    for ((mut context, target), engine) in saved.into_iter().zip(targets).zip(engines) {
        assert_eq!(bench.peek(target), 1);
        bench.poke(target, 0);
        assert_eq!(bench.get(engine, reg::EXECLIST_STATUS_HI), 0);
        bench.execlists(engine);
        let next = bench.page();
        bench.emit(&mut context, &store_ggtt(next, 2));
        bench.submit(context, None);
        assert_eq!(bench.run(), EngineActivity::Idle);
        assert_eq!((bench.peek(target), bench.peek(next)), (0, 2), "only what is new has run");
    }
}
