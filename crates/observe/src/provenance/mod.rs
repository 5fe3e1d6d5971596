//! Who wrote a register, a page-table entry, a dword of a context image.
//!
//! The device hears of every write of a register and of a GGTT entry, and of what its engines write to
//! memory. What CPUs write to memory it does not see. A machine that does tells
//! ([`Provenance::note_cpu_write`]); elsewhere the pages that matter are compared with what they were: page
//! tables whenever an engine loads their root, a context's image whenever the context is submitted or
//! loaded. Then a write is known by the window in which it happened, and of several in one window only the
//! last value.
//!
//! Watched are pages that hints call page tables or context images, tables that are reached from a loaded
//! root, and state pages of contexts that were loaded. All is bounded: 8192 pages (32 MiB of copies; of
//! more, those that were looked at longest ago go), 4096 tables a root, the last 8 writes of a place, and of
//! all writes at least the last 65 536 to memory, 16 384 to registers and as many to GGTT entries.

mod history;
mod pages;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::ENGINE_COUNT;
use gen8_spec::pte;
use gpu_model::{Actor, Event, GuestRam, Interests, MemoryWrite, Observer, Submission, WriteKind};
use ppgtt::{Levels, PageTableRoot, PhysicalMemory};

use crate::engines;
use crate::running::RunningEngines;
use history::History;
use pages::{Pages, page_of};
pub use write::{Place, Running, When, Write, Writer};

/// Writes to memory in a generation of their history.
const MEMORY_WRITES: usize = 1 << 16;
/// Writes to registers, and to GGTT entries, in a generation of theirs.
const OTHER_WRITES: usize = 1 << 14;
/// Tables that are watched under one root.
const TABLES: usize = 4096;
/// Context images whose page is known by their GGTT address.
const IMAGES: usize = 4096;

/// Who wrote what: an [`Observer`] of the device. Clones share what is known, so that one can be asked
/// while the device owns another.
#[derive(Clone, Debug, Default)]
pub struct Provenance(Arc<Mutex<Known>>);

/// A write to a qword of memory.
#[derive(Debug)]
struct Written {
    write: Write,
    /// The first byte of the qword that was written, and the first that was not.
    bytes: (u8, u8),
}

#[derive(Debug)]
struct Known {
    registers: History<u32, Write>,
    ggtt: History<u64, Write>,
    /// By the address of the qword.
    memory: History<u64, Written>,
    pages: Pages,
    /// State pages of contexts, by GGTT address of the image.
    images: HashMap<u64, u64>,
    /// What each engine has loaded.
    roots: [Option<PageTableRoot>; ENGINE_COUNT],
    running: RunningEngines,
    /// Where the CPU is that accesses the device.
    instruction: Option<u64>,
    ram: GuestRam,
}

impl Default for Known {
    fn default() -> Self {
        Known {
            registers: History::new(OTHER_WRITES),
            ggtt: History::new(OTHER_WRITES),
            memory: History::new(MEMORY_WRITES),
            pages: Pages::default(),
            images: HashMap::new(),
            roots: [None; ENGINE_COUNT],
            running: RunningEngines::default(),
            instruction: None,
            ram: GuestRam::empty(),
        }
    }
}

impl Provenance {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The writes of `place` that are known, oldest first. Of memory that is watched and was not written
    /// since, it is what stood there when it was looked at first.
    pub fn who_wrote(&self, place: Place) -> Vec<Write> {
        let known = self.lock();
        match place {
            Place::Register(offset) => known.registers.of(offset).cloned().collect(),
            Place::Ggtt(index) => known.ggtt.of(index).cloned().collect(),
            Place::Memory(address, len) => known.writes_of_memory(address, len),
        }
    }

    /// The last write of `place`, if one is known.
    pub fn last_write(&self, place: Place) -> Option<Write> {
        self.who_wrote(place).pop()
    }

    /// Looks at the page that holds `address` and watches it from now on. An observer of the device gives
    /// the memory that it was given; others give the device's.
    pub fn look<M: PhysicalMemory>(&self, memory: &M, address: u64, now_ns: u64) {
        self.lock().look(memory, page_of(address), now_ns);
    }

    /// A CPU wrote the low `len` bytes of `value`, 8 at most, to physical address `address` at device
    /// time `now_ns`: for machines that see each write. Kept if the page is watched.
    pub fn note_cpu_write(&self, now_ns: u64, address: u64, len: u8, value: u64) {
        let mut known = self.lock();
        let by = known.cpu();
        known.write_memory(now_ns, address, u64::from(len).min(8), value, &by);
    }

    /// From here on it is the instruction at `instruction` that accesses the device, as far as is known.
    pub fn set_instruction(&self, instruction: Option<u64>) {
        self.lock().instruction = instruction;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Events leave it whole; a panic elsewhere is no reason to stop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn cpu(&self) -> Writer {
        self.instruction.map_or(Writer::Cpu, Writer::CpuAt)
    }

    fn writer(&self, actor: Actor) -> Writer {
        match actor {
            Actor::Cpu => self.cpu(),
            Actor::Engine(site) => Writer::Engine {
                engine: site.engine,
                context: site.context,
                address: site.address,
                in_batch: site.in_batch,
            },
        }
    }

    fn writes_of_memory(&self, address: u64, len: u8) -> Vec<Write> {
        let qword = address & !7;
        let first = (address - qword) as u8;
        let end = first.saturating_add(len.clamp(1, 8)).min(8);
        let cut =
            |value: u64| value << (64 - 8 * u32::from(end)) >> (64 - 8 * u32::from(end - first));
        let overlaps = |written: &&Written| written.bytes.0 < end && first < written.bytes.1;
        let cut_write = |written: &Written| {
            let write = written.write.clone();
            Write { old: write.old.map(cut), new: cut(write.new), ..write }
        };
        let mut writes: Vec<Write> =
            self.memory.of(qword).filter(overlaps).map(cut_write).collect();
        let Some(page) = self.pages.of(address) else { return writes };
        let now = cut(page.word(address));
        // The page was looked at as another one since, or for the first time.
        if writes.last().is_none_or(|last| last.new != now) {
            let since_ns = writes.last().map_or(0, |last| last.when.latest_ns());
            writes.push(Write {
                when: When::Between(since_ns.min(page.first_ns), page.first_ns),
                by: Writer::Cpu,
                old: None,
                new: now,
                running: Vec::new(),
            });
        }
        writes
    }

    fn look<M: PhysicalMemory>(&mut self, memory: &M, page: u64, now_ns: u64) {
        self.look_for(memory, page, now_ns, None);
    }

    /// Looks at a page. What is not as it was, `by` wrote now, or else a CPU since it was looked at last.
    fn look_for<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        page: u64,
        now_ns: u64,
        by: Option<&Writer>,
    ) {
        for change in self.pages.look(memory, page, now_ns).unwrap_or_default() {
            let when = match by {
                Some(_) => When::At(now_ns),
                None => When::Between(change.since_ns, now_ns),
            };
            let write = Write {
                when,
                by: by.cloned().unwrap_or(Writer::Cpu),
                old: Some(change.old),
                new: change.new,
                running: self.running.list(),
            };
            let bytes = changed_bytes(change.old ^ change.new);
            self.memory.push(change.address, Written { write, bytes });
        }
    }

    /// Looks at all tables under a root.
    fn look_at_tables(&mut self, root: PageTableRoot, now_ns: u64) {
        let ram = self.ram.clone();
        let top = match root.levels() {
            Levels::Three => 1,
            Levels::Four => 3,
        };
        let mut left: Vec<(u64, u32)> = root.tables().map(|table| (table, top)).collect();
        let mut met: HashSet<u64> = left.iter().map(|&(table, _)| table).collect();
        while let Some((table, level)) = left.pop() {
            self.look(&ram, table, now_ns);
            let Some(page) = self.pages.of(table).filter(|_| level > 0) else { continue };
            let names_table = |entry: &u64| {
                entry & pte::PRESENT != 0 && (level == 3 || entry & pte::PAGE_SIZE_BIT == 0)
            };
            for entry in page.words().iter().filter(|entry| names_table(entry)) {
                let next = entry & pte::ADDRESS_MASK;
                if met.len() < TABLES && met.insert(next) {
                    left.push((next, level - 1));
                }
            }
        }
    }

    /// A write that is known to have happened.
    fn write_memory(&mut self, now_ns: u64, address: u64, len: u64, value: u64, by: &Writer) {
        let (mut at, mut left, mut value) = (address, len, value);
        while left > 0 {
            let first = at % 8;
            let count = left.min(8 - first);
            if let Some((old, new)) = self.pages.write(at, count, value) {
                let write = Write {
                    when: When::At(now_ns),
                    by: by.clone(),
                    old: Some(old),
                    new,
                    running: self.running.list(),
                };
                let bytes = (first as u8, (first + count) as u8);
                self.memory.push(at - first, Written { write, bytes });
            }
            (at, left) = (at + count, left - count);
            value = value.checked_shr(8 * count as u32).unwrap_or(0);
        }
    }

    /// The device wrote memory.
    fn device_wrote(&mut self, now_ns: u64, write: &MemoryWrite) {
        if self.pages.of(write.physical).is_none() {
            return;
        }
        let by = match write.kind {
            WriteKind::ContextSave => Writer::Device("saved a context".to_owned()),
            WriteKind::Status => Writer::Device("told a status".to_owned()),
            WriteKind::Command | WriteKind::Blit | WriteKind::Aperture => self.writer(write.by),
        };
        match write.value {
            Some(value) => self.write_memory(now_ns, write.physical, write.len, value, &by),
            None => {
                let ram = self.ram.clone();
                self.look_for(&ram, page_of(write.physical), now_ns, Some(&by));
            }
        }
    }

    fn write_register(&mut self, now_ns: u64, offset: u32, value: u32, by: Actor) {
        let write = Write {
            when: When::At(now_ns),
            by: self.writer(by),
            old: self.registers.of(offset).last().map(|write| write.new),
            new: value.into(),
            running: self.running.list(),
        };
        self.registers.push(offset, write);
    }

    fn write_ggtt(&mut self, now_ns: u64, index: u64, old: u64, new: u64, by: Actor) {
        let write = Write {
            when: When::At(now_ns),
            by: self.writer(by),
            old: Some(old),
            new,
            running: self.running.list(),
        };
        self.ggtt.push(index, write);
    }

    fn hint(&mut self, now_ns: u64, hint: Hint) {
        match hint {
            Hint::PageOwned { page, kind, .. } if matters(kind) => {
                let ram = self.ram.clone();
                self.look(&ram, page, now_ns);
            }
            Hint::PageOwned { page, .. } | Hint::PageFreed { page } => self.pages.forget(page),
            _ => {}
        }
    }

    /// A context's state page is read or written by the device.
    fn image(&mut self, now_ns: u64, image: u64, page: u64) {
        if self.images.len() < IMAGES || self.images.contains_key(&image) {
            self.images.insert(image, page);
        }
        let ram = self.ram.clone();
        self.look(&ram, page, now_ns);
    }

    fn submitted(&mut self, now_ns: u64, how: Submission) {
        let Submission::Elsp { elements, .. } = how else { return };
        let ram = self.ram.clone();
        for element in elements.iter().filter(|element| element.is_valid()) {
            if let Some(&page) = self.images.get(&u64::from(element.lrca())) {
                self.look(&ram, page, now_ns);
            }
        }
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        match *event {
            Event::RegisterWritten { offset, value, by } => {
                self.write_register(now_ns, offset, value, by);
            }
            Event::GgttWritten { index, old, new, by } => {
                self.write_ggtt(now_ns, index, old, new, by);
            }
            Event::MemoryWritten(ref write) => self.device_wrote(now_ns, write),
            Event::Hint(hint) => self.hint(now_ns, hint),
            Event::Submitted { how, .. } => self.submitted(now_ns, how),
            Event::ContextLoaded { engine, image, page, lite, .. } => {
                self.image(now_ns, image, page);
                if let Some(root) = self.roots[engine.index()].filter(|_| lite) {
                    self.look_at_tables(root, now_ns);
                }
            }
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                self.roots[engine.index()] = engines::root(levels, pdps);
                if let Some(root) = self.roots[engine.index()] {
                    self.look_at_tables(root, now_ns);
                }
            }
            _ => {}
        }
        self.running.event(event);
    }
}

impl Observer for Provenance {
    fn interests(&self) -> Interests {
        Interests::BASICS
            | Interests::REGISTER_WRITES
            | Interests::GGTT_WRITES
            | Interests::MEMORY_WRITES
            | Interests::SUBMISSIONS
            | Interests::CONTEXTS
            | Interests::REQUESTS
    }

    fn memory(&mut self, memory: &GuestRam) {
        self.lock().ram = memory.clone();
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        self.lock().event(now_ns, event);
    }
}

/// Whether pages of this kind are watched.
const fn matters(kind: PageKind) -> bool {
    kind.is_page_table() && !matches!(kind, PageKind::ScratchPage)
        || matches!(kind, PageKind::ContextImage)
}

/// First byte that differs, and the first behind the last.
fn changed_bytes(difference: u64) -> (u8, u8) {
    let first = (difference.trailing_zeros() / 8).min(7) as u8;
    let end = (8 - difference.leading_zeros() / 8) as u8;
    (first, end)
}
