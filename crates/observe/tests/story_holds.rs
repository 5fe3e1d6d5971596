//! How long a question about the story holds the device up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gen8_spec::engine::EngineId;
use gen8_spec::pte::encode_table;
use gpu_model::{Event, GuestRam, Observer};
use observe::story::StoryObserver;

const PAGE: u64 = 0x1000;
/// Address spaces.
const SPACES: u64 = 8;
/// Page tables of each, for 4 GiB; all share the same ones, so that memory stays small.
const TABLES: u64 = 2048;

/// Address spaces of three levels, with page tables in which every 64th entry maps a page.
fn memory() -> GuestRam {
    let tables = SPACES * 4 * PAGE;
    let memory = GuestRam::anonymous(tables + TABLES * PAGE).unwrap();
    let entry = |at: u64, page: u64| {
        assert!(memory.write_bytes(at, &encode_table(page).to_le_bytes()));
    };
    for directory in 0..SPACES * 4 {
        for index in 0..512 {
            entry(directory * PAGE + 8 * index, tables + (directory % 4 * 512 + index) * PAGE);
        }
    }
    for table in 0..TABLES {
        (0..512)
            .step_by(64)
            .for_each(|index| entry(tables + table * PAGE + 8 * index, PAGE * index));
    }
    memory
}

#[test]
fn a_question_holds_the_device_up_for_a_short_time_however_much_it_looks_at() {
    let memory = memory();
    let mut story = StoryObserver::new("a device");
    story.memory(&memory);
    let engine = EngineId::Rcs;
    for space in 0..SPACES {
        let pdps = [0, 1, 2, 3].map(|directory| (space * 4 + directory) * PAGE);
        story.event(1, &Event::PdpLoaded { engine, levels: 3, pdps, context: 1 });
    }
    let over = Arc::new(AtomicBool::new(false));
    let asker = {
        let (story, over) = (story.clone(), Arc::clone(&over));
        thread::spawn(move || {
            let mut longest = Duration::ZERO;
            for turn in 0..5 {
                let began = Instant::now();
                story.story(2 + turn);
                longest = longest.max(began.elapsed());
            }
            over.store(true, Ordering::SeqCst);
            longest
        })
    };
    let mut waits = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let began = Instant::now();
        story.event(3, &Event::Reset { domains: engine.reset_domain() });
        waits.push(began.elapsed());
        thread::sleep(Duration::from_micros(200));
    }
    waits.sort_unstable();
    let (asked, longest) = (asker.join().unwrap(), waits[waits.len() - 1]);
    println!("a question takes {asked:?}, the device waits {longest:?} at most");
    assert!(waits.len() > 20, "the device goes on between: {}", waits.len());
    assert!(longest < asked / 2, "{longest:?} of {asked:?}");
}
