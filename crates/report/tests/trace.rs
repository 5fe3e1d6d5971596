//! The trace by the rules of its format, as its viewers read it.

use std::collections::HashMap;

use observe::story::{RequestStory, Story};
use serde_json::Value;

fn events(stories: &[Story]) -> Vec<Value> {
    let trace: Value = serde_json::from_str(&report::perfetto(stories)).unwrap();
    assert_eq!(trace["displayTimeUnit"], "ns");
    trace["traceEvents"].as_array().unwrap().clone()
}

fn of<'a>(events: &'a [Value], phase: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["ph"] == phase).collect()
}

fn lane(event: &Value) -> (u64, u64) {
    (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap())
}

/// Names of lanes: of processes and threads.
fn names(events: &[Value]) -> HashMap<(u64, u64), String> {
    let threads = events.iter().filter(|event| event["name"] == "thread_name");
    threads.map(|event| (lane(event), event["args"]["name"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn every_event_has_what_its_kind_needs() {
    let events = events(&[Story::sample(), Story::sample()]);
    let names = names(&events);
    for event in &events {
        assert!(event["name"].is_string() && event["pid"].as_u64() > Some(0), "{event}");
        let kind = event["ph"].as_str().unwrap();
        if kind != "M" {
            assert!(event["ts"].as_f64().is_some_and(|ts| ts >= 0.0), "{event}");
            assert!(names.contains_key(&lane(event)), "no name for the lane of {event}");
        }
        match kind {
            "X" => assert!(event["dur"].as_f64().is_some_and(|dur| dur >= 0.0), "{event}"),
            "C" => assert!(event["args"]["pages"].is_u64(), "{event}"),
            "i" => assert!(["g", "t"].contains(&event["s"].as_str().unwrap()), "{event}"),
            "s" | "f" => assert!(event["id"].is_string(), "{event}"),
            "M" => assert!(event["args"].is_object(), "{event}"),
            other => panic!("no such kind: {other}"),
        }
    }
}

#[test]
fn slices_of_a_lane_lie_apart_or_one_in_the_other() {
    let mut story = Story::sample();
    // Many requests wait at once.
    let waiting = |number| RequestStory {
        number,
        submitted_ns: number * 10,
        ended_ns: Some(5000 + number),
        ..story.requests[0].clone()
    };
    story.requests = (0..50).map(waiting).collect();
    let events = events(&[story]);
    let mut lanes: HashMap<(u64, u64), Vec<(f64, f64)>> = HashMap::new();
    for slice in of(&events, "X") {
        let begin = slice["ts"].as_f64().unwrap();
        lanes.entry(lane(slice)).or_default().push((begin, begin + slice["dur"].as_f64().unwrap()));
    }
    for slices in lanes.values() {
        for (n, a) in slices.iter().enumerate() {
            for b in &slices[n + 1..] {
                let (a, b) = if a.0 <= b.0 { (a, b) } else { (b, a) };
                assert!(b.0 >= a.1 || b.1 <= a.1, "{a:?} and {b:?}");
            }
        }
    }
}

#[test]
fn an_arrow_leads_from_the_submission_of_a_request_to_the_engine_that_ran_it() {
    let events = events(&[Story::sample()]);
    let names = names(&events);
    let (starts, ends) = (of(&events, "s"), of(&events, "f"));
    assert_eq!((starts.len(), ends.len()), (4, 4));
    let third = starts.iter().position(|start| start["id"] == "0-3").unwrap();
    assert_eq!(starts[third]["ts"], 350.0);
    assert_eq!(ends[third]["ts"], 360.0);
    assert_eq!(names[&lane(ends[third])], "bcs0");
}

#[test]
fn a_leak_is_a_slice_with_its_proof_from_the_moment_on() {
    let events = events(&[Story::sample()]);
    let slices = of(&events, "X");
    let leaks: Vec<_> = slices.iter().filter(|slice| slice["name"] == "LEAKED").collect();
    let [leak] = leaks[..] else { panic!("{leaks:?}") };
    assert_eq!((leak["ts"].as_f64(), leak["dur"].as_f64()), (Some(500.0), Some(400.0)));
    assert_eq!(leak["args"]["object"], 1);
    assert_eq!(leak["args"]["PTE"], "0x200083");
    let errors: Vec<_> = of(&events, "i").into_iter().filter(|event| event["s"] == "g").collect();
    assert_eq!(errors.len(), 1);
    for fact in &Story::sample().findings[0].facts {
        assert_eq!(errors[0]["args"][&fact.label], fact.text.as_str());
    }
}

#[test]
fn pages_are_counters_that_end_with_their_address_space() {
    let mut story = Story::sample();
    story.spaces[1].released_ns = Some(600_000);
    let events = events(&[story]);
    let counts = of(&events, "C");
    let of_vm_2 = counts.iter().filter(|count| count["name"] == "pages of VM 2");
    let steps: Vec<_> = of_vm_2
        .map(|c| (c["ts"].as_f64().unwrap(), c["args"]["pages"].as_u64().unwrap()))
        .collect();
    assert_eq!(steps, [(300.0, 5), (310.0, 8), (600.0, 0)]);
}
