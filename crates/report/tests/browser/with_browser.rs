//! Each test lets the browser open a page with a script of ours behind the page's own. The script uses the
//! page as a person does, by keys and pointer, and leaves what it saw in the document.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use observe::story::{ContextStory, SpaceState, SpaceStory, Span, Story, TableSample};
use report::Origin;
use serde_json::Value;

/// Listens for errors before the page's script begins.
const LISTEN: &str = include_str!("listen.js");
/// Uses the page.
const DRIVE: &str = include_str!("drive.js");
/// Milliseconds that the page has, by its own clock: the browser skips what nobody waits for.
const PAGE_TIME: u32 = 20_000;

/// Time in which a big story must be drawn and used, on a machine that has other work.
const LIMIT: Duration = Duration::from_secs(30);

/// What the script saw: values by name.
type Seen = BTreeMap<String, Value>;

/// Opens the page of `stories` in a window of this size; None where there is no browser.
fn seen(name: &str, stories: &[Story], width: u32, flags: &[&str]) -> Option<Seen> {
    let Some(browser) = env::var_os("GEN8EMU_BROWSER") else {
        println!("skipped: GEN8EMU_BROWSER names no browser");
        return None;
    };
    let folder = env::temp_dir().join(format!("gen8emu-page-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let page = report::html(stories, &Origin::default())
        .replacen("<head>", &format!("<head><script>{LISTEN}</script>"), 1)
        .replacen("</body>", &format!("<script>{DRIVE}</script></body>"), 1);
    let path = folder.join("page.html");
    fs::write(&path, page).unwrap();
    let dom = dump(browser.into(), &folder, width, flags);
    fs::remove_dir_all(&folder).ok();
    let (_, result) =
        dom.split_once("<pre id=\"seen\">").unwrap_or_else(|| panic!("no result: {dom}"));
    let (result, _) = result.split_once("</pre>").unwrap();
    let result = result.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&result).unwrap())
}

/// The document as it is after the script.
fn dump(browser: PathBuf, folder: &std::path::Path, width: u32, flags: &[&str]) -> String {
    let mut command = Command::new(browser);
    // Root may not use the sandbox; nothing may ask the network.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update"]);
    command.args(["--disable-sync", "--disable-quic", "--dump-dom", "--hide-scrollbars"]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--window-size={width},900"));
    command.arg(format!("--virtual-time-budget={PAGE_TIME}")).args(flags);
    command.env("HOME", folder).arg(format!("file://{}", folder.join("page.html").display()));
    let output = command.output().expect("the browser starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn number(seen: &Seen, name: &str) -> f64 {
    seen[name].as_f64().unwrap_or_else(|| panic!("{name} is {}", seen[name]))
}

#[test]
fn the_page_shows_the_leak_and_makes_no_errors() {
    let Some(seen) = seen("leak", &[Story::sample()], 1280, &[]) else { return };
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    assert_eq!(seen["findings"], 1);
    assert_eq!(seen["leaked ranges"], serde_json::json!(["leaked: object 1"]));
    assert_eq!(seen["leaked areas"], 1);
    assert_eq!(seen["leaked lives"], 1);
    assert_eq!(seen["legend"], serde_json::json!(["VM 1: 8", "VM 2: 8 leaked"]));
    assert!(number(&seen, "spans") >= 4.0);
}

#[test]
fn without_a_leak_nothing_is_striped() {
    let mut story = Story::sample();
    (story.spaces[1].state, story.spaces[1].leaked) = (SpaceState::Released, false);
    (story.spaces[1].orphaned_ns, story.spaces[1].released_ns) = (None, Some(500_000));
    for mapping in &mut story.spaces[1].mappings {
        (mapping.leaked, mapping.unbound_ns) = (false, Some(500_000));
    }
    story.findings.clear();
    let Some(seen) = seen("fixed", &[story], 1280, &[]) else { return };
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    for what in ["findings", "leaked areas", "leaked lives"] {
        assert_eq!(seen[what], 0, "{what}");
    }
    assert_eq!(seen["leaked ranges"], Value::Array(Vec::new()));
    assert_eq!(seen["legend"][1], "VM 2: 0");
}

#[test]
fn keys_wheel_and_pointer_zoom_and_move_the_timeline() {
    let Some(seen) = seen("zoom", &[Story::sample()], 1280, &[]) else { return };
    let width = |name| number(&seen, name);
    assert!((width("span after +") / width("span") - 1.6).abs() < 0.02, "{seen:?}");
    assert!((width("span after 0") - width("span")).abs() < 0.5, "{seen:?}");
    assert!(width("span after wheel") > width("span") * 1.5, "{seen:?}");
    assert!((width("span after plain wheel") - width("span")).abs() < 0.5, "{seen:?}");
    assert!(width("left after drag") < width("left before drag") - 50.0, "{seen:?}");
    assert!(width("pages after +") > width("pages") * 1.5, "the other drawing follows: {seen:?}");
}

#[test]
fn the_maps_show_the_moment_that_was_clicked() {
    let Some(seen) = seen("moment", &[Story::sample()], 1280, &[]) else { return };
    // The second client opens the device at 300 µs and binds its first object at 305.
    assert_eq!(seen["VM 2 at 200 µs"], serde_json::json!(["nothing is mapped"]));
    assert_eq!(seen["VM 2 at 400 µs"], serde_json::json!(["object 1", "object 2"]));
    assert_eq!(seen["VM 2 at the end"], serde_json::json!(["leaked: object 1", "object 2"]));
    assert_eq!(seen["gone at 400 µs"], 0);
    assert_eq!(seen["gone at the end"], 1);
}

#[test]
fn a_moment_has_room_in_steps_that_it_has_not_by_the_clock() {
    let Some(seen) = seen("steps", &[Story::sample()], 1280, &[]) else { return };
    assert!(number(&seen, "instant by the clock") < 3.0, "{seen:?}");
    assert!(number(&seen, "instant in steps") > 10.0, "{seen:?}");
}

#[test]
fn a_narrow_window_needs_no_sideways_scroll() {
    let Some(seen) = seen("narrow", &[Story::sample(), Story::sample()], 390, &[]) else { return };
    assert_eq!(seen["window"], 390);
    assert_eq!(number(&seen, "page width"), 390.0);
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    assert_eq!(seen["findings"], 2);
}

#[test]
fn a_dark_desktop_gets_a_dark_page() {
    let stories = [Story::sample()];
    let light = seen("light", &stories, 800, &["--blink-settings=preferredColorScheme=1"]);
    let dark = seen("dark", &stories, 800, &["--blink-settings=preferredColorScheme=0"]);
    let (Some(light), Some(dark)) = (light, dark) else { return };
    assert!(number(&light, "brightness") > 200.0, "{light:?}");
    assert!(number(&dark, "brightness") < 60.0, "{dark:?}");
}

#[test]
fn hostile_names_are_shown_and_not_run() {
    let hostile = "</script><img src=x onerror=\"seen.ran=1\"><svg/onload='seen.ran=1'>{{7*7}}";
    let mut story = Story::sample();
    story.title = hostile.to_owned();
    story.engines[0].name = hostile.to_owned();
    story.contexts[1].name = hostile.to_owned();
    story.spaces[1].name = hostile.to_owned();
    story.ggtt[0].what = hostile.to_owned();
    story.moments[0].name = hostile.to_owned();
    story.findings[0].facts[0].text = hostile.to_owned();
    let Some(seen) = seen("hostile", &[story], 390, &[]) else { return };
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    assert!(!seen.contains_key("ran"));
    assert_eq!(seen["pictures"], 0);
    assert_eq!(seen["title"], hostile);
    assert_eq!(number(&seen, "page width"), 390.0);
}

#[test]
fn a_story_of_a_hundred_thousand_spans_stays_usable() {
    let mut story = Story::sample();
    let span = |n: u64| Span {
        begin_ns: n * 100,
        end_ns: n * 100 + 60,
        context: Some(1),
        space: Some(0),
        request: None,
    };
    story.engines[0].spans = (0..100_000).map(span).collect();
    story.end_ns = 10_000_000;
    let begin = Instant::now();
    let Some(seen) = seen("big", &[story], 1280, &[]) else { return };
    // The script makes the page draw a dozen times.
    assert!(begin.elapsed() < LIMIT, "it took {} s", begin.elapsed().as_secs());
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    assert!(number(&seen, "elements") < 6000.0, "{seen:?}");
}

/// What a stock driver leaves to see: a thousand contexts, each with an address space, and nobody who tells of them.
fn stock() -> Story {
    const CONTEXTS: u64 = 1000;
    const APART: u64 = 10_000_000;
    let mut story = Story::sample();
    let (context, space) = (story.contexts[1].clone(), story.spaces[0].clone());
    let begin = |n: u64| 20_000_000_000 + n * APART;
    story.findings.clear();
    story.moments.clear();
    story.requests.clear();
    story.engines.truncate(1);
    story.contexts = (0..CONTEXTS)
        .map(|n| ContextStory {
            space: Some(n as usize / 4),
            created_ns: None,
            seen_ns: Some((begin(n), begin(n) + APART)),
            ..context.clone()
        })
        .collect();
    story.spaces = (0..CONTEXTS / 4)
        .map(|n| SpaceStory {
            first_ns: begin(4 * n),
            pages: vec![TableSample { at_ns: begin(4 * n), ..space.pages[1] }],
            ..space.clone()
        })
        .collect();
    let span = |n: u64| Span {
        begin_ns: begin(n),
        end_ns: begin(n) + APART / 2,
        context: Some(n as usize),
        space: Some(n as usize / 4),
        request: None,
    };
    story.engines[0].spans = (0..CONTEXTS).map(span).collect();
    story.end_ns = begin(CONTEXTS);
    story
}

#[test]
fn a_thousand_contexts_that_nobody_told_of_are_rows_of_what_was_seen() {
    let Some(seen) = seen("stock", &[stock()], 1280, &[]) else { return };
    assert_eq!(seen["errors"], Value::Array(Vec::new()));
    // The boot before it is no part of the picture, and each life is as long as it was seen.
    assert!(number(&seen, "earliest span") > 0.0, "{seen:?}");
    assert!(number(&seen, "earliest span") < 40.0, "{seen:?}");
    assert!(number(&seen, "widest life") < 20.0, "{seen:?}");
    assert!(number(&seen, "unknown ends") >= 100.0, "{seen:?}");
    assert_eq!(seen["maps"], 13, "of twelve address spaces and the GGTT");
    assert_eq!(seen["legend"].as_array().unwrap().len(), 13);
    assert_eq!(seen["legend"][12], "and 238 others");
    assert!(number(&seen, "elements") < 12_000.0, "{seen:?}");
}
