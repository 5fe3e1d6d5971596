//! The page as text: what it says, and that no story can break it.

use observe::story::{GgttRange, MappingStory, RequestStory, SpaceState, Span, Story, TableSample};
use observe::{Finding, Severity};
use proptest::prelude::*;
use report::Origin;

/// Between two markers of the page.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("no {begin} in the page"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {begin}")).0
}

#[test]
fn the_leak_is_told_in_a_sentence_a_finding_and_a_marked_row() {
    let page = report::html(&[Story::sample()], &Origin::default());
    let verdict = between(&page, "<div class=\"verdict bad\">", "</div>");
    assert!(
        verdict.contains("object 1 at 0x40000; nobody could free it after 500.000 µs"),
        "{verdict}"
    );
    let finding = between(&page, "<li class=\"finding error\">", "</li>");
    let facts = &Story::sample().findings[0].facts;
    assert!(facts.len() > 3);
    for fact in facts {
        let pair = format!("<dt>{}</dt><dd>{}</dd>", fact.label, fact.text);
        assert!(finding.contains(&pair), "{pair} is not in {finding}");
    }
    let mappings = between(&page, "<summary>Mappings: ", "</details>");
    let row = between(mappings, "<tr class=\"leaked\">", "</tr>");
    for fact in [
        "VM 2",
        "0x40000",
        "0x200083 at 0x305200",
        "a CPU at 305.000",
        "<td class=\"n\">2</td>",
        "never: leaked",
    ] {
        assert!(row.contains(fact), "{fact} is not in {row}");
    }
}

#[test]
fn notes_are_no_alarm() {
    let mut story = Story::sample();
    story.spaces.pop();
    story.findings = vec![Finding::new("elsp-descriptor-reserved", Severity::Note, 5, "known")];
    let page = report::html(&[story.clone()], &Origin::default());
    assert!(page.contains("<div class=\"verdict good\">"));
    let notes = between(&page, "<details class=\"notes\">", "</details>");
    assert!(notes.starts_with("<summary>1 note: ") && notes.contains("elsp-descriptor-reserved"));
    story.findings[0].severity = Severity::Warning;
    let page = report::html(&[story], &Origin::default());
    assert!(page.contains("<div class=\"verdict warn\">") && !page.contains("class=\"notes\""));
}

#[test]
fn a_driver_that_tells_nothing_is_not_told_of_as_if_it_had() {
    let mut story = Story::sample();
    (story.spaces[1].leaked, story.spaces[1].orphaned_ns) = (false, None);
    story.spaces[1].state = SpaceState::Idle;
    let seen = [(20_000, 700_000), (120_000, 180_000), (320_000, 420_000)];
    for (context, seen) in story.contexts.iter_mut().zip(seen) {
        (context.created_ns, context.freed_ns, context.seen_ns) = (None, None, Some(seen));
    }
    story.contexts[0].space = Some(1);
    let page = report::html(&[story], &Origin::default());
    assert!(page.contains("the driver tells nothing"));
    assert!(!page.contains("at the end</span></dd>"), "how many are left is not known");
    let data = between(&page, "<script type=\"application/json\">", "</script>");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let used = [0, 1].map(|space| data["spaces"][space]["used"].clone());
    assert_eq!(
        used,
        [serde_json::json!([[120_000, 180_000]]), serde_json::json!([[20_000, 700_000]])]
    );
    let contexts = between(&page, "<summary>Contexts: 3</summary>", "</details>");
    assert!(contexts.contains("title=\"120000 ns\">≤ 120.000</td>"), "{contexts}");
    assert!(contexts.contains("title=\"180000 ns\">≥ 180.000</td>"), "{contexts}");
}

#[test]
fn the_last_line_says_who_made_the_page_when_and_how() {
    let origin = Origin {
        program: "gen8emu 1".to_owned(),
        command: "gen8emu report <a>".to_owned(),
        at: "2026-11-23 10:00 UTC".to_owned(),
        recorded_by: Some("gen8emu 0".to_owned()),
    };
    let page = report::html(&[Story::sample()], &origin);
    let footer = between(&page, "<footer>", "</footer>");
    assert_eq!(
        footer,
        "Made by <code>gen8emu 1</code> on <code>2026-11-23 10:00 UTC</code> with \
         <code>gen8emu report &lt;a&gt;</code>, from what <code>gen8emu 0</code> recorded. Times are the \
         device's own."
    );
}

#[test]
fn a_story_without_a_leak_marks_nothing() {
    let mut story = Story::sample();
    story.spaces.pop();
    story.findings.clear();
    let page = report::html(&[story], &Origin::default());
    let verdict = between(&page, "<div class=\"verdict good\">", "</div>");
    assert_eq!(verdict, "Nothing leaked: of 1 address space, 0 released, none leaked.");
    assert!(!page.contains("<tr class=\"leaked\">"));
    assert!(!page.contains("\"leaked\":true"));
}

#[test]
fn several_stories_get_a_table_of_contents_with_the_verdict_of_each() {
    let mut clean = Story::sample();
    clean.spaces.clear();
    clean.findings.clear();
    clean.title = "clean".to_owned();
    let page = report::html(&[Story::sample(), clean], &Origin::default());
    let contents = between(&page, "<table class=\"contents\">", "</table>");
    let rows: Vec<&str> = contents.split("<tr>").skip(2).collect();
    assert!(rows[0].contains("#story-0") && rows[0].contains(">leak<"), "{}", rows[0]);
    assert!(rows[1].contains("#story-1") && rows[1].contains(">clean<"), "{}", rows[1]);
    assert_eq!(page.matches("<article class=\"story\"").count(), 2);
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = report::html(&[Story::sample()], &Origin::default());
    // The one address is the name of a vocabulary, which nobody fetches.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for reference in ["http:", "https:", "src=", "@import", "url(\""] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_hostile_name_stays_text_wherever_it_stands() {
    let hostile = "</script><img src=x onerror=alert(1)>\"'<!--";
    let mut story = Story::sample();
    let texts = [&mut story.title, &mut story.device];
    let engines = story.engines.iter_mut().map(|engine| &mut engine.name);
    let contexts = story.contexts.iter_mut().map(|context| &mut context.name);
    let spaces = story.spaces.iter_mut().flat_map(|space| [&mut space.name, &mut space.why]);
    let ggtt = story.ggtt.iter_mut().map(|range| &mut range.what);
    let moments = story.moments.iter_mut().flat_map(|moment| [&mut moment.name, &mut moment.what]);
    let findings = story.findings.iter_mut().flat_map(|finding| {
        let facts = finding.facts.iter_mut().flat_map(|fact| [&mut fact.label, &mut fact.text]);
        facts.chain([&mut finding.name, &mut finding.what])
    });
    let all = texts.into_iter().chain(engines).chain(contexts).chain(spaces).chain(ggtt);
    for text in all.chain(moments).chain(findings) {
        *text = hostile.to_owned();
    }
    for mapping in story.spaces.iter_mut().flat_map(|space| &mut space.mappings) {
        mapping.written_by = Some(hostile.to_owned());
    }
    let page = report::html(&[story], &Origin::default());
    assert!(!page.contains("<img"));
    assert!(!page.contains("<!--"));
    assert_eq!(page.matches("</script>").count(), 2, "the data's and the script's own");
}

#[test]
fn a_big_story_makes_a_page_of_bounded_size_and_says_what_is_left_out() {
    let mut story = Story::sample();
    let span =
        |at| Span { begin_ns: at, end_ns: at + 5, context: Some(1), space: Some(0), request: None };
    story.engines[0].spans = (0..200_000).map(|n| span(n * 10)).collect();
    story.requests =
        (0..100_000).map(|number| RequestStory { number, ..RequestStory::default() }).collect();
    let sample = |at_ns| TableSample { at_ns, tables: story.spaces[0].pages[0].tables };
    story.spaces[0].pages = (0..100_000).map(sample).collect();
    let mapping = |n: u64| MappingStory { va: n * 4096, len: 4096, ..MappingStory::default() };
    story.spaces[0].mappings = (0..50_000).map(mapping).collect();
    story.spaces = vec![story.spaces[0].clone(), story.spaces[1].clone()];
    let range = |n: u64| GgttRange { start: n * 8192, len: 4096, ..GgttRange::default() };
    story.ggtt = (0..100_000).map(range).collect();
    story
        .findings
        .extend((0..10_000).map(|n| Finding::new("StaleTlb", Severity::Warning, n, "stale")));
    let page = report::html(&[story], &Origin::default());
    assert!(page.len() < 4 << 20, "{} bytes", page.len());
    let left_out = between(&page, "left-out\">", "</p>");
    for what in ["95000 older requests", "96000 ranges of the GGTT", "49000 mappings"] {
        assert!(left_out.contains(what), "{what} is not in {left_out}");
    }
    assert!(page.contains("9801 more StaleTlb"));
    // The leak is among what is kept.
    assert!(page.contains("\"leaked\":true"));
}

/// Any story, with any numbers where others would be indices.
fn any_story() -> impl Strategy<Value = Story> {
    let numbers = prop::collection::vec(any::<u64>(), 24);
    (numbers, any::<String>()).prop_map(|(numbers, text)| {
        let mut next = numbers.into_iter().cycle();
        let mut number = move || next.next().unwrap_or_default();
        let mut story = Story::sample();
        story.title = text;
        (story.begin_ns, story.end_ns) = (number(), number());
        for span in story.engines.iter_mut().flat_map(|engine| &mut engine.spans) {
            (span.begin_ns, span.end_ns) = (number(), number());
            span.context = Some(number() as usize);
            (span.space, span.request) = (Some(number() as usize % 3), Some(number() as usize));
        }
        for request in &mut story.requests {
            (request.engine, request.context) = (number() as usize, Some(number() as usize));
            (request.submitted_ns, request.ended_ns) = (number(), Some(number()));
        }
        for space in &mut story.spaces {
            (space.first_ns, space.orphaned_ns) = (number(), Some(number()));
            for sample in &mut space.pages {
                (sample.at_ns, sample.tables.pt, sample.tables.pd) =
                    (number(), number() as usize, number() as usize);
            }
            for mapping in &mut space.mappings {
                (mapping.va, mapping.len, mapping.bound_by) =
                    (number(), number(), Some(number() as usize));
                mapping.unbound_ns = Some(number());
            }
        }
        for context in &mut story.contexts {
            (context.space, context.freed_ns) = (Some(number() as usize), Some(number()));
        }
        story
    })
}

proptest! {
    #[test]
    fn no_story_from_a_file_breaks_the_page(story in any_story()) {
        let page = report::html(&[story], &Origin::default());
        let data = between(&page, "<script type=\"application/json\">", "</script>");
        prop_assert!(serde_json::from_str::<serde_json::Value>(data).is_ok());
    }
}
