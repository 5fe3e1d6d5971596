//! What observers saw.

use super::super::super::tests::StillBench;
use super::*;
use gen8_spec::context_image;
use gen8_spec::debug_page::{Hint, PageKind};
use gpu_model::{Event, GuestRule, Observer, Origin};

/// A device of which observers heard some events.
fn watched(test: &str) -> StillBench {
    let bench = StillBench::new(test);
    let (rcs, bcs) = (EngineId::Rcs, EngineId::Bcs);
    let mut observers = bench.watch.observers();
    let loaded = |engine, context, image| Event::ContextLoaded {
        engine,
        context,
        image,
        page: 0x1_1000,
        head: 0,
        tail: 0x40,
        lite: false,
    };
    for (at, event) in [
        (1_000, loaded(rcs, 0x21, 0x3_0000)),
        (
            1_000,
            Event::PdpLoaded { engine: rcs, levels: 4, pdps: [0x1000, 0, 0, 0], context: 0x21 },
        ),
        (2_000_000, loaded(bcs, 0x22, 0x5_0000)),
        (2_500_000, loaded(rcs, 0x21, 0x3_0000)),
    ] {
        observers.event(at, &event);
    }
    for detail in [0x2030, 0x2034] {
        let rule = GuestRule::AccessWithoutForcewake;
        let event = Event::GuestError { rule, origin: Origin::Cpu, detail };
        observers.event(3_000_000 + detail, &event);
    }
    // The first context's image; that of the second one is mapped no more.
    let mut gpu = bench.gpu.lock().unwrap();
    let index = (0x3_0000 >> 12) + context_image::STATE_PAGE;
    gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8 * index, 8, encode_ggtt_pte(0x1_1000));
    for (register, value) in [
        (context_image::RING_HEAD, 0x40),
        (context_image::RING_TAIL, 0x48),
        (context_image::RING_START, 0x9000),
    ] {
        assert!(gpu.memory().write_u32(0x1_1000 + 4 * (register as u64 + 1), value));
    }
    for engine in [rcs, bcs] {
        write(&mut gpu, engine, ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS));
    }
    drop(gpu);
    bench
}

#[test]
fn contexts_are_told_with_what_their_images_hold_now() {
    let bench = watched("inspect-contexts");
    let expected = "
────────────────────────────────────────────────────────────────────────────────────
 engine     image     id   state   loads   last load   space   HEAD   TAIL    START
════════════════════════════════════════════════════════════════════════════════════
 rcs0     0x30000   0x21       -       2    2.500 ms       0   0x40   0x48   0x9000
 bcs0     0x50000   0x22       -       1    2.000 ms       -      -      -        -
────────────────────────────────────────────────────────────────────────────────────
2 images of contexts were loaded";
    shows(&bench.path, "contexts", expected);
}

#[test]
fn a_context_is_running_or_waits_for_its_turn() {
    let bench = with_tables("inspect-context-states");
    at_work(&bench);
    let mut observers = bench.subject.watch.observers();
    for id in [0x21, 0x22, 0x23, 0x24] {
        let image = u64::from(id) << 16;
        observers.event(
            1,
            &Event::ContextLoaded {
                engine: EngineId::Bcs,
                context: id,
                image,
                page: 0,
                head: 0,
                tail: 0,
                lite: false,
            },
        );
    }
    let answer = asked(&bench, "contexts --json").unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let states: Vec<_> =
        answer["contexts"].as_array().unwrap().iter().map(|c| &c["state"]).collect();
    assert_eq!(states, [&json!("running"), &json!("next"), &json!("pending"), &Value::Null]);
}

#[test]
fn the_last_events_are_told_in_words() {
    let bench = watched("inspect-events");
    let expected = "
───────────────────────────────────────────────────────────────────────────────────────────────
 event   at         engine   kind             what
═══════════════════════════════════════════════════════════════════════════════════════════════
 0       0.001 ms   rcs0     context-loaded   context 0x21, image 0x30000, HEAD 0x0, TAIL 0x40
 3       2.500 ms   rcs0     context-loaded   context 0x21, image 0x30000, HEAD 0x0, TAIL 0x40
───────────────────────────────────────────────────────────────────────────────────────────────
2 of 6 events";
    shows(&bench.path, "events --kind context-loaded --engine rcs0", expected);
    let last = asked_at(&bench.path, "events --last 1").unwrap();
    assert!(last.contains(" access-without-forcewake by CPU, 0x2034\n"), "{last}");
    for (question, told) in [
        ("events --kind batch", "there is no kind of event 'batch': expected hint, pdp-loaded, "),
        ("events --engine rcs1", "there is no engine 'rcs1': expected rcs0, "),
        ("events --last 5000", "5000 events are too many: expected at most 4096"),
    ] {
        let error = asked_at(&bench.path, question).unwrap_err();
        assert!(error.starts_with(told) && !error.contains('\n'), "{error}");
    }
    let unwatched = Bench::without_observe("inspect-no-events");
    let error = asked(&unwatched, "events").unwrap_err();
    assert_eq!(error, "this is not watched: start the server with --observe");
}

#[test]
fn rules_that_were_broken_are_counted_and_are_findings() {
    let bench = watched("inspect-rules");
    let expected = "
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 rule                       severity   by       times                                   first                                    last
══════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
 access-without-forcewake   warning    driver       2   0x2030 rcs0 TAIL by CPU at 3008240 ns   0x2034 rcs0 HEAD by CPU at 3008244 ns
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
1 of the rules were broken";
    shows(&bench.path, "rules", expected);
    let findings = asked_at(&bench.path, "findings").unwrap();
    assert!(findings.starts_with("warning: access-without-forcewake at 3.008 ms: "), "{findings}");
    assert!(findings.contains("\n    times: 2\n"), "{findings}");
    let still = StillBench::new("inspect-no-rules");
    assert_eq!(asked_at(&still.path, "rules").unwrap(), "no rule was broken");
    let json: Value =
        serde_json::from_str(&asked_at(&still.path, "rules --json").unwrap()).unwrap();
    assert_eq!(json, json!({ "rules": [], "checks": observe::checks().count() }));
    shows(&still.path, "findings", "nothing was found");
}

#[test]
fn who_wrote_a_register_or_an_entry_is_told() {
    let bench = StillBench::new("inspect-who-wrote");
    let mut gpu = bench.gpu.lock().unwrap();
    gpu.set_observer(Some(Box::new(bench.watch.observers())));
    let load = |gpu: &mut Gpu| {
        let rcs = EngineId::Rcs;
        write(gpu, rcs, ring::GFX_MODE, masked_enable(ring::GFX_MODE_PPGTT | ring::GFX_MODE_48BIT));
        write(gpu, rcs, ring::PDP0_UDW, 0);
        write(gpu, rcs, ring::PDP0_LDW, 0x1000);
    };
    for (table, index, entry) in [
        (0x1000, 0, encode_table(0x2000)),
        (0x2000, 0, encode_table(0x3000)),
        (0x3000, 0, encode_table(0x4000)),
        (0x4000, 7, encode_table(0x1_1000)),
    ] {
        assert!(gpu.memory().write_u64(table + 8 * index, entry));
    }
    gpu.advance_to(2_000_000);
    load(&mut gpu);
    assert!(gpu.memory().write_u64(0x4038, 0));
    gpu.advance_to(3_000_000);
    load(&mut gpu);
    write(&mut gpu, EngineId::Bcs, ring::START, 0x5000);
    gpu.advance_to(3_500_000);
    write(&mut gpu, EngineId::Bcs, ring::START, 0x6000);
    gpu.bar_write(Bar::Bar0, BAR0_GGTT_OFFSET + 8, 8, encode_ggtt_pte(0x1_0000));
    drop(gpu);
    let pte = "
PT entry 7 at 0x4038, for 0x7000
    0x11003 -> 0x0 between 2000000 and 3000000 ns by a CPU";
    shows(&bench.path, "who-wrote --pte 0x7000 --space 0", pte);
    for (question, told) in [
        (
            "bcs0.START",
            "bcs0.START (0x22038)\n    0x5000 at 3000000 ns by a CPU\n    \
             0x5000 -> 0x6000 at 3500000 ns by a CPU",
        ),
        ("--ggtt-pte 0x1234", "GGTT entry 0x1\n    0x0 -> 0x10001 at 3500000 ns by a CPU"),
        ("--memory 0x9002", "memory at 0x9000\n    no write is known"),
        ("--ggtt-memory 0x1004", "memory at 0x10004\n    no write is known"),
    ] {
        assert_eq!(asked_at(&bench.path, &format!("who-wrote {question}")).unwrap(), told);
    }
    for (question, told) in [
        ("bcs0.STRAT", "there is no register 'bcs0.STRAT': expected a name such as START"),
        ("--ggtt-memory 0x5000", "the GGTT does not map 0x5000"),
        ("--pte 0x7000 --space 4", "there is no address space 4: expected 0 to 0"),
        ("--pte 0x7000", "Use("),
        ("--space 0", "Use("),
        ("START --memory 4", "Use("),
    ] {
        let error = asked_at(&bench.path, &format!("who-wrote {question}")).unwrap_err();
        assert!(error.starts_with(told) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn what_nobody_can_free_is_told_with_what_holds_it() {
    let bench = moments::still("inspect-leaks");
    let mut observers = bench.watch.observers();
    observers.memory(bench.gpu.lock().unwrap().memory());
    for (at, hint) in [
        (10, Hint::DriverStart),
        (20, Hint::VmCreated { root: 0x1000, vm: 3, levels: 4 }),
        (30, Hint::ContextCreated { context: 1, vm: 3 }),
        (40, Hint::ObjectCreated { size: 0x2000, object: 7 }),
        (50, Hint::VmaCreated { vm: 3, object: 7 }),
        (60, Hint::VmaBound { address: 0x7000, vm: 3, object: 7 }),
        (1_000_000, Hint::ContextFreed { context: 1 }),
        (1_200_000, Hint::Checkpoint { label: 1 }),
    ] {
        observers.event(at, &Event::Hint(hint));
    }
    let expected = "
──────────────────────────────────────────────────────────────────────
 address space   state      levels     root   pages   mapped   leaked
══════════════════════════════════════════════════════════════════════
 VM 3            orphaned        4   0x1000       4   0x2000   0x2000
──────────────────────────────────────────────────────────────────────
1 address spaces, 1 orphaned, at 1.500 ms
error: OrphanVm at 1.200 ms: VM 3 is orphaned: no context is left that could use it, and since 1.000 ms nobody could free it
    address space: VM 3, 4 levels, root 0x1000, 4 page-table pages
    leaked object: object 7 (8 KiB at 0x11000), mapped at 0x7000
    PTE: 0x11083 at 0x4038, written by a CPU before 0.060 µs
    bound by: no request that is known, at 0.060 µs
    nobody could free it after: 1.000 ms, when context 1 of the driver was freed
    why: the VMA of object 7 pins VM 3, and the object lives: nobody has a handle of it: a dma-buf, a frame buffer or the GPU holds it (or the driver lost count)";
    shows(&bench.path, "leaks", expected);
    let still = StillBench::new("inspect-no-leaks");
    let none = "0 address spaces, 0 orphaned, at 1.500 ms";
    assert_eq!(asked_at(&still.path, "leaks").unwrap(), none);
}

#[test]
fn findings_are_those_of_all_observers() {
    let bench = moments::still("inspect-findings");
    let mut observers = bench.watch.observers();
    observers.memory(bench.gpu.lock().unwrap().memory());
    let page = 0x1_1000;
    for (at, hint) in [
        (10, Hint::DriverStart),
        (20, Hint::VmCreated { root: 0x1000, vm: 3, levels: 4 }),
        (30, Hint::PageOwned { page, kind: PageKind::Object, owner: 7 }),
        (40, Hint::ObjectCreated { size: 0x2000, object: 7 }),
        (50, Hint::VmaCreated { vm: 3, object: 7 }),
        (60, Hint::VmaBound { address: 0x7000, vm: 3, object: 7 }),
        (1_000_000, Hint::PageFreed { page }),
    ] {
        observers.event(at, &Event::Hint(hint));
    }
    let findings = asked_at(&bench.path, "findings").unwrap();
    assert!(findings.starts_with("error: PageFreedWhileMapped at 1.000 ms: "), "{findings}");
}
