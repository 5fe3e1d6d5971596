//! Requests that nobody means, and how long the device waits beside many that somebody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gpu_model::Bar;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::commands::answer;
use super::seats::MOST_CLIENTS;
use super::tests::{Bench, ask};

/// Every command, and what it may be asked.
const REQUESTS: [&str; 25] = [
    r#"{"execute":"version","id":[{"a":1},"b"]}"#,
    r#"{"execute":"accesses"}"#,
    r#"{"execute":"address-spaces","id":1}"#,
    r#"{"execute":"contexts"}"#,
    r#"{"execute":"engines"}"#,
    r#"{"execute":"events","arguments":{"last":32,"kind":"reset","engine":"rcs0"}}"#,
    r#"{"execute":"findings"}"#,
    r#"{"execute":"ggtt"}"#,
    r#"{"execute":"leaks"}"#,
    r#"{"execute":"load"}"#,
    r#"{"execute":"plug","arguments":{"port":"B","output":"hdmi=800x600"}}"#,
    r#"{"execute":"unplug","arguments":{"port":"B"}}"#,
    r#"{"execute":"ranges","arguments":{"space":0}}"#,
    r#"{"execute":"tables","arguments":{"engine":"rcs0"}}"#,
    r#"{"execute":"tables","arguments":{"root":[4096,8192,0,18446744073709551615]}}"#,
    r#"{"execute":"registers","arguments":{"names":["HEAD","rcs0.TAIL","FENCE_LO[3]","0x2030"]}}"#,
    r#"{"execute":"rules"}"#,
    r#"{"execute":"screenshot","arguments":{"file":"none.png","pipe":0}}"#,
    r#"{"execute":"snapshot"}"#,
    r#"{"execute":"surface-mappings","arguments":{"pipe":0,"remember":"a"}}"#,
    r#"{"execute":"surface-mappings","arguments":{"remembered":"a"}}"#,
    r#"{"execute":"tlbs"}"#,
    r#"{"execute":"views"}"#,
    r#"{"execute":"walk","arguments":{"address":281474976710656,"ggtt":true}}"#,
    r#"{"execute":"who-wrote","arguments":{"register":"HEAD"}}"#,
];

/// Numbers that are put in the place of others.
const NUMBERS: [&str; 6] = ["0", "-1", "1e99", "4095", "18446744073709551615", "\"\\u0000\""];

/// A request with some of its bytes changed, a number replaced, and a piece of another one in it.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let pick = || prop::sample::select(REQUESTS.to_vec());
    let number = prop::option::of(prop::sample::select(NUMBERS.to_vec()));
    (pick(), pick(), changes, number, any::<bool>()).prop_map(
        |(request, other, changes, number, mixed)| {
            let mut text = request.to_owned();
            if let Some(number) = number {
                text = text.split_inclusive(':').map(|part| replaced(part, number)).collect();
            }
            if mixed && let Some((_, arguments)) = other.split_once(",\"arguments\"") {
                let execute = text.split(',').next().unwrap_or_default().trim_end_matches('}');
                text = format!("{execute},\"arguments\"{arguments}");
            }
            let mut bytes = text.into_bytes();
            for (index, byte) in changes {
                *index.get_mut(&mut bytes) = byte;
            }
            bytes
        },
    )
}

/// `part` with its first number exchanged.
fn replaced(part: &str, number: &str) -> String {
    let Some(at) = part.find(|letter: char| letter.is_ascii_digit()) else {
        return part.to_owned();
    };
    let rest = part[at..].trim_start_matches(|letter: char| letter.is_ascii_digit());
    format!("{}{number}{rest}", &part[..at])
}

#[test]
fn every_request_that_nobody_means_has_an_answer() {
    let bench = Bench::new("control-wild");
    let answered = |request: &[u8]| {
        let reply = serde_json::to_value(answer(request, &bench.subject)).expect("plain values");
        let error = reply.pointer("/error/desc").and_then(Value::as_str);
        assert!(reply.get("return").is_some() || error.is_some_and(|desc| !desc.is_empty()));
        error.is_none()
    };
    let well = REQUESTS.iter().filter(|request| answered(request.as_bytes())).count();
    assert!(well > 15, "{well} of them mean something");
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&wild(), |request| {
            answered(&request);
            Ok(())
        })
        .unwrap();
}

/// Of some accesses of a CPU, a while apart, those that waited for longer than `long`.
fn late(bench: &Bench, count: u32, long: Duration) -> u32 {
    let is_late = |_: &u32| {
        thread::sleep(Duration::from_micros(100));
        let began = Instant::now();
        bench.device.touch(|gpu| gpu.bar_read(Bar::Bar0, 0x2030, 4));
        began.elapsed() > long
    };
    (0..count).filter(is_late).count() as u32
}

#[test]
fn of_a_hundred_accesses_beside_eight_clients_few_wait() {
    let bench = Bench::new("control-waits");
    let over = Arc::new(AtomicBool::new(false));
    let asks = ["ggtt", "registers", "snapshot", "address-spaces", "leaks", "findings"];
    let clients: Vec<_> = asks
        .into_iter()
        .cycle()
        .take(MOST_CLIENTS)
        .map(|command| {
            let (mut client, over) = (bench.connect(), Arc::clone(&over));
            let request = json!({ "execute": command }).to_string();
            thread::spawn(move || {
                let mut answers = 0;
                while !over.load(Ordering::Relaxed) {
                    assert!(ask(&mut client, request.as_bytes())["return"].is_object());
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    let (count, long) = (2000, Duration::from_micros(200));
    let late = late(&bench, count, long);
    over.store(true, Ordering::Relaxed);
    let answers: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    println!("{late} of {count} accesses waited for {long:?} or longer, beside {answers} answers");
    assert!(answers > 0, "nobody asked anything");
    // A client that is stopped while it copies holds them up, and a busy host stops them all.
    assert!(late <= count / 20, "{late} of {count}");
}
