//! Requests on rings and in queues.

use alloc::vec;
use alloc::vec::Vec;

use gen8_spec::mmio::ring as reg;
use gen8_spec::{PAGE_SIZE, context_image};

use super::*;

fn tokens(gt: &mut Gt<FakeMachine>, engine: EngineId) -> Vec<u64> {
    core::iter::from_fn(|| gt.take_switched_out(engine)).collect()
}

fn elsp(gt: &mut Gt<FakeMachine>, engine: EngineId) -> Vec<u64> {
    let port = engine.mmio_base() + reg::ELSP;
    let writes = gt.platform_mut().take_writes();
    writes.into_iter().filter(|write| write.0 == port).map(|write| write.1).collect()
}

#[test]
fn elsp_gets_element_one_first_and_element_zero_last() {
    let mut gt = probed(EXECLISTS);
    let engine = EngineId::Bcs;
    stick(&mut gt, engine);
    let mut contexts: Vec<_> = (1..4).map(|id| gt.context_create(id, engine).unwrap()).collect();
    let lrca: Vec<_> = contexts
        .iter()
        .map(|ctx| gt.engines[1].contexts[&ctx.context].image.as_ref().unwrap().address())
        .map(u64::from)
        .collect();
    gt.platform_mut().take_writes();
    for ctx in &mut contexts {
        gt.submit(ctx, &Work::empty(ctx.context.into())).unwrap();
    }
    // Valid, force restore, legacy 64-bit, coherent, PPGTT.
    assert_eq!(elsp(&mut gt, engine), [0, 0, 1, lrca[0] | 0x13d]);
    gt.relax();
    gt.platform_mut().stuck.remove(&engine);
    gt.relax();
    gt.poll();
    assert_eq!(elsp(&mut gt, engine), [3, lrca[2] | 0x13d, 2, lrca[1] | 0x13d]);
    finish(&mut gt, engine);
    assert_eq!(tokens(&mut gt, engine), [1, 2, 3]);
    assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
}

#[test]
fn three_level_pdps_are_in_the_image_at_submission() {
    let mut gt = probed(GtConfig { levels: PtLevels::Three, ..EXECLISTS });
    let mut ctx = gt.context_create(1, EngineId::Vecs).unwrap();
    let root = PageTableRoot::ThreeLevel([0x1_0000_1000, 0x2000, 0x3000, 0x4000]);
    let work = Work { address_space: Some(root), ..Work::empty(9) };
    gt.submit(&mut ctx, &work).unwrap();
    let index = gt.index(EngineId::Vecs).unwrap();
    let image = gt.engines[index].contexts[&1].image.as_ref().unwrap().address();
    let state = u64::from(image) + PAGE_SIZE;
    let value = |dword: usize| gt.platform().ggtt_read(state + 4 * (dword as u64 + 1));
    assert_eq!((value(context_image::pdp_udw(0)), value(context_image::pdp_ldw(0))), (1, 0x1000));
    assert_eq!((value(context_image::pdp_udw(3)), value(context_image::pdp_ldw(3))), (0, 0x4000));
}

#[test]
fn legacy_submission_moves_the_tail_only() {
    let mut gt = probed(LEGACY);
    let mut ctx = gt.context_create(1, EngineId::Vcs).unwrap();
    gt.platform_mut().take_writes();
    let submitted = gt.submit(&mut ctx, &Work::empty(1)).unwrap();
    assert_eq!(gt.platform_mut().take_writes(), [(0x1_2030, u64::from(submitted.tail))]);
    finish(&mut gt, EngineId::Vcs);
    assert_eq!(gt.completed_seqno(EngineId::Vcs), submitted.seqno);
    assert_eq!(tokens(&mut gt, EngineId::Vcs), []);
}

#[test]
fn an_execlist_request_holds_arbitration_off_around_its_work() {
    let mut gt = probed(EXECLISTS);
    let engine = EngineId::Bcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let slot = gt.engines[1].status.seqno_address() as u32 | 4;
    let ring = gt.engines[1].contexts[&1].ring.as_ref().unwrap().address();
    let root = PageTableRoot::FourLevel(0x5000);
    let work = Work { address_space: Some(root), batch: Some(0x40_0000_1000), ..Work::empty(1) };
    let first = gt.submit(&mut ctx, &work).unwrap();
    assert_eq!(
        commands(&gt, ring.into(), first),
        [
            0x0400_0000, // arbitration off
            0x1324_4002,
            0xd0,
            0,
            0, // invalidate
            0x1880_0101,
            0x1000,
            0x40,
            0, // batch
            0x1300_4002,
            slot,
            0,
            first.seqno, // breadcrumb
            0x0100_0000, // user interrupt
            0x0400_0001, // arbitration on
            0,
        ]
    );
    let again = Work { reload_pdps: true, batch: None, ..work };
    let second = gt.submit(&mut ctx, &again).unwrap();
    assert_eq!(
        commands(&gt, ring.into(), second)[..7],
        [0x0400_0000, 0x1100_0003, 0x2_2274, 0, 0x2_2270, 0x5000, 0x1324_4002]
    );
}

#[test]
fn legacy_requests_load_page_tables_only_when_they_change() {
    let mut gt = probed(LEGACY);
    let engine = EngineId::Bcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let mut other = gt.context_create(2, engine).unwrap();
    let Backend::Legacy { ring, .. } = &gt.engines[1].backend else { panic!("legacy") };
    let ring = u64::from(ring.address());
    let run = |gt: &mut Gt<FakeMachine>, ctx: &mut EngineContext, root| {
        let work = Work { address_space: Some(PageTableRoot::FourLevel(root)), ..Work::empty(1) };
        let submitted = gt.submit(ctx, &work).unwrap();
        commands(gt, ring, submitted)[0] == 0x1100_0003
    };
    assert!(run(&mut gt, &mut ctx, 0x5000));
    assert!(!run(&mut gt, &mut ctx, 0x5000));
    assert!(run(&mut gt, &mut other, 0x6000));
    assert!(!run(&mut gt, &mut other, 0x6000));
    assert!(run(&mut gt, &mut ctx, 0x5000));
}

#[test]
fn waits_for_what_has_passed_are_not_emitted() {
    let mut gt = probed(EXECLISTS);
    let mut rcs = gt.context_create(1, EngineId::Rcs).unwrap();
    let mut bcs = gt.context_create(1, EngineId::Bcs).unwrap();
    stick(&mut gt, EngineId::Rcs);
    let awaited = gt.submit(&mut rcs, &Work::empty(1)).unwrap();
    let ring = u64::from(gt.engines[1].contexts[&1].ring.as_ref().unwrap().address());
    let wait = SemaphoreWait { engine: EngineId::Rcs, seqno: awaited.seqno };
    let work = Work { waits: vec![wait], ..Work::empty(2) };
    let slot = gt.engines[0].status.seqno_address() as u32;
    let waiting = gt.submit(&mut bcs, &work).unwrap();
    assert_eq!(commands(&gt, ring, waiting)[1..5], [0x0e40_9002, awaited.seqno, slot, 0]);
    finish(&mut gt, EngineId::Rcs);
    finish(&mut gt, EngineId::Bcs);
    let free = gt.submit(&mut bcs, &work).unwrap();
    assert_eq!(commands(&gt, ring, free)[1], 0x1324_4002);
}

#[test]
fn a_stuck_engine_fills_its_ring_and_a_finished_one_empties_it() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probed(config);
        let engine = EngineId::Vcs;
        let mut ctx = gt.context_create(1, engine).unwrap();
        stick(&mut gt, engine);
        let mut count = 0;
        let error = loop {
            match gt.submit(&mut ctx, &Work::empty(count)) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, SubmitError::RingFull);
        assert!(count > 200);
        finish(&mut gt, engine);
        gt.submit(&mut ctx, &Work::empty(count)).unwrap();
        finish(&mut gt, engine);
        assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
    }
}

#[test]
fn seqnos_wrap_only_when_everything_is_idle() {
    let mut gt = probed(EXECLISTS);
    let engine = EngineId::Vcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let index = gt.index(engine).unwrap();
    gt.engines[index].last_seqno = u32::MAX - 1;
    gt.engines[index].status.set_seqno(&gt.hw, u32::MAX - 1);
    stick(&mut gt, engine);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(1)).unwrap().seqno, u32::MAX);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(2)), Err(SubmitError::SeqnoWrap));
    finish(&mut gt, engine);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(2)).unwrap().seqno, 1);
    finish(&mut gt, engine);
    assert_eq!(gt.completed_seqno(engine), 1);
}
