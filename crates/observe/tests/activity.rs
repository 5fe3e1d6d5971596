//! How long engines were at work, and which contexts they had.

use gen8_spec::engine::EngineId::{self, Bcs, Rcs};
use gen8_spec::execlists::{Addressing, ContextDescriptor, csb};
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::engine::Space;
use gpu_model::fault::GpuFault;
use gpu_model::{Event, Observer, Site, Submission};
use observe::Activity;
use ppgtt::PageTableRoot;

fn elsp(engine: EngineId) -> Event {
    let element = ContextDescriptor::new(0x3_0000, 3, Addressing::Legacy64);
    let how =
        Submission::Elsp { elements: [element, ContextDescriptor::default()], replaced: false };
    Event::Submitted { engine, how }
}

fn switch(engine: EngineId, status: u32) -> Event {
    Event::ContextSwitch { engine, slot: 0, status, context: 3 }
}

fn loaded(engine: EngineId, context: u32, image: u64, lite: bool) -> Event {
    Event::ContextLoaded { engine, context, image, page: 0, head: 0, tail: 8, lite }
}

fn busy(activity: &Activity, now_ns: u64, engine: EngineId) -> u64 {
    activity.engines(now_ns)[engine.index()].busy_ns
}

#[test]
fn with_execlists_an_engine_is_at_work_from_the_submission_until_it_goes_idle() {
    let mut activity = Activity::new();
    activity.event(100, &elsp(Rcs));
    assert_eq!(busy(&activity, 130, Rcs), 30, "it is still at it");
    activity.event(140, &switch(Rcs, csb::IDLE_ACTIVE));
    activity.event(150, &elsp(Rcs));
    activity.event(160, &switch(Rcs, csb::PREEMPTED | csb::LITE_RESTORE));
    assert_eq!(busy(&activity, 170, Rcs), 70);
    activity.event(180, &switch(Rcs, csb::ACTIVE_IDLE | csb::COMPLETE));
    assert_eq!((busy(&activity, 999, Rcs), busy(&activity, 999, Bcs)), (80, 0));
    // A reset ends it as well, and no time is lost or counted twice.
    activity.event(1000, &elsp(Rcs));
    activity.event(1005, &Event::Reset { domains: GDRST_FULL });
    let (engine, address, write, level, entry) = (Some(Rcs), 0x5000, true, 0, 0);
    let fault = GpuFault { engine, ggtt: false, address, write, level, entry };
    (0..3).for_each(|_| activity.event(1010, &Event::Fault(fault)));
    activity.event(2000, &Event::FunctionReset);
    assert_eq!(busy(&activity, 3000, Rcs), 85);
    assert_eq!(activity.faults_and_resets(), (3, 2));
}

#[test]
fn with_a_ring_an_engine_is_at_work_until_the_end_of_the_batch() {
    let mut activity = Activity::new();
    let site = Site { engine: Bcs, context: 0, address: 0, in_batch: false };
    let tail = Event::Submitted { engine: Bcs, how: Submission::Tail { tail: 8 } };
    let started = Event::BatchStarted { site, space: Space::Ppgtt, address: 0, level: 1, head: 8 };
    activity.event(10, &tail);
    assert_eq!(busy(&activity, 20, Bcs), 0, "nobody knows when a ring without a batch is done");
    activity.event(20, &started);
    activity.event(30, &Event::BatchEnded { site, level: 1 });
    activity.event(40, &started);
    activity.event(45, &Event::BatchEnded { site, level: 1 });
    let engine = activity.engines(99)[Bcs.index()];
    assert_eq!((engine.busy_ns, engine.batches), (25, 2));
}

#[test]
fn contexts_are_listed_by_engine_and_image_with_their_page_tables() {
    let mut activity = Activity::new();
    let pdps =
        |context, root| Event::PdpLoaded { engine: Rcs, levels: 4, pdps: [root, 0, 0, 0], context };
    // The page tables are told before the context, or behind it.
    activity.event(1, &pdps(3, 0x1000));
    activity.event(1, &loaded(Rcs, 3, 0x3_0000, false));
    activity.event(2, &loaded(Rcs, 4, 0x4_0000, false));
    activity.event(2, &pdps(4, 0x2000));
    activity.event(3, &loaded(Rcs, 3, 0x3_0000, true));
    activity.event(4, &loaded(Bcs, 3, 0x5_0000, false));
    activity.event(5, &loaded(Rcs, 7, 0x3_0000, false));
    let (contexts, forgotten) = activity.contexts();
    assert_eq!((contexts.len(), forgotten), (3, 0));
    let first = contexts[0];
    assert_eq!((first.engine, first.image, first.id), (Rcs, 0x3_0000, 7));
    assert_eq!((first.loads, first.first_ns, first.last_ns), (2, 1, 5));
    assert_eq!(first.root, Some(PageTableRoot::FourLevel(0x1000)));
    assert_eq!(contexts[1].root, Some(PageTableRoot::FourLevel(0x2000)));
    assert_eq!((contexts[2].engine, contexts[2].root), (Bcs, None));
    activity.event(6, &Event::FunctionReset);
    assert!(activity.contexts().0.is_empty());
}

#[test]
fn a_guest_that_makes_up_contexts_without_end_is_kept_within_bounds() {
    let mut activity = Activity::new();
    for image in 0..5000 {
        activity.event(image, &loaded(Rcs, 1, image << 12, false));
    }
    let (contexts, forgotten) = activity.contexts();
    assert_eq!((contexts.len(), forgotten), (4096, 904));
    assert_eq!(contexts[0].image, 904 << 12, "the oldest are forgotten");
}
