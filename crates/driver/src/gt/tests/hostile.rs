//! A device that lies.

use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// Uses everything; errors are fine.
fn exercise(mut gt: Gt<FakeMachine>) -> FakeMachine {
    let root = Some(PageTableRoot::ThreeLevel([0x1000; 4]));
    for (n, engine) in gt.engines().to_vec().into_iter().enumerate() {
        let contexts = [1, 2].map(|id| gt.context_create(id, engine));
        let mut contexts: Vec<_> = contexts.into_iter().filter_map(Result::ok).collect();
        for token in 0..40 {
            for ctx in &mut contexts {
                let waits = vec![SemaphoreWait { engine: EngineId::Rcs, seqno: token as u32 }];
                let work =
                    Work { address_space: root, batch: Some(0), waits, ..Work::empty(token) };
                let _ = gt.submit(ctx, &work);
            }
            gt.relax();
            gt.poll();
            gt.sample(engine);
            while gt.take_switched_out(engine).is_some() {}
        }
        let _ = gt.switch_to_kernel_context(engine, 0);
        if n % 2 == 0 {
            let _ = gt.reset_engine(engine);
        } else {
            let _ = gt.reset_all(&[engine]);
        }
        contexts.into_iter().for_each(|ctx| gt.context_destroy(ctx));
    }
    gt.shutdown()
}

#[test]
fn a_device_that_starts_to_lie_cannot_make_the_driver_panic_or_leak() {
    for seed in 1..100u64 {
        for config in [EXECLISTS, LEGACY] {
            let mut gt = probed(config);
            gt.platform_mut().lies = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            assert_eq!(exercise(gt).pages_allocated(), 0, "seed {seed}");
        }
    }
}

#[test]
fn a_lying_device_cannot_make_the_probe_panic_or_wait_for_ever() {
    for seed in 1..100u64 {
        let liar = FakeMachine::with(|m| m.lies = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!(Gt::probe(liar, EXECLISTS).is_err(), "seed {seed}: nothing was ever executed");
    }
}
