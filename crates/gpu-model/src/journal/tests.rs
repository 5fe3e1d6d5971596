//! A device that is played from its journal is the same device.

use std::sync::{Arc, Mutex};

use gen8_spec::commands::mi::{self, semaphore};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, interrupts, masked_enable, pci, pte};
use ppgtt::PhysicalMemory;

use super::*;
use crate::{Event, GpuConfig, Interests, Observer};

const ENGINE: EngineId = EngineId::Rcs;
/// GGTT page `n` maps physical page `n`, so the addresses below are both.
const RING: u32 = 0x1_0000;
const SEMAPHORE: u32 = 0x2_0000;
const TARGET: u32 = 0x2_1000;
const RAM: u64 = 1 << 20;

/// One input with all that belongs to it.
#[derive(Clone, Debug, Default)]
struct Entry {
    input: Option<Input>,
    changes: Vec<MemoryChange>,
    output: Option<Output>,
    hash: u64,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    fn last(&self, work: impl FnOnce(&mut Entry)) {
        work(self.0.lock().unwrap().last_mut().expect("a call began"));
    }

    fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }
}

impl Journal for Log {
    fn begin(&mut self, input: &Input) {
        self.0.lock().unwrap().push(Entry { input: Some(input.clone()), ..Entry::default() });
    }
    fn memory(&mut self, changes: &[MemoryChange]) {
        self.last(|entry| entry.changes.extend(changes));
    }
    fn end(&mut self, output: Output) -> bool {
        self.last(|entry| entry.output = Some(output));
        true
    }
    fn state_hash(&mut self, hash: u64) {
        self.last(|entry| entry.hash = hash);
    }
    fn lost(&mut self, why: &str) {
        panic!("lost: {why}");
    }
}

fn config() -> GpuConfig {
    GpuConfig::by_device_id(0x1616).unwrap()
}

/// A device with a journal, whose render engine takes commands from a ring.
fn recorded() -> (Gpu, GuestRam, Log) {
    let memory = GuestRam::anonymous(RAM).unwrap();
    let mut gpu = Gpu::new(config(), memory.clone());
    let log = Log::default();
    gpu.set_journal(Some(Box::new(log.clone())));
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    for page in 0..RAM / PAGE_SIZE {
        let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
        gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
    }
    let base = ENGINE.mmio_base();
    for (register, value) in [
        (mmio::FORCEWAKE_MT, masked_enable(1)),
        (interrupts::MASTER, interrupts::MASTER_ENABLE),
        (base + ring::START, RING),
        (base + ring::CTL, ring::CTL_VALID),
    ] {
        gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
    }
    (gpu, memory, log)
}

fn write(memory: &GuestRam, address: u32, dwords: &[u32]) {
    for (n, &dword) in dwords.iter().enumerate() {
        assert!(memory.write_u32(u64::from(address) + 4 * n as u64, dword));
    }
}

fn submit(gpu: &mut Gpu, tail: u32) {
    gpu.bar_write(Bar::Bar0, (ENGINE.mmio_base() + ring::TAIL).into(), 4, tail.into());
}

/// Hears of everything.
struct Curious;

impl Observer for Curious {
    fn interests(&self) -> Interests {
        Interests::ALL
    }

    fn event(&mut self, _now_ns: u64, _event: &Event) {}
}

/// Plays all and compares results and hashes, with an observer and without.
fn replay(log: &Log) -> Player {
    let mut observed = Player::new(config());
    observed.gpu_mut().set_observer(Some(Box::new(Curious)));
    play_all(&mut observed, log);
    let mut player = Player::new(config());
    play_all(&mut player, log);
    player
}

fn play_all(player: &mut Player, log: &Log) {
    for (n, entry) in log.entries().iter().enumerate() {
        let input = entry.input.as_ref().unwrap();
        let output = player.play(input, &entry.changes).unwrap();
        assert_eq!(Some(output), entry.output, "input {n}: {input:?}");
        assert_eq!(player.gpu().state_hash(), entry.hash, "input {n}: {input:?}");
    }
}

const STORE: u32 = mi::header(mi::STORE_DATA_IMM, mi::USE_GGTT | 2);
const NOOP: u32 = mi::header(mi::NOOP, 0);

#[test]
fn a_replay_gives_the_same_results_states_and_memory() {
    let (mut gpu, memory, log) = recorded();
    write(&memory, RING, &[STORE, TARGET, 0, 0x1234, STORE, TARGET + 4, 0, 0x5678]);
    submit(&mut gpu, 32);
    gpu.advance_to(1000);
    assert_eq!(gpu.step(100).commands, 2);
    gpu.bar_read(Bar::Bar0, (ENGINE.mmio_base() + ring::HEAD).into(), 4);
    assert_eq!(memory.read_u64(TARGET.into()), Some(0x5678_0000_1234));
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u64(TARGET.into()), Some(0x5678_0000_1234));
    assert_eq!(player.gpu().now_ns(), 1000);
}

#[test]
fn what_a_cpu_writes_is_seen_at_the_very_access_that_saw_it() {
    let (mut gpu, memory, log) = recorded();
    let compare = semaphore::SAD_EQ_SDD << semaphore::COMPARE_SHIFT;
    let wait = mi::header(mi::SEMAPHORE_WAIT, mi::USE_GGTT | semaphore::POLL | compare | 2);
    write(&memory, RING, &[wait, 1, SEMAPHORE, 0, STORE, TARGET, 0, 7, NOOP, NOOP]);
    submit(&mut gpu, 40);
    for turn in 0..6 {
        gpu.step(10);
        // Between the looks of the same engine, as a CPU does.
        write(&memory, SEMAPHORE, &[u32::from(turn == 3)]);
        if turn > 3 {
            write(&memory, SEMAPHORE, &[9]);
        }
    }
    assert_eq!(memory.read_u32(TARGET.into()), Some(7));
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u32(TARGET.into()), Some(7));
}

/// A CPU that writes when a mark is executed.
struct Writer(GuestRam);

impl Observer for Writer {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        if let &Event::NopId { value, .. } = event {
            write(&self.0, TARGET, &[value]);
        }
    }
}

#[test]
fn a_replay_changes_memory_in_the_midst_of_a_step() {
    let (mut gpu, memory, log) = recorded();
    gpu.set_observer(Some(Box::new(Writer(memory.clone()))));
    let load =
        |register| [mi::header(mi::LOAD_REGISTER_MEM, mi::USE_GGTT | 2), register, TARGET, 0];
    let mark = |value| [mi::header(mi::NOOP, mi::NOOP_WRITE_ID | value), NOOP];
    let gpr = |n: u32| ENGINE.mmio_base() + ring::GPR0 + 8 * n;
    let commands = [&mark(5)[..], &load(gpr(0)), &mark(6), &load(gpr(1)), &mark(7)].concat();
    write(&memory, RING, &commands);
    submit(&mut gpu, 4 * commands.len() as u32);
    gpu.step(100);
    let loaded = |gpu: &mut Gpu| [0, 1].map(|n| gpu.register(gpr(n)));
    assert_eq!(loaded(&mut gpu), [Some(5), Some(6)]);
    let mut player = replay(&log);
    assert_eq!(loaded(player.gpu_mut()), [Some(5), Some(6)]);
}

#[test]
fn the_device_hears_nothing_of_memory_that_it_did_not_read() {
    let (mut gpu, memory, log) = recorded();
    write(&memory, 0x5_0000, &[0xdead_beef]);
    submit(&mut gpu, 8);
    gpu.step(10);
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u32(0x5_0000), Some(0));
    assert_eq!(gpu.note_reads(|memory| memory.read_u32(0x5_0000)), Some(0xdead_beef));
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u32(0x5_0000), Some(0xdead_beef));
}

#[test]
fn looks_at_the_memory_of_a_recorded_device_leave_no_trace() {
    let (mut gpu, memory, log) = recorded();
    write(&memory, RING, &[NOOP; 4]);
    assert_eq!(gpu.memory().read_u32(RING.into()), Some(NOOP));
    let before = log.entries().len();
    assert_eq!(gpu.copy_without_ggtt().memory().read_u32(RING.into()), Some(NOOP));
    assert_eq!(log.entries().len(), before);
    submit(&mut gpu, 16);
    gpu.step(10);
    replay(&log);
}

/// Reads memory when a mark is executed, through a handle of its own.
struct Reader(GuestRam, Arc<Mutex<Vec<Option<u32>>>>);

impl Observer for Reader {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        if matches!(event, Event::NopId { .. }) {
            self.1.lock().unwrap().push(self.0.read_u32(TARGET.into()));
        }
    }
}

/// Between two stores to the place that the observer reads, a mark.
const MARKED: [u32; 10] =
    [STORE, TARGET, 0, 1, mi::header(mi::NOOP, mi::NOOP_WRITE_ID | 5), NOOP, STORE, TARGET, 0, 2];

#[test]
fn an_observer_of_a_replay_finds_the_memory_that_it_found_live() {
    let (mut gpu, memory, log) = recorded();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reader = Reader(gpu.observed_memory().clone(), Arc::clone(&seen));
    gpu.set_observer(Some(Box::new(reader)));
    write(&memory, RING, &MARKED);
    submit(&mut gpu, 40);
    gpu.step(1);
    // Behind the device's back, and the device overwrites it before it reads there.
    write(&memory, TARGET, &[77]);
    gpu.step(10);
    assert_eq!(*seen.lock().unwrap(), [Some(77)]);

    let again = Arc::new(Mutex::new(Vec::new()));
    let mut player = Player::new(config());
    for entry in log.entries() {
        let input = entry.input.unwrap();
        player.play(&input, &entry.changes).unwrap();
        let memory = player.gpu().observed_memory().clone();
        let reader = Reader(memory, Arc::clone(&again));
        player.gpu_mut().set_observer(Some(Box::new(reader)));
    }
    assert_eq!(*again.lock().unwrap(), [Some(77)]);
    assert_eq!(player.gpu().memory().read_u32(TARGET.into()), Some(2));
    // Without an observer the device is the same.
    replay(&log);
}

#[test]
fn what_an_observer_reads_behind_the_last_access_of_a_call_is_no_difference() {
    let (mut gpu, memory, log) = recorded();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reader = Reader(gpu.observed_memory().clone(), Arc::clone(&seen));
    gpu.set_observer(Some(Box::new(reader)));
    write(&memory, RING, &[mi::header(mi::NOOP, mi::NOOP_WRITE_ID | 5), NOOP]);
    write(&memory, TARGET, &[77]);
    submit(&mut gpu, 8);
    gpu.step(1);
    assert_eq!(*seen.lock().unwrap(), [Some(77)]);
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u32(TARGET.into()), Some(77));
}

#[test]
fn memory_that_moves_is_replayed_where_it_lies() {
    let (mut gpu, memory, log) = recorded();
    write(&memory, RING, &[STORE, TARGET, 0, 1, STORE, TARGET, 0, 2]);
    submit(&mut gpu, 16);
    gpu.step(10);
    let other = GuestRam::anonymous_regions(&[(0, RAM), (2 * RAM, RAM)]).unwrap();
    write(&other, RING, &[STORE, TARGET, 0, 3, STORE, TARGET, 0, 4]);
    gpu.set_memory(other.clone());
    submit(&mut gpu, 32);
    gpu.step(10);
    assert_eq!(other.read_u32(TARGET.into()), Some(4));
    let player = replay(&log);
    assert_eq!(player.gpu().memory().read_u32(TARGET.into()), Some(4));
    assert_eq!(player.gpu().memory().ranges(), other.ranges());
}

#[test]
fn changes_that_nobody_reads_are_an_error() {
    let (mut gpu, memory, log) = recorded();
    write(&memory, RING, &[STORE, TARGET, 0, 1]);
    submit(&mut gpu, 16);
    gpu.step(10);
    let entries = log.entries();
    let mut player = Player::new(config());
    for entry in &entries[..entries.len() - 1] {
        player.play(entry.input.as_ref().unwrap(), &entry.changes).unwrap();
    }
    let last = entries.last().unwrap();
    let mut changes = last.changes.clone();
    changes.last_mut().unwrap().before += 1000;
    let error = player.play(last.input.as_ref().unwrap(), &changes).unwrap_err();
    assert!(matches!(error, PlayError::Accesses { left: 1, .. }), "{error}");
}
