//! The class of CVE-2022-0330 with its fix and without: what is told of a stale translation.

use driver::Bug;
use machine::{MachineKind, RunOptions, run_planted};
use observe::Finding;

/// What was found of stale translations.
fn stale(planted: bool) -> Vec<Finding> {
    let bug = Bug::NoTlbFlushAtPageRelease;
    let findings =
        run_planted(bug, planted, MachineKind::InProcess, &RunOptions::default()).unwrap().findings;
    // The census finds it as well, and does not know when.
    findings.into_iter().filter(|found| found.name == "StaleTlb" && found.at_ns != 0).collect()
}

#[test]
fn without_a_flush_at_the_release_of_pages_the_late_write_is_told_with_its_whole_story() {
    let found = stale(true);
    let [found] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(
        found.what,
        "rcs0 wrote 0x40000 by a translation that its page tables do not give any more"
    );
    let fact = |label: &str| {
        let fact = found.facts.iter().find(|fact| fact.label == label);
        fact.unwrap_or_else(|| panic!("{label}: {found:#?}")).text.as_str()
    };
    // The object's page when the batch used it first, and the one bound there meanwhile.
    assert_eq!(fact("used"), "page 0x136000");
    assert_eq!(fact("page tables say"), "page 0x155000");
    assert_eq!(
        fact("entry filled"),
        "at 500000 ns, page 0x136000, writable, for a write by rcs0, context 0x1, batch address 0x42000"
    );
    assert_eq!(
        fact("made stale by"),
        "PTE at 0x137200: 0x136083 -> 0x133083 at 1520000 ns by a CPU \
         (running: rcs0: context 0x1, batch 0x42000)"
    );
    assert_eq!(
        fact("missing"),
        "an invalidation on rcs0 after the page tables changed: PIPE_CONTROL with TLB invalidate and CS \
         stall, a write of 1 to register 0x4260, or a load of other page directories; \
         the last one: rcs0, at 500000 ns, by PIPE_CONTROL"
    );
    // The new object's request emptied the other engine's TLB.
    assert_eq!(fact("invalidated meanwhile"), "bcs0, at 1520000 ns, by MI_FLUSH_DW");
}

#[test]
fn with_the_flush_nothing_is_found() {
    assert_eq!(stale(false), []);
}
