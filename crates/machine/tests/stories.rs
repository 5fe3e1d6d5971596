//! The stories of cases, exactly.

use machine::{CaseResult, MachineKind, RunOptions, run_cases};
use observe::story::{SpaceState, SpaceStory, Story};
use scenarios::{Case, Levels, ScenarioId, SubmissionMode};

fn tell(case: &str) -> CaseResult {
    tell_case(case.parse().expect("a case"))
}

fn tell_case(case: Case) -> CaseResult {
    let options = RunOptions { stories: true, ..RunOptions::default() };
    let results = run_cases(&[case], MachineKind::InProcess, &options, &mut |_| ());
    results.expect("in process").remove(0)
}

fn story(case: &str) -> Story {
    tell(case).story.expect("asked for")
}

fn space<'s>(story: &'s Story, name: &str) -> &'s SpaceStory {
    story.spaces.iter().find(|space| space.name == name).expect("such a VM")
}

/// Flink-and-exit: client 1 shares object 1, client 2 is a bystander, and client 3 binds object 1 in
/// VM 3 and exits.
#[test]
fn the_leak_of_flink_and_exit_is_told_with_all_that_proves_it() {
    for (levels, pages, submission) in
        [(3, 5, "execlists"), (4, 8, "execlists"), (3, 5, "legacy"), (4, 8, "legacy")]
    {
        let case = format!("flink-and-exit none {levels} {submission}");
        let result = tell(&case);
        let story = result.story.as_ref().expect("asked for");
        let leaked: Vec<&str> = story.leaks().map(|space| space.name.as_str()).collect();
        assert_eq!(leaked, ["VM 3"], "{case}");
        let vm = space(story, "VM 3");
        assert_eq!((vm.state, vm.levels), (SpaceState::Orphaned, levels), "{case}");
        assert_eq!(vm.pages.last().expect("counted").tables.total(), pages, "{case}");

        let [mapping] = &vm.mappings[..] else { panic!("{case}: one mapping") };
        assert!(mapping.leaked && mapping.present, "{case}");
        assert_eq!((mapping.va, mapping.len, mapping.object), (0x4_0000, 0x1000, Some(1)));
        assert_eq!(mapping.pte & 0x7f_ffff_f000, mapping.reaches[0].page, "{case}");
        let pte_index = mapping.va >> 12 & 0x1ff;
        assert_eq!(mapping.pte_address & 0xfff, 8 * pte_index, "{case}");
        let written = format!("a CPU at {}", observe::story::time(mapping.bound_ns));
        assert_eq!(mapping.written_by.as_ref(), Some(&written), "{case}");

        let request = &story.requests[mapping.bound_by.expect("a request")];
        let context = &story.contexts[request.context.expect("a context")];
        assert_eq!(context.name, "context 3 of client 3", "{case}");
        assert_eq!(context.freed_ns, vm.orphaned_ns, "{case}");
        assert!(request.submitted_ns >= mapping.bound_ns && request.ended_ns.is_some(), "{case}");

        let [leak] = &result.leaks[..] else { panic!("{case}: one leak") };
        let fact = |label: &str| {
            let fact = leak.facts.iter().find(|fact| fact.label == label);
            fact.map_or("missing", |fact| fact.text.as_str())
        };
        let root = format!("{:#x}", vm.root[0]);
        let expected = format!("VM 3, {levels} levels, root {root}, {pages} page-table pages");
        assert_eq!(fact("address space"), expected, "{case}");
        let page = mapping.reaches[0].page;
        let expected = format!("object 1 (4 KiB at {page:#x}), mapped at 0x40000");
        assert_eq!(fact("leaked object"), expected, "{case}");
        let (pte, address) = (mapping.pte, mapping.pte_address);
        assert_eq!(
            fact("PTE"),
            format!("{pte:#x} at {address:#x}, written by {written}"),
            "{case}"
        );
        let at = observe::story::time(vm.orphaned_ns.expect("orphaned"));
        let expected = format!("{at}, when context 3 of client 3 was freed");
        assert_eq!(fact("nobody could free it after"), expected, "{case}");
        let why =
            "the VMA of object 1 pins VM 3, and the object lives: client 1 holds handle 1 of it";
        assert_eq!((fact("why"), vm.why.as_str()), (why, why), "{case}");
        assert!(fact("bound by").starts_with("request 7 (rcs0, seqno 4) of context 3 of client 3"));
    }
}

#[test]
fn with_the_fix_nothing_is_leaked_and_the_unbinding_is_told() {
    for levels in [3, 4] {
        let case = format!("flink-and-exit v4 {levels} execlists");
        let result = tell(&case);
        let story = result.story.as_ref().expect("asked for");
        assert_eq!((story.leaks().count(), result.leaks.len()), (0, 0), "{case}");
        let vm = space(story, "VM 3");
        assert_eq!((vm.state, vm.orphaned_ns), (SpaceState::Released, None), "{case}");
        assert_eq!(vm.pages.last().expect("counted").tables.total(), 0, "{case}");
        let mapping = &vm.mappings[0];
        assert_eq!((mapping.unbound_ns, mapping.leaked), (vm.released_ns, false), "{case}");
    }
}

#[test]
fn each_request_ran_on_its_engine_between_its_submission_and_its_end() {
    for submission in ["execlists", "legacy"] {
        let story = story(&format!("flink-and-exit v4 4 {submission}"));
        let batches: Vec<_> =
            story.engines[0].spans.iter().filter_map(|span| span.request).collect();
        assert_eq!(batches.len(), 3, "{submission}: the bystander twice, the importer once");
        for (engine, spans) in story.engines.iter().map(|engine| &engine.spans).enumerate() {
            for span in spans.iter().filter(|span| span.request.is_some()) {
                let request = &story.requests[span.request.expect("filtered")];
                assert_eq!((request.engine, request.context), (engine, span.context));
                assert!(request.submitted_ns <= span.begin_ns);
                assert!(request.ended_ns.expect("all settled") <= span.end_ns);
            }
        }
    }
}

#[test]
fn an_address_space_is_counted_from_its_creation_even_if_nothing_runs_in_it() {
    for (levels, pages) in [(3, 3), (4, 5)] {
        let story = story(&format!("flink-and-exit v4 {levels} execlists"));
        // The exporter never uses the GPU.
        let vm = space(&story, "VM 1");
        let [sample] = &vm.pages[..] else { panic!("it never changes") };
        let told = (vm.levels, sample.tables.total(), sample.at_ns);
        assert_eq!(told, (levels, pages, vm.first_ns));
    }
}

#[test]
fn nobody_pays_for_a_story_who_does_not_ask() {
    let case: Case = "flink-and-exit none 4 execlists".parse().expect("a case");
    let options = RunOptions::default();
    let results = run_cases(&[case], MachineKind::InProcess, &options, &mut |_| ()).unwrap();
    assert!(results[0].story.is_none() && results[0].leaks.is_empty());
}

/// The census walks at the same moments; story and census must agree on every address space.
#[test]
fn a_story_leaks_exactly_where_the_census_sees_orphans() {
    // All depths and modes take four times as long and differ in nothing that matters here.
    let cases = Case::all(&ScenarioId::ALL, &driver::Policy::ALL);
    let deep =
        |case: &Case| case.levels == Levels::Four && case.submission == SubmissionMode::Execlists;
    for case in cases.filter(deep) {
        let result = tell_case(case);
        let orphan = |line: &&String| line.contains("reached by no context");
        let orphans = result.explanation.iter().filter(orphan).count();
        assert_eq!(result.leaks.len(), orphans, "{case}: {:?}", result.explanation);
    }
}
