//! Recordings of a device that works: read, replayed, damaged.

use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, masked_enable, pci, pte};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use ppgtt::PhysicalMemory;

use crate::encode::Encoder;
use crate::{
    Differs, End, Limits, Position, ReadError, Reader, Record, RecordError, Recorder,
    RecorderHandle, Replay, ReplayError, assemble,
};

mod endings;

const ENGINE: EngineId = EngineId::Rcs;
/// GGTT page `n` maps physical page `n`, so the addresses below are both.
const RING: u32 = 0x1_0000;
const TARGET: u32 = 0x2_0000;
const RAM: u64 = 1 << 20;
const STORE: u32 = mi::header(mi::STORE_DATA_IMM, mi::USE_GGTT | 2);
/// Dwords of a store.
const STORE_DWORDS: u32 = 4;
/// Stores in the ring.
const STORES: u32 = 16;

/// A file in memory.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recorded device that stores what its ring says.
struct Recorded {
    gpu: Gpu,
    memory: GuestRam,
    file: Bytes,
    handle: RecorderHandle,
}

impl Recorded {
    fn new() -> Recorded {
        let memory = GuestRam::anonymous(RAM).unwrap();
        let config = GpuConfig::by_device_id(0x1616).unwrap();
        let mut gpu = Gpu::new(config, memory.clone());
        let file = Bytes::default();
        let (recorder, handle) = Recorder::to(file.clone(), gpu.config()).unwrap();
        gpu.set_journal(Some(Box::new(recorder)));
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        for page in 0..RAM / PAGE_SIZE {
            let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
            gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
        }
        let base = ENGINE.mmio_base();
        for (register, value) in [
            (mmio::FORCEWAKE_MT, masked_enable(1)),
            (base + ring::START, RING),
            (base + ring::CTL, ring::CTL_VALID),
        ] {
            gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
        }
        Recorded { gpu, memory, file, handle }
    }

    /// Lets the engine store `value`, by the next place of the ring.
    fn store(&mut self, turn: u32, value: u32) {
        let place = STORE_DWORDS * (turn % STORES);
        let commands = [STORE, TARGET + 4 * (turn % STORES), 0, value];
        for (n, &dword) in commands.iter().enumerate() {
            let at = u64::from(RING) + 4 * (u64::from(place) + n as u64);
            assert!(self.memory.write_u32(at, dword));
        }
        let tail = 4 * (STORE_DWORDS * ((turn + 1) % STORES));
        let register = ENGINE.mmio_base() + ring::TAIL;
        // The ring is one page, of which a part is used: its head goes back by hand.
        if tail == 0 {
            self.gpu.bar_write(Bar::Bar0, register.into(), 4, u64::from(4 * STORE_DWORDS * STORES));
            self.run();
            self.gpu.bar_write(Bar::Bar0, (ENGINE.mmio_base() + ring::HEAD).into(), 4, 0);
        }
        self.gpu.bar_write(Bar::Bar0, register.into(), 4, tail.into());
        self.run();
    }

    fn run(&mut self) {
        self.gpu.advance_to(self.gpu.now_ns() + 1000);
        self.gpu.step(100);
        self.gpu.bar_read(Bar::Bar0, (ENGINE.mmio_base() + ring::HEAD).into(), 4);
    }

    /// The file.
    fn finish(mut self) -> Vec<u8> {
        self.gpu.set_journal(None);
        let written = self.handle.finish().unwrap();
        let bytes = self.file.0.lock().unwrap().clone();
        assert_eq!(written.bytes, bytes.len() as u64);
        bytes
    }
}

fn recording(turns: u32) -> Vec<u8> {
    let mut recorded = Recorded::new();
    for turn in 0..turns {
        recorded.handle.note("turn", turn.to_string().as_bytes());
        recorded.store(turn, turn + 1);
    }
    let last = recorded.memory.read_u32(u64::from(TARGET + 4 * ((turns - 1) % STORES)));
    assert_eq!(last, Some(turns), "the device worked");
    recorded.finish()
}

fn replay(bytes: &[u8]) -> Result<Replay<Cursor<&[u8]>>, ReadError> {
    Replay::new(Cursor::new(bytes), Limits::default())
}

#[test]
fn a_recording_replays_to_its_end_with_the_same_memory() {
    let bytes = recording(40);
    for _ in 0..10 {
        let mut replay = replay(&bytes).unwrap();
        assert!(!replay.run_to(Position::End).unwrap());
        assert_eq!(replay.inputs(), replay.summary().inputs);
        assert_eq!(replay.state_hashes(), replay.summary().state_hashes);
        assert!(replay.state_hashes() > 8);
        assert_eq!(replay.gpu().memory().read_u32((TARGET + 4 * 7).into()), Some(40));
        assert_eq!(replay.summary().end, End::Complete);
    }
}

#[test]
fn a_replay_stops_at_a_number_of_inputs_and_at_a_time_and_goes_on() {
    let bytes = recording(10);
    let mut replay = replay(&bytes).unwrap();
    assert!(replay.run_to(Position::Input(265)).unwrap());
    assert_eq!(replay.inputs(), 265);
    assert!(replay.run_to(Position::Time(5_500)).unwrap());
    assert_eq!(replay.gpu().now_ns(), 5_000);
    assert_eq!(replay.gpu().memory().read_u32((TARGET + 4 * 4).into()), Some(5));
    assert_eq!(replay.gpu().memory().read_u32((TARGET + 4 * 5).into()), Some(0));
    assert!(!replay.run_to(Position::End).unwrap());
}

#[test]
fn notes_come_back_at_their_places() {
    let bytes = recording(3);
    let mut replay = replay(&bytes).unwrap();
    let mut notes = Vec::new();
    let mut hear = |_: &Gpu, kind: &str, content: &[u8]| {
        notes.push((kind.to_owned(), String::from_utf8(content.to_vec()).unwrap()));
    };
    replay.run(Position::Time(0), &mut hear).unwrap();
    replay.run(Position::End, &mut hear).unwrap();
    let expected = ["0", "1", "2"].map(|turn| ("turn".to_owned(), turn.to_owned()));
    assert_eq!(notes, expected);
}

#[test]
fn every_cut_is_told_with_its_place_and_nothing_is_executed() {
    let bytes = recording(5);
    for len in 0..bytes.len() {
        match replay(&bytes[..len]) {
            Err(ReadError::Cut { offset, .. }) => assert!(offset.file <= len as u64),
            Err(ReadError::NoRecording) => assert_eq!(len, 0),
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn a_recording_that_is_cut_off_plays_up_to_there_if_that_is_wanted() {
    // Blocks of more than one, or all would be lost.
    let mut recorded = Recorded::new();
    for turn in 0..20 {
        recorded.gpu.advance_to(u64::from(turn) << 30);
        recorded.store(turn, turn + 1);
    }
    let bytes = recorded.finish();
    let limits = Limits { partial: true, ..Limits::default() };
    let mut counts = Vec::new();
    for len in (100..bytes.len()).step_by(50) {
        let Ok(mut replay) = Replay::new(Cursor::new(&bytes[..len]), limits) else { continue };
        assert!(matches!(replay.summary().end, End::Cut(_)));
        replay.run_to(Position::End).unwrap();
        counts.push(replay.inputs());
    }
    assert!(counts.is_sorted() && counts.first() < counts.last(), "{counts:?}");
}

#[test]
fn every_flipped_byte_is_noticed_before_anything_is_executed() {
    let bytes = recording(5);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let error = replay(&bytes).expect_err("a flipped byte");
            assert!(error.to_string().contains("at byte "), "{error}");
        }
    }
}

#[test]
fn a_result_that_differs_is_told_with_its_input_and_place() {
    // As if the device had changed: the same calls, but a register read gives something else.
    let mut recorded = Recorded::new();
    recorded.store(0, 1);
    let bytes = recorded.finish();
    let changed = with_records(&bytes, |record| {
        if let Record::Output(gpu_model::journal::Output::Value(value)) = record {
            *value = 0xbad;
        }
    });
    let error = replay(&changed).unwrap().run_to(Position::End).unwrap_err();
    let ReplayError::Differs(difference) = &error else { panic!("{error}") };
    assert!(matches!(difference.what, Differs::Output { .. }), "{error}");
    assert_eq!(difference.input, replay(&changed).unwrap().summary().inputs);
    assert!(
        error.to_string().contains("gave Value(bad) when recorded and gives Value(10) now"),
        "{error}"
    );
}

#[test]
fn a_state_that_differs_is_told() {
    let bytes = recording(1);
    let changed = with_records(&bytes, |record| {
        if let Record::StateHash(hash) = record {
            *hash ^= 1;
        }
    });
    let error = replay(&changed).unwrap().run_to(Position::End).unwrap_err();
    assert!(error.to_string().contains("input 1 "), "{error}");
    assert!(error.to_string().contains("left state"), "{error}");
}

#[test]
fn states_of_another_build_are_not_compared_and_results_are() {
    let bytes = recording(1);
    let other = with_records(&bytes, |record| {
        if let Record::StateHash(hash) = record {
            *hash ^= 1;
        }
    });
    // As a build writes it whose device has another state: the header is changed, and its checksum.
    let (mut header, len) = crate::Header::read(&mut &other[..]).unwrap();
    header.power_on ^= 1;
    let mut changed = Vec::new();
    header.write(&mut changed).unwrap();
    changed.extend(&other[len as usize..]);
    let mut replay = replay(&changed).unwrap();
    replay.run_to(Position::End).unwrap();
    assert_eq!(replay.state_hashes(), 0);
    assert!(replay.inputs() > 0 && !replay.header().is_of_this_build());
}

#[test]
fn memory_that_was_not_read_in_the_recording_is_a_difference() {
    let bytes = recording(1);
    let changed = with_records(&bytes, |record| {
        if let Record::Memory(change) = record {
            change.before += 1 << 20;
        }
    });
    let error = replay(&changed).unwrap().run_to(Position::End).unwrap_err();
    assert!(error.to_string().contains("changes of memory were for later ones"), "{error}");
}

#[test]
fn more_guest_memory_than_is_let_in_is_refused() {
    let bytes = recording(1);
    let limits = Limits { ram: RAM - 1, partial: false };
    let error = Replay::new(Cursor::new(&bytes[..]), limits).unwrap_err();
    assert!(error.to_string().contains("1048576 bytes of guest memory"), "{error}");
}

#[test]
fn a_call_in_which_the_device_panicked_is_the_last_of_its_recording() {
    let recorded = Recorded::new();
    let Recorded { gpu, file, handle, .. } = recorded;
    let mut gpu = gpu;
    gpu.set_observer(Some(Box::new(Panicking)));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        gpu.reset();
        drop(gpu);
    }));
    assert!(caught.is_err());
    handle.finish().unwrap();
    let bytes = file.0.lock().unwrap().clone();
    let mut reader = Reader::new(&bytes[..], Limits::default()).unwrap();
    let mut last = None;
    while let Some(entry) = reader.next().unwrap() {
        last = Some(entry.record);
    }
    assert_eq!(last, Some(Record::Unfinished));
    let error = replay(&bytes).unwrap().run_to(Position::End).unwrap_err();
    assert!(matches!(error, ReplayError::CameBack(_)), "{error}");
}

struct Panicking;

impl gpu_model::Observer for Panicking {
    fn event(&mut self, _now_ns: u64, event: &gpu_model::Event) {
        assert!(!matches!(event, gpu_model::Event::FunctionReset), "as the test wants");
    }
}

#[test]
fn a_file_that_takes_no_more_ends_the_recording_and_is_told() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.0 -= 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = GpuConfig::by_device_id(0x1616).unwrap();
    let mut gpu = Gpu::new(config, GuestRam::empty());
    let (recorder, handle) = Recorder::to(Full(1), gpu.config()).unwrap();
    gpu.set_journal(Some(Box::new(recorder)));
    for n in 0..200_000_u64 {
        gpu.advance_to(n * 1_000_000);
    }
    gpu.set_journal(None);
    assert!(matches!(handle.finish(), Err(RecordError::Write(_))));
}

/// The same recording with records changed: taken apart, and written anew.
fn with_records(bytes: &[u8], mut change: impl FnMut(&mut Record)) -> Vec<u8> {
    let mut reader = Reader::new(bytes, Limits::default()).unwrap();
    let mut encoder = Encoder::default();
    while let Some(mut entry) = reader.next().unwrap() {
        change(&mut entry.record);
        match entry.record {
            Record::Input(input) => encoder.input(&input),
            Record::Memory(change) => encoder.memory(&change),
            Record::Output(output) => encoder.output(output),
            Record::StateHash(hash) => encoder.state_hash(hash),
            Record::Mark { kind, content } => encoder.mark(&kind, &content),
            Record::Unfinished => encoder.unfinished(),
        }
    }
    assemble(reader.config(), &encoder.bytes, reader.inputs())
}

#[test]
fn a_recording_taken_apart_and_assembled_is_the_same() {
    let bytes = recording(3);
    let mut replay = replay(&bytes).unwrap();
    replay.run_to(Position::End).unwrap();
    let again = with_records(&bytes, |_| {});
    let mut same = Replay::new(Cursor::new(&again[..]), Limits::default()).unwrap();
    same.run_to(Position::End).unwrap();
    assert_eq!(same.gpu().state_hash(), replay.gpu().state_hash());
}

proptest::proptest! {
    #[test]
    fn contents_that_nobody_would_write_are_an_error_or_a_difference(
        contents in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        inputs in 0..3_u64,
    ) {
        let config = GpuConfig::by_device_id(0x1616).unwrap();
        let bytes = assemble(&config, &contents, inputs);
        if let Ok(mut replay) = Replay::new(Cursor::new(&bytes[..]), Limits::default()) {
            let _ = replay.run_to(Position::End);
        }
    }
}
