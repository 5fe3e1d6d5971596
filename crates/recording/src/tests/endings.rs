//! Recordings that end before their devices do, or never: what is in the file is of use.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gpu_model::journal::{Input, Journal};
use gpu_model::memory::MemoryChange;

use super::*;
use crate::decode::LARGEST_BUDGET;
use crate::reader::MOST_CHANGES;

/// More than the device time for which a block stays open.
const A_BLOCK_NS: u64 = 1_100_000_000;

/// A file that takes nothing before somebody lets it.
struct Stuck {
    file: Bytes,
    go: Receiver<()>,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Once nobody stands in the way any more, all goes through.
        let _ = self.go.recv();
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stuck() -> (Stuck, Bytes, Sender<()>) {
    let (file, (let_go, go)) = (Bytes::default(), channel());
    // The header.
    let_go.send(()).unwrap();
    (Stuck { file: file.clone(), go }, file, let_go)
}

fn config() -> GpuConfig {
    GpuConfig::by_device_id(0x1616).unwrap()
}

/// Replays what was lost at some time; how many inputs that were.
fn inputs_of_lost(file: &Bytes, why: &str) -> u64 {
    let bytes = file.0.lock().unwrap().clone();
    let mut replay = replay(&bytes).expect("it is whole up to its end");
    let End::Lost(told) = replay.summary().end.clone() else { panic!("{:?}", replay.summary()) };
    assert!(told.contains(why), "{told}");
    assert!(!replay.run_to(Position::End).unwrap());
    replay.inputs()
}

#[test]
fn a_recording_that_is_faster_than_its_file_ends_with_what_the_file_took() {
    let (stuck, file, let_go) = stuck();
    let mut gpu = Gpu::new(config(), GuestRam::empty());
    let (recorder, handle) = Recorder::to(stuck, gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    let began = Instant::now();
    for n in 1..200 {
        gpu.advance_to(n * A_BLOCK_NS);
        gpu.config_read(0, 4);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "the device waits once, and not for long");
    drop(let_go);
    gpu.set_journal(None);
    assert!(matches!(handle.finish(), Err(RecordError::Lost(_))));
    let inputs = inputs_of_lost(&file, "as fast as the device runs");
    assert!((64..399).contains(&inputs), "{inputs}");
}

#[test]
fn a_recording_that_is_lost_within_a_call_ends_before_it() {
    let file = Bytes::default();
    let (mut recorder, handle) = Recorder::to(file.clone(), &config()).unwrap();
    recorder.begin(&Input::AdvanceTo { now_ns: 7 });
    recorder.end(gpu_model::journal::Output::None);
    recorder.begin(&Input::ConfigRead { offset: 0, size: 4 });
    let change = MemoryChange { before: 1, address: 0, count: 1, words: [0; 8] };
    recorder.memory(&vec![change; MOST_CHANGES + 1]);
    drop(recorder);
    assert!(matches!(handle.finish(), Err(RecordError::Lost(_))));
    assert_eq!(inputs_of_lost(&file, "too much in memory"), 1);
}

#[test]
fn a_call_that_no_recording_takes_ends_it_before_the_call() {
    let file = Bytes::default();
    let mut gpu = Gpu::new(config(), GuestRam::empty());
    let (recorder, handle) = Recorder::to(file.clone(), gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    gpu.config_read(0, 4);
    gpu.step(LARGEST_BUDGET + 1);
    gpu.config_read(0, 4);
    gpu.set_journal(None);
    assert!(matches!(handle.finish(), Err(RecordError::Lost(_))));
    // The memory map is the first.
    assert_eq!(inputs_of_lost(&file, "more commands"), 2);
}

#[test]
fn a_block_that_is_written_is_in_the_file_whatever_becomes_of_the_program() {
    let path = std::env::temp_dir().join(format!("recording-killed-{}", std::process::id()));
    let mut gpu = Gpu::new(config(), GuestRam::empty());
    let (recorder, _handle) = Recorder::create(&path, gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    gpu.advance_to(A_BLOCK_NS);
    let limits = Limits { partial: true, ..Limits::default() };
    let began = Instant::now();
    // Another thread writes it.
    while Reader::open(&path, limits).unwrap().summary().unwrap().inputs < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is kept back");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn notes_without_end_take_bounded_memory_and_do_not_end_a_recording() {
    let (stuck, file, let_go) = stuck();
    let mut gpu = Gpu::new(config(), GuestRam::empty());
    let (recorder, handle) = Recorder::to(stuck, gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    let (notes, note) = (handle.notes(), vec![7; 64 << 10]);
    let mut taken = 0;
    // More than all that may wait, of which the file takes nothing.
    for n in 1..=400 {
        gpu.advance_to(n);
        taken += u64::from(notes.note("agent", &note));
    }
    assert!((32..400).contains(&taken), "{taken}");
    drop(let_go);
    gpu.set_journal(None);
    handle.finish().expect("nothing is lost but notes");
    let bytes = file.0.lock().unwrap().clone();
    let mut replay = replay(&bytes).unwrap();
    let mut heard = 0;
    replay.run(Position::End, &mut |_, _, _| heard += 1).unwrap();
    assert_eq!((heard, replay.summary().marks), (taken, taken), "all that was taken is there");
    assert_eq!(replay.inputs(), 401);
}
