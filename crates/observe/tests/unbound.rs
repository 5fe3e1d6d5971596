//! Uses of what a kernel unbound or destroyed, by lines of its trace and events of the device.

mod support;

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId::{Bcs, Rcs};
use gpu_model::{Event, Observer, Site, Space};
use observe::{Blind, Finding, Findings, Severity, UnboundUses};
use ppgtt::{AddressSpace, Levels};
use support::Guest;

const VA: u64 = 0x8000_0000;
const MS: u64 = 1_000_000;
/// What each line takes to arrive.
const LAG_NS: u64 = 3 * MS;
/// Guest time 0 in device time.
const AHEAD_NS: u64 = 5_000 * MS;

/// A device and its guest's kernel. Times are milliseconds of the guest's clock.
struct Played {
    guest: Guest,
    uses: UnboundUses,
    space: AddressSpace,
    page: u64,
}

impl Played {
    /// The kernel has made an address space, and bound object a at [`VA`] at 100 ms.
    fn new(levels: Levels) -> Played {
        let mut guest = Guest::new();
        guest.hints = false;
        let page = guest.page(PageKind::Object, 1);
        let mut space = guest.vm(1, levels);
        guest.map(1, &mut space, VA, page);
        let mut uses = UnboundUses::default();
        uses.memory(&guest.ram);
        let played = Played { guest, uses, space, page };
        played.uses.take(b"@agent 1 6.1\n", AHEAD_NS);
        played.says(10, "i915_ppgtt_create: dev=0, vm=5");
        played.says(11, "i915_gem_object_create: obj=a, size=0x2000");
        played.bind(100, 5, VA);
        played
    }

    fn says(&self, ms: u64, words: &str) {
        self.says_late(ms, words, LAG_NS);
    }

    fn says_late(&self, ms: u64, words: &str, lag_ns: u64) {
        let line = format!(" x-9 [000] ..... {}.{:03}000: {words}\n", ms / 1000, ms % 1000);
        self.uses.take(line.as_bytes(), AHEAD_NS + ms * MS + lag_ns);
    }

    fn bind(&self, ms: u64, vm: u64, va: u64) {
        self.says(ms, &format!("i915_vma_bind: obj=a, offset={va:#x} size=0x2000 vm={vm}"));
    }

    fn unbind(&self, ms: u64, vm: u64, va: u64) {
        self.says(ms, &format!("i915_vma_unbind: obj=a, offset={va:#x} size=0x2000 vm={vm}"));
    }

    fn event(&mut self, ms: u64, event: &Event) {
        self.uses.event(AHEAD_NS + ms * MS, event);
    }

    fn load(&mut self, ms: u64) {
        let (levels, pdps) = (self.space.levels().number(), self.space.root().pdps());
        self.event(ms, &Event::PdpLoaded { engine: Bcs, levels, pdps, context: 3 });
    }

    fn access(&mut self, ms: u64, space: Space, address: u64, physical: u64) {
        let site = Site { engine: Bcs, context: 3, address: 0x1_0010, in_batch: true };
        let (write, fetch) = (true, false);
        self.event(ms, &Event::Accessed { site, space, address, physical, write, fetch });
    }

    /// The blitter has the address space loaded and writes the page behind [`VA`].
    fn write(&mut self, ms: u64) {
        self.load(ms);
        self.access(ms, Space::Ppgtt, VA + 8, self.page + 8);
    }

    /// The account has passed.
    fn found(&self, ms: u64) -> Vec<Finding> {
        self.says(ms, "tracing_mark_write: hello");
        self.uses.findings()
    }

    fn only(&self, ms: u64) -> Finding {
        let mut found = self.found(ms);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }
}

fn four() -> Played {
    Played::new(Levels::Four)
}

fn fact<'f>(finding: &'f Finding, label: &str) -> &'f str {
    let fact = finding.facts.iter().find(|fact| fact.label == label);
    fact.map_or("", |fact| &fact.text)
}

#[test]
fn a_page_that_is_used_after_its_unbinding_is_told_with_both_sites() {
    for levels in [Levels::Three, Levels::Four] {
        let mut played = Played::new(levels);
        played.unbind(300, 5, VA);
        played.says(300, "<stack trace>");
        played.uses.take(b" => __i915_vma_evict\n => i915_vma_unbind\n", AHEAD_NS + 310 * MS);
        let (site, level) = (Site { engine: Bcs, context: 3, address: 0, in_batch: false }, 1);
        let (space, head) = (Space::Ppgtt, 0);
        played.event(499, &Event::BatchStarted { site, space, address: 0x1_0000, level, head });
        played.write(500);
        let found = played.only(2_000);
        assert_eq!((&found.name[..], found.severity), ("PageUsedAfterUnbind", Severity::Error));
        assert_eq!(found.at_ns, AHEAD_NS + 500 * MS);
        let what =
            "bcs0 wrote 0x80000008 of an address space, where was object a, which is unbound";
        assert_eq!(found.what, what);
        let used = "bcs0 in context 0x3, by the command at 0x10010 of the batch, which is at 0x10000, \
                    at 5500000000 ns";
        assert_eq!(fact(&found, "used"), used);
        assert_eq!(fact(&found, "page"), format!("{:#x}", played.page));
        assert_eq!(fact(&found, "address space"), "vm 5 of x [9]");
        let by = "by x [9] at 0.300000 s of guest time, 5303000000 ns of device time";
        assert_eq!(fact(&found, "unbound"), by);
        assert_eq!(fact(&found, "the kernel's stack then"), "__i915_vma_evict < i915_vma_unbind");
    }
}

#[test]
fn a_page_whose_object_is_destroyed_is_free() {
    let mut played = four();
    played.says(290, "i915_gem_object_destroy: obj=a");
    played.unbind(300, 5, VA);
    played.write(500);
    let found = played.only(2_000);
    assert_eq!((&found.name[..], found.severity), ("PageUsedAfterFree", Severity::Error));
    assert!(fact(&found, "destroyed").starts_with("by x [9] at 0.290000 s"), "{found:#?}");
    // One that was destroyed after the use was not free at it.
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    played.says(501, "i915_gem_object_destroy: obj=a");
    assert_eq!(played.only(2_000).name, "PageUsedAfterUnbind");
}

#[test]
fn what_is_bound_may_be_used() {
    let mut played = four();
    played.write(500);
    assert_eq!(played.found(2_000), []);
    assert_eq!(played.uses.report().judged, 1);
}

#[test]
fn nothing_is_told_before_the_kernels_account_has_passed() {
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    assert_eq!(played.found(1_400), [], "a binding of 400 ms may still be on its way");
    assert_eq!(played.uses.report().waiting, 1);
    assert_eq!(played.found(1_600).len(), 1);
    assert_eq!(played.uses.report().waiting, 0);
}

#[test]
fn what_cannot_be_ordered_is_not_accused() {
    // Unbound just before, by what the clocks say.
    let mut played = four();
    played.unbind(450, 5, VA);
    played.write(500);
    assert_eq!(played.found(2_000), []);
    // Unbound long before, and bound again at about that time.
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    played.bind(900, 5, VA);
    assert_eq!(played.found(2_000), []);
    // Bound again, and unbound once more.
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    played.bind(501, 5, VA);
    played.unbind(502, 5, VA);
    assert_eq!(played.found(2_000), []);
}

#[test]
fn a_trace_that_came_slowly_at_first_accuses_nobody() {
    let mut played = four();
    // It took two seconds, so it seems to be later than the use that it explains.
    played.unbind(300, 5, VA);
    played.says_late(400, "i915_vma_bind: obj=a, offset=0x80000000 size=0x2000 vm=5", 2_000 * MS);
    played.write(500);
    assert_eq!(played.found(3_000), []);
}

#[test]
fn a_guest_that_slept_meanwhile_accuses_nobody() {
    let mut played = four();
    played.unbind(300, 5, VA);
    // Bound again, but that is heard after the guest has slept for a minute; its clock stood.
    played.write(500);
    let slept = 60_000 * MS;
    played.says_late(450, "i915_vma_bind: obj=a, offset=0x80000000 size=0x2000 vm=5", slept);
    played.says_late(5_000, "tracing_mark_write: hello", slept);
    assert_eq!(played.uses.findings(), []);
    assert_eq!((played.uses.report().judged, played.uses.report().given_up), (0, 1));
}

#[test]
fn which_address_space_it_is_cannot_be_told_so_any_that_has_it_bound_explains_it() {
    let mut played = four();
    played.says(12, "i915_ppgtt_create: dev=0, vm=6");
    played.bind(101, 6, VA - 0x1000);
    played.unbind(300, 5, VA);
    played.write(500);
    assert_eq!(played.found(2_000), []);
    // One that is released explains nothing.
    played.says(2_000, "i915_ppgtt_release: dev=0, vm=6");
    played.write(2_500);
    let found = played.only(4_000);
    assert_eq!(found.name, "PageUsedAfterUnbind");
    assert_eq!((fact(&found, "not certain"), fact(&found, "address space")), ("", "vm 6 of x [9]"));
    assert!(fact(&found, "address space released").starts_with("2.000000 s"), "{found:#?}");
}

#[test]
fn of_several_that_had_it_bound_the_one_is_told_that_was_bound_just_before_the_first_use() {
    let mut played = four();
    for vm in [6, 7, 8] {
        let ms = 100 * vm;
        played.says(12, &format!("i915_ppgtt_create: dev=0, vm={vm}"));
        played.bind(ms, vm, VA);
        if vm == 7 {
            // The engine loads this one and uses it at once.
            played.write(ms + 5);
        }
        played.unbind(ms + 50, vm, VA);
    }
    played.unbind(1_000, 5, VA);
    assert_eq!(played.found(2_500), []);
    played.write(3_000);
    let found = played.only(5_000);
    assert_eq!(fact(&found, "not certain"), "one of 4 that were bound there, perhaps:");
    assert_eq!(fact(&found, "address space"), "vm 7 of x [9]");
    // What is destroyed is only told if it is so of all of them.
    assert_eq!(found.name, "PageUsedAfterUnbind");
    // One that came much later than the first use is none of them.
    let mut played = four();
    played.write(105);
    played.unbind(200, 5, VA);
    played.says(2_000, "i915_ppgtt_create: dev=0, vm=6");
    played.bind(2_010, 6, VA);
    played.unbind(2_100, 6, VA);
    played.write(3_500);
    let found = played.only(5_000);
    assert_eq!((fact(&found, "not certain"), fact(&found, "address space")), ("", "vm 5 of x [9]"));
}

#[test]
fn one_that_is_released_at_about_that_time_explains_it() {
    let mut played = four();
    played.says(490, "i915_ppgtt_release: dev=0, vm=5");
    played.write(500);
    assert_eq!(played.found(2_000), []);
}

#[test]
fn scratch_is_for_those_who_reach_for_nothing() {
    for levels in [Levels::Three, Levels::Four] {
        let mut played = Played::new(levels);
        played.space.clear_range(&played.guest.ram, VA, 0x1000).unwrap();
        let root = played.space.root();
        let at = |va| ppgtt::walk(&played.guest.ram, &root, va, ppgtt::Access::Read).unwrap();
        let scratch = at(VA).page();
        played.unbind(300, 5, VA);
        played.load(500);
        played.access(500, Space::Ppgtt, VA, scratch);
        played.access(500, Space::Ppgtt, 0x1234_5000, scratch);
        let found = played.found(2_000);
        let told: Vec<_> = found.iter().map(|f| (&f.name[..], f.severity)).collect();
        let expected = [("UseAfterUnmap", Severity::Warning), ("ScratchAccess", Severity::Note)];
        assert_eq!(told, expected);
    }
}

#[test]
fn memory_where_the_kernel_never_bound_anything_is_told() {
    let mut played = four();
    played.load(500);
    played.access(500, Space::Ppgtt, 0x1234_5000, played.page);
    assert_eq!(played.only(2_000).name, "PageNeverBound");
}

#[test]
fn a_context_that_is_saved_where_its_image_was_is_told() {
    let mut played = four();
    played.load(90);
    // Nobody ever creates the GGTT.
    played.bind(101, 0xff, 0x20_0000);
    let (engine, context, head, tail) = (Rcs, 3, 0, 0);
    let saved = |image| Event::ContextSaved { engine, context, image, page: 0x7000, head, tail };
    played.event(200, &saved(0x20_0000));
    played.unbind(300, 0xff, 0x20_0000);
    played.event(500, &saved(0x20_1000));
    // The kernel fills parts of the GGTT without telling.
    played.event(500, &saved(0x90_0000));
    let found = played.only(2_000);
    assert_eq!(found.name, "PageUsedAfterUnbind");
    assert!(found.what.starts_with("rcs0 saved a context to 0x201000 of the GGTT"), "{found:#?}");
    assert_eq!(fact(&found, "used"), "rcs0 in context 0x3, at 5500000000 ns");
}

#[test]
fn a_trace_that_is_not_whole_accuses_nobody() {
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    played.uses.take(b"CPU:0 [LOST 3 EVENTS]\n", AHEAD_NS + 600 * MS);
    assert_eq!(played.found(2_000), []);
    assert_eq!(played.uses.report().blind, Some(Blind::Incomplete));
}

#[test]
fn a_trace_that_began_after_the_driver_accuses_nobody() {
    let mut played = four();
    // Another agent in the same boot: what is bound is not known any more.
    played.load(200);
    played.uses.take(b"@agent 1 6.1\n", AHEAD_NS + 250 * MS);
    played.says(260, "i915_ppgtt_create: dev=0, vm=5");
    played.bind(270, 5, VA);
    played.unbind(300, 5, VA);
    played.write(500);
    assert_eq!(played.found(2_000), []);
    assert_eq!(played.uses.report().blind, Some(Blind::TraceBeganLate));
    // The machine starts anew, with an agent from the beginning.
    played.event(3_000, &Event::FunctionReset);
    played.uses.take(b"@agent 1 6.1\n", AHEAD_NS + 3_100 * MS);
    played.says(3_260, "i915_ppgtt_create: dev=0, vm=5");
    played.bind(3_270, 5, VA);
    played.unbind(3_300, 5, VA);
    played.write(3_500);
    assert_eq!(played.only(5_000).name, "PageUsedAfterUnbind");
    assert_eq!(played.uses.report().blind, None);
}

#[test]
fn a_thousand_pages_are_a_few_findings_and_uses_without_an_account_do_not_pile_up() {
    let mut played = four();
    played.load(500);
    for page in 0..100_000 {
        played.access(500, Space::Ppgtt, 0x1_0000_0000 + 0x1000 * page, played.page);
    }
    let report = played.uses.report();
    assert_eq!((report.waiting as u64 + report.given_up, report.waiting), (100_000, 1 << 16));
    let found = played.found(2_000);
    assert_eq!(found.len(), 64);
}

#[test]
fn a_page_that_was_bound_again_can_be_found_again() {
    let mut played = four();
    played.unbind(300, 5, VA);
    played.write(500);
    played.write(1_000);
    assert_eq!(played.found(2_500).len(), 1, "once is enough");
    played.bind(2_600, 5, VA);
    played.write(3_000);
    played.unbind(3_100, 5, VA);
    played.write(3_500);
    assert_eq!(played.found(5_000).len(), 2);
}
