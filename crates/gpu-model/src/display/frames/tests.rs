//! Who looks at the scan line, and what waits for whom.

use proptest::prelude::*;

use super::*;

/// 1024x768 at 60 Hz.
const TIMING: Timing = Timing { frame_ns: 16_666_666, lines: 806, blank_start: 768 };
const LINE_NS: u64 = TIMING.frame_ns / TIMING.lines;
/// When the pipe is enabled.
const START: u64 = 1_000_000_000;

/// Frames, and when the fifth blanking is due.
fn frames() -> (Frames, u64) {
    let mut frames = Frames::begin(TIMING, START);
    let due = frames.due_ns(5);
    frames.advance_to(due - 10 * LINE_NS);
    (frames, due)
}

/// A driver looks and counts, as i915 does before and after it writes.
fn look_and_count(frames: &mut Frames, now: u64) {
    frames.looked(now);
    frames.counted(now);
}

#[test]
fn a_blanking_waits_for_who_writes() {
    let (mut frames, due) = frames();
    look_and_count(&mut frames, due - 10 * LINE_NS);
    let late = due + 3_000_000;
    assert!(!frames.advance_to(late), "it waits");
    assert_eq!((frames.begun(late), frames.line(late)), (4, 761));
    frames.looked(late);
    assert_eq!(frames.begun(late), 4);
    frames.counted(late);
    assert_eq!(frames.next_blanking(), due, "it is late");
    assert!(frames.advance_to(late));
    assert_eq!(frames.begun(late), 5);
    // Where it would have been.
    assert_eq!(frames.line(late), (768 + 3_000_000 * 806 / TIMING.frame_ns) % 806);
    assert_eq!(frames.next_blanking(), due + TIMING.frame_ns);
}

#[test]
fn a_blanking_waits_a_frame_for_a_look_and_three_for_who_may_write() {
    for (counts, waits) in [(false, 1), (true, 3)] {
        let (mut frames, due) = frames();
        let now = due - 10 * LINE_NS;
        frames.looked(now);
        if counts {
            frames.counted(now);
        }
        let end = frames.next_blanking();
        assert_eq!(end - now, waits * TIMING.frame_ns);
        assert!(!frames.advance_to(end - 1) && frames.advance_to(end));
    }
}

#[test]
fn a_look_behind_an_asynchronous_flip_holds_nothing() {
    let (mut frames, due) = frames();
    frames.flipped();
    look_and_count(&mut frames, due - 10 * LINE_NS);
    assert_eq!(frames.next_blanking(), due);
    look_and_count(&mut frames, due - 10 * LINE_NS);
    assert!(frames.next_blanking() > due, "the next look is another's");
}

#[test]
fn who_looks_again_and_again_gets_one_frame() {
    let (mut frames, due) = frames();
    for at in (due - 10 * LINE_NS..due + TIMING.frame_ns).step_by(LINE_NS as usize) {
        frames.looked(at);
    }
    assert_eq!(frames.next_blanking(), due + TIMING.frame_ns);
}

#[test]
fn who_asks_when_the_last_blanking_was_holds_nothing() {
    let (mut frames, due) = frames();
    let now = due - 10 * LINE_NS;
    frames.counted(now);
    look_and_count(&mut frames, now);
    assert_eq!(frames.next_blanking(), due);
    look_and_count(&mut frames, now);
    assert!(frames.next_blanking() > due, "this one may write");
}

#[test]
fn who_asks_across_a_blanking_is_not_taken_for_who_writes() {
    let (mut frames, due) = frames();
    frames.counted(due - LINE_NS);
    frames.advance_to(due);
    look_and_count(&mut frames, due + LINE_NS);
    assert_eq!(frames.hold, None);
}

#[test]
fn who_counts_long_after_the_look_is_waited_for_with_the_next_blanking() {
    let (mut frames, due) = frames();
    frames.looked(due - 10 * LINE_NS);
    let late = due + TIMING.frame_ns - LINE_NS;
    assert!(frames.advance_to(late));
    frames.counted(late);
    let again = late + TIMING.frame_ns;
    assert!(!frames.advance_to(again), "it writes");
    look_and_count(&mut frames, again);
    assert!(frames.advance_to(again));
}

#[test]
fn who_looks_when_nothing_can_be_written_any_more_holds_nothing() {
    // i915 counts the last 100 µs in lines of 20.68 µs, rounded up: five. It may write in line 762.
    for (lines_before, waits) in [(8, true), (7, true), (6, true), (5, false), (1, false)] {
        let (mut frames, due) = frames();
        let now = due - lines_before * LINE_NS + LINE_NS / 2;
        assert_eq!(frames.line(now), 768 - lines_before);
        frames.looked(now);
        assert_eq!(frames.advance_to(due), !waits, "{lines_before} lines before");
    }
}

#[test]
fn a_picture_without_early_lines_is_sent_without_regard() {
    let timing = Timing { blank_start: 6, ..TIMING };
    let mut frames = Frames::begin(timing, START);
    look_and_count(&mut frames, START);
    assert!(frames.advance_to(frames.due_ns(1)));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Look,
    Flip,
    Count,
    Advance,
}

fn acts() -> impl Strategy<Value = Vec<(Act, u64)>> {
    let act = prop::sample::select(vec![Act::Look, Act::Flip, Act::Count, Act::Advance]);
    let pause = prop_oneof![0..200_000_u64, 0..40_000_000_u64];
    prop::collection::vec((act, pause), 1..300)
}

proptest! {
    #[test]
    fn frames_keep_their_time_whatever_software_does(acts in acts()) {
        let mut frames = Frames::begin(TIMING, START);
        let (mut now, mut before) = (START, 0);
        for (act, pause) in acts {
            now += pause;
            frames.advance_to(now);
            match act {
                Act::Look => frames.looked(now),
                Act::Flip => frames.flipped(),
                Act::Count => frames.counted(now),
                Act::Advance => {}
            }
            let due = frames.elapsed(now) / TIMING.frame_ns;
            let begun = frames.begun(now);
            prop_assert!(begun >= before && begun <= due && due <= begun + 3);
            let line = frames.line(now);
            prop_assert!(line < TIMING.lines && (begun == due || (761..768).contains(&line)));
            before = begun;
        }
    }

    #[test]
    fn who_writes_within_three_frames_is_not_overtaken(
        at in 0..5 * TIMING.frame_ns,
        takes in 0..3 * TIMING.frame_ns,
    ) {
        let mut frames = Frames::begin(TIMING, START);
        let now = START + at;
        frames.advance_to(now);
        prop_assume!(!(763..768).contains(&frames.line(now)));
        let before = frames.begun(now);
        look_and_count(&mut frames, now);
        frames.advance_to(now + takes / 2);
        frames.advance_to(now + takes);
        prop_assert_eq!(frames.begun(now + takes), before);
    }
}
