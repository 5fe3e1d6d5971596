//! The driver's hardware half against the device model: the thin thread from a register write to a
//! dword in memory and back.

mod support;

use std::sync::{Arc, Mutex};

use driver::Platform;
use driver::gt::{Gt, GtConfig, PtLevels, SemaphoreWait, Submission, Work};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring;
use gpu_model::{Event, GpuConfig, Observer};
use machine::InProcess;
use ppgtt::PhysicalMemory;
use support::{Client, MODES, config, machine, probe, settle};

const GT3: u16 = 0x1626;
/// A place for results that is not in the first pages of the address space.
const TARGET: u64 = 0x1234_5000;

#[test]
fn probe_finds_the_engines_of_gt1_gt2_and_gt3() {
    for (device_id, engines) in [(0x1606, 4), (0x1616, 4), (0x1626, 5)] {
        for (submission, levels) in MODES {
            let gt = Gt::probe(machine(device_id), config(submission, levels))
                .unwrap_or_else(|error| panic!("{device_id:#x} {submission:?}: {error}"));
            assert_eq!(gt.engines().len(), engines);
            let machine = gt.shutdown();
            assert_eq!((machine.pages_in_use(), machine.wrong_frees()), (0, 0));
        }
    }
}

#[test]
fn a_batch_writes_a_dword_on_every_engine_in_every_mode() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        for engine in gt.engines().to_vec() {
            let what = format!("{} {submission:?} {levels:?}", engine.name());
            let mut client = Client::new(&mut gt, 1, levels);
            let mut ctx = gt.context_create(1, engine).unwrap();
            let target = client.map_page(&mut gt, TARGET);
            let batch = client.store_batch(&mut gt, TARGET + 8, 0xc0de_0001);
            let submitted = gt.submit(&mut ctx, &client.work(7, batch)).unwrap();
            settle(&mut gt, engine);
            assert_eq!(gt.completed_seqno(engine), submitted.seqno, "{what}");
            assert_eq!(client.read(&gt, target + 8), 0xc0de_0001, "{what}");
            gt.context_destroy(ctx);
            client.free(&mut gt);
        }
        let machine = gt.shutdown();
        assert_eq!((machine.pages_in_use(), machine.wrong_frees()), (0, 0), "{submission:?}");
    }
}

#[test]
fn a_thousand_requests_wrap_the_ring_and_all_run() {
    for (submission, levels) in MODES {
        let engine = EngineId::Bcs;
        let mut gt = probe(GT3, submission, levels);
        let mut client = Client::new(&mut gt, 1, levels);
        let mut ctx = gt.context_create(1, engine).unwrap();
        let target = client.map_page(&mut gt, TARGET);
        let batches = [
            client.store_batch(&mut gt, TARGET, 0xaaaa),
            client.store_batch(&mut gt, TARGET, 0xbbbb),
        ];
        let mut wrapped = false;
        let mut last_tail = 0;
        for n in 0..1000u64 {
            let work = client.work(n, batches[n as usize % 2]);
            let submitted = client.submit_when_room(&mut gt, &mut ctx, &work);
            wrapped |= submitted.tail < last_tail;
            last_tail = submitted.tail;
            if n % 97 == 0 {
                settle(&mut gt, engine);
                let expected = [0xaaaa, 0xbbbb][n as usize % 2];
                assert_eq!(client.read(&gt, target), expected, "request {n} {submission:?}");
            }
        }
        settle(&mut gt, engine);
        assert!(wrapped, "the ring must wrap for this test to mean something");
        assert_eq!(client.read(&gt, target), 0xbbbb);
        assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
        gt.context_destroy(ctx);
        client.free(&mut gt);
    }
}

#[test]
fn interleaved_contexts_each_see_their_own_page_tables() {
    for (submission, levels) in MODES {
        for engine in [EngineId::Rcs, EngineId::Vecs] {
            let mut gt = probe(GT3, submission, levels);
            let mut clients: Vec<_> = (1..=3).map(|id| Client::new(&mut gt, id, levels)).collect();
            let mut contexts: Vec<_> =
                (1..=3).map(|id| gt.context_create(id, engine).unwrap()).collect();
            let targets: Vec<_> =
                clients.iter_mut().map(|client| client.map_page(&mut gt, TARGET)).collect();
            let mut token = 0;
            for round in 0..20u32 {
                for (index, (client, ctx)) in clients.iter_mut().zip(&mut contexts).enumerate() {
                    // The same virtual address everywhere: only the page tables tell them apart.
                    let value = 0x100 * (index as u32 + 1) + round;
                    let batch = client.store_batch(&mut gt, TARGET + 4 * u64::from(round), value);
                    let work = client.work(token, batch);
                    client.submit_when_room(&mut gt, ctx, &work);
                    token += 1;
                }
            }
            settle(&mut gt, engine);
            for (index, (client, target)) in clients.iter().zip(&targets).enumerate() {
                for round in 0..20u32 {
                    assert_eq!(
                        client.read(&gt, target + 4 * u64::from(round)),
                        0x100 * (index as u32 + 1) + round,
                        "client {index} round {round} {submission:?} {levels:?}"
                    );
                }
            }
            let mut out: Vec<_> = std::iter::from_fn(|| gt.take_switched_out(engine)).collect();
            out.sort_unstable();
            let expected: Vec<_> =
                if submission.uses_execlists() { (0..token).collect() } else { Vec::new() };
            assert_eq!(out, expected, "each token leaves the queue once");
        }
    }
}

#[test]
fn engines_wait_for_each_other_by_semaphore() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        let mut client = Client::new(&mut gt, 1, levels);
        let mut rcs = gt.context_create(1, EngineId::Rcs).unwrap();
        let mut bcs = gt.context_create(1, EngineId::Bcs).unwrap();
        let target = client.map_page(&mut gt, TARGET);
        let slow = client.busy_batch(&mut gt, TARGET, 0x1111, 900);
        let copy = client.copy_batch(&mut gt, TARGET, TARGET + 64);
        let first = gt.submit(&mut rcs, &client.work(1, slow)).unwrap();
        let waits = vec![SemaphoreWait { engine: EngineId::Rcs, seqno: first.seqno }];
        let work = Work { waits, ..client.work(2, copy) };
        gt.submit(&mut bcs, &work).unwrap();
        settle(&mut gt, EngineId::Bcs);
        assert_eq!(client.read(&gt, target + 64), 0x1111, "{submission:?} {levels:?}");
    }
}

#[test]
fn a_hung_batch_is_skipped_and_the_innocent_run_again() {
    for (submission, levels) in MODES {
        for engine in [EngineId::Rcs, EngineId::Vcs] {
            let what = format!("{} {submission:?} {levels:?}", engine.name());
            let mut gt = probe(GT3, submission, levels);
            let mut guilty = Client::new(&mut gt, 1, levels);
            let mut innocent = Client::new(&mut gt, 2, levels);
            let mut guilty_ctx = gt.context_create(1, engine).unwrap();
            let mut innocent_ctx = gt.context_create(2, engine).unwrap();
            let guilty_page = guilty.map_page(&mut gt, TARGET);
            let innocent_page = innocent.map_page(&mut gt, TARGET);
            let endless = guilty.endless_batch(&mut gt);
            let late = guilty.store_batch(&mut gt, TARGET, 0xdddd);
            let good = innocent.store_batch(&mut gt, TARGET, 0x600d);
            gt.submit(&mut guilty_ctx, &guilty.work(1, endless)).unwrap();
            gt.submit(&mut innocent_ctx, &innocent.work(2, good)).unwrap();
            let last = gt.submit(&mut guilty_ctx, &guilty.work(3, late)).unwrap();
            for _ in 0..100 {
                gt.relax();
                gt.poll();
            }
            assert_ne!(gt.completed_seqno(engine), last.seqno, "{what}: it must hang first");

            let report = gt.reset_engine(engine).unwrap();
            assert_eq!(report.guilty, Some(1), "{what}");
            assert_eq!((report.skipped, report.replayed), (vec![3], vec![2]), "{what}");
            settle(&mut gt, engine);
            assert_eq!(gt.completed_seqno(engine), last.seqno, "{what}");
            assert_eq!(innocent.read(&gt, innocent_page), 0x600d, "{what}");
            assert_eq!(guilty.read(&gt, guilty_page), 0, "{what}");

            // And the engine goes on.
            let again = guilty.store_batch(&mut gt, TARGET, 0xaaaa);
            gt.submit(&mut guilty_ctx, &guilty.work(4, again)).unwrap();
            settle(&mut gt, engine);
            assert_eq!(guilty.read(&gt, guilty_page), 0xaaaa, "{what}");
        }
    }
}

#[test]
fn a_completed_request_does_not_run_again_after_a_reset() {
    for (submission, levels) in MODES {
        let engine = EngineId::Vecs;
        let mut gt = probe(GT3, submission, levels);
        let mut client = Client::new(&mut gt, 1, levels);
        let mut ctx = gt.context_create(1, engine).unwrap();
        let page = client.map_page(&mut gt, TARGET);
        let [blocker, store] =
            [(TARGET + 4, 900), (TARGET, 0)].map(|(va, n)| client.busy_batch(&mut gt, va, 1, n));
        let endless = client.endless_batch(&mut gt);
        // The first one keeps the engine busy, so that the next two become one submission.
        gt.submit(&mut ctx, &client.work(1, blocker)).unwrap();
        let done = gt.submit(&mut ctx, &client.work(2, store)).unwrap();
        gt.submit(&mut ctx, &client.work(3, endless)).unwrap();
        for _ in 0..100 {
            gt.relax();
            gt.poll();
        }
        assert_eq!(gt.completed_seqno(engine), done.seqno, "{submission:?} {levels:?}");
        gt.platform().memory().write_u32(page, 0);
        let report = gt.reset_engine(engine).unwrap();
        assert_eq!((report.guilty, report.replayed), (Some(3), vec![]));
        settle(&mut gt, engine);
        assert_eq!(client.read(&gt, page), 0, "{submission:?} {levels:?}: it ran twice");
    }
}

#[test]
fn a_remapped_page_is_seen_by_the_next_request() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        for engine in gt.engines().to_vec() {
            let what = format!("{} {submission:?} {levels:?}", engine.name());
            let mut client = Client::new(&mut gt, 1, levels);
            let mut ctx = gt.context_create(1, engine).unwrap();
            let old = client.map_page(&mut gt, TARGET);
            let [first, second] = [1, 2].map(|value| client.store_batch(&mut gt, TARGET, value));
            gt.submit(&mut ctx, &client.work(1, first)).unwrap();
            settle(&mut gt, engine);
            // Same tables, same root, another page.
            let new = client.map_page(&mut gt, TARGET);
            gt.submit(&mut ctx, &client.work(2, second)).unwrap();
            settle(&mut gt, engine);
            assert_eq!((client.read(&gt, old), client.read(&gt, new)), (1, 2), "{what}");
            gt.context_destroy(ctx);
            client.free(&mut gt);
        }
    }
}

#[test]
fn registers_belong_to_the_context() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        // A legacy ring switches contexts on the render engine only.
        let engines = gt.engines().to_vec();
        let with_contexts = engines
            .into_iter()
            .filter(|&engine| submission.uses_execlists() || engine == EngineId::Rcs);
        for engine in with_contexts {
            let mut clients = [1, 2].map(|id| Client::new(&mut gt, id, levels));
            let mut contexts = [1, 2].map(|id| gt.context_create(id, engine).unwrap());
            let pages = [0, 1].map(|n: usize| clients[n].map_page(&mut gt, TARGET));
            let register = engine.mmio_base() + ring::GPR0 + 8;
            for n in [0, 1] {
                let load = clients[n].load_register_batch(&mut gt, register, 0x700 + n as u32);
                gt.submit(&mut contexts[n], &clients[n].work(1, load)).unwrap();
            }
            for n in [0, 1] {
                let store = clients[n].store_register_batch(&mut gt, register, TARGET);
                gt.submit(&mut contexts[n], &clients[n].work(2, store)).unwrap();
            }
            settle(&mut gt, engine);
            for n in [0, 1] {
                let what = format!("{} {submission:?} {levels:?}", engine.name());
                assert_eq!(clients[n].read(&gt, pages[n]), 0x700 + n as u32, "{what}");
            }
        }
    }
}

#[test]
fn a_page_fault_hangs_until_the_reset() {
    for (submission, levels) in MODES {
        let engine = EngineId::Vcs;
        let mut gt = probe(GT3, submission, levels);
        let mut client = Client::new(&mut gt, 1, levels);
        let mut ctx = gt.context_create(1, engine).unwrap();
        let page = client.map_page(&mut gt, TARGET);
        let good = client.store_batch(&mut gt, TARGET, 1);
        // No page tables at all.
        let lost = Work { address_space: Some(client.empty_root()), ..client.work(1, good) };
        let request = gt.submit(&mut ctx, &lost).unwrap();
        for _ in 0..100 {
            gt.relax();
            gt.poll();
        }
        assert_ne!(gt.completed_seqno(engine), request.seqno, "{submission:?} {levels:?}");
        assert_eq!(gt.reset_engine(engine).unwrap().guilty, Some(1));
        settle(&mut gt, engine);
        gt.submit(&mut ctx, &client.work(2, good)).unwrap();
        settle(&mut gt, engine);
        assert_eq!(client.read(&gt, page), 1, "{submission:?} {levels:?}");
    }
}

#[test]
fn a_full_reset_brings_every_engine_back() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        let mut client = Client::new(&mut gt, 1, levels);
        let page = client.map_page(&mut gt, TARGET);
        let endless = client.endless_batch(&mut gt);
        let mut hung = gt.context_create(1, EngineId::Rcs).unwrap();
        gt.submit(&mut hung, &client.work(1, endless)).unwrap();
        gt.relax();
        gt.reset_all(&[EngineId::Rcs]).unwrap();
        settle(&mut gt, EngineId::Rcs);
        for (n, engine) in gt.engines().to_vec().into_iter().enumerate() {
            let mut ctx = gt.context_create(2, engine).unwrap();
            let batch = client.store_batch(&mut gt, TARGET + 4 * n as u64, 0x50 + n as u32);
            gt.submit(&mut ctx, &client.work(2, batch)).unwrap();
            settle(&mut gt, engine);
            assert_eq!(client.read(&gt, page + 4 * n as u64), 0x50 + n as u32, "{submission:?}");
        }
    }
}

#[test]
fn switching_to_the_kernel_context_frees_the_client_context() {
    for (submission, levels) in MODES {
        let engine = EngineId::Rcs;
        let mut gt = probe(GT3, submission, levels);
        let before = gt.platform().pages_in_use();
        let mut client = Client::new(&mut gt, 1, levels);
        let mut ctx = gt.context_create(1, engine).unwrap();
        let batch = client.store_batch(&mut gt, TARGET, 1);
        client.map_page(&mut gt, TARGET);
        gt.submit(&mut ctx, &client.work(1, batch)).unwrap();
        gt.switch_to_kernel_context(engine, 2).unwrap();
        settle(&mut gt, engine);
        gt.context_destroy(ctx);
        client.free(&mut gt);
        assert_eq!(gt.platform().pages_in_use(), before);
        // The image and the tables are poison now; a save into them or a walk of them would show.
        gt.switch_to_kernel_context(engine, 3).unwrap();
        settle(&mut gt, engine);
        assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
    }
}

#[test]
fn an_engine_in_the_kernel_context_has_no_client_tables_loaded() {
    for (submission, levels) in MODES {
        let mut gt = probe(GT3, submission, levels);
        for engine in gt.engines().to_vec() {
            let mut client = Client::new(&mut gt, 1, levels);
            let mut ctx = gt.context_create(1, engine).unwrap();
            client.map_page(&mut gt, TARGET);
            let batch = client.store_batch(&mut gt, TARGET, 1);
            let work = client.work(1, batch);
            gt.submit(&mut ctx, &work).unwrap();
            settle(&mut gt, engine);
            let pdps = |gt: &mut Gt<InProcess>| {
                [0, 1, 2, 3].map(|n| {
                    let register = engine.mmio_base() + 8 * n;
                    let low = gt.platform_mut().mmio_read32(register + ring::PDP0_LDW);
                    let high = gt.platform_mut().mmio_read32(register + ring::PDP0_UDW);
                    u64::from(high) << 32 | u64::from(low)
                })
            };
            let client_pdps = work.address_space.unwrap().pdps();
            assert_eq!(pdps(&mut gt)[0], client_pdps[0], "{} {submission:?}", engine.name());
            gt.switch_to_kernel_context(engine, 2).unwrap();
            settle(&mut gt, engine);
            let loaded = pdps(&mut gt);
            let left = client_pdps.iter().filter(|&&pdp| pdp != 0 && loaded.contains(&pdp));
            assert_eq!(left.count(), 0, "{} {submission:?} {levels:?}", engine.name());
            gt.context_destroy(ctx);
            client.free(&mut gt);
        }
    }
}

#[test]
fn the_same_run_gives_the_same_time() {
    let run = || {
        let mut gt = probe(GT3, Submission::Execlists, PtLevels::Four);
        let mut client = Client::new(&mut gt, 1, PtLevels::Four);
        let mut ctx = gt.context_create(1, EngineId::Rcs).unwrap();
        client.map_page(&mut gt, TARGET);
        for n in 0..50 {
            let batch = client.store_batch(&mut gt, TARGET, n);
            let work = client.work(n.into(), batch);
            client.submit_when_room(&mut gt, &mut ctx, &work);
        }
        settle(&mut gt, EngineId::Rcs);
        gt.platform_mut().now_ns()
    };
    assert_eq!(run(), run());
}

/// Keeps what a correct driver never causes.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<Event>>>);

impl Observer for Complaints {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        let harmless = matches!(
            event,
            Event::Hint(_)
                | Event::PdpLoaded { .. }
                | Event::ContextSwitch { .. }
                | Event::Reset { .. }
        );
        if !harmless {
            self.0.lock().unwrap().push(event.clone());
        }
    }
}

#[test]
fn the_device_has_nothing_to_complain_about() {
    for (submission, levels) in MODES {
        let complaints = Complaints::default();
        let observer = complaints.clone();
        let device = GpuConfig::by_device_id(GT3).unwrap();
        let machine =
            InProcess::new(device, 32 << 20, |_| Some(Box::new(observer))).expect("host memory");
        let mut gt = Gt::probe(machine, config(submission, levels)).unwrap();
        for engine in gt.engines().to_vec() {
            let mut clients = [1, 2].map(|id| Client::new(&mut gt, id, levels));
            let mut contexts = [1, 2].map(|id| gt.context_create(id, engine).unwrap());
            for round in 0..10 {
                for (client, ctx) in clients.iter_mut().zip(&mut contexts) {
                    // A new place each time, so that page tables grow under a running context.
                    let place = TARGET + 0x20_0000 * round;
                    client.map_page(&mut gt, place);
                    let batch = client.store_batch(&mut gt, place, 1);
                    let work = Work { reload_pdps: true, ..client.work(round, batch) };
                    client.submit_when_room(&mut gt, ctx, &work);
                }
            }
            settle(&mut gt, engine);
            gt.reset_engine(engine).unwrap();
            gt.switch_to_kernel_context(engine, 99).unwrap();
            settle(&mut gt, engine);
            contexts.into_iter().for_each(|ctx| gt.context_destroy(ctx));
            clients.iter_mut().for_each(|client| client.free(&mut gt));
        }
        gt.shutdown();
        assert_eq!(*complaints.0.lock().unwrap(), [], "{submission:?} {levels:?}");
    }
}

#[test]
fn a_small_ggtt_is_enough_to_probe() {
    let mut device = GpuConfig::by_device_id(GT3).unwrap();
    device.gmch_ctrl = 1 << 6;
    let machine = InProcess::new(device, 32 << 20, |_| None).unwrap();
    let config =
        GtConfig { submission: Submission::Execlists, levels: PtLevels::Four, hints: true };
    assert!(Gt::probe(machine, config).is_ok());
}
