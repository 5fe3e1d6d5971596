//! What a recording knows of guest memory.
//!
//! The device shares its memory with CPUs that write at any time. While it is recorded, every access of
//! the device has a number, and a second memory holds what the recording knows: what the device read and
//! what it wrote. Before the device reads, the two are compared; what differs is a [`MemoryChange`], with the number
//! of the access that needs it. The device always reads the second memory. A replay has that one alone,
//! and makes each change before the access of its number: so both see the same bytes at the same access.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_memory::{GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion};

use crate::digest::mix;

use super::{GuestRam, Mappings, MemoryError, RamRange, Region};

/// Qwords that are learned together: a cache line.
pub(super) const LINE_WORDS: usize = 8;
/// Bytes of them.
const LINE: u64 = (LINE_WORDS * WORD) as u64;
const WORD: usize = size_of::<u64>();

/// What somebody else than the device wrote to guest memory, as far as the device saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryChange {
    /// Number of the device's access before which it happened, from 1 on.
    pub before: u64,
    /// Guest-physical address of the first qword; the change ends in the same cache line.
    pub address: u64,
    /// Qwords, 1 to 8.
    pub count: u8,
    /// The qwords, as the bytes in memory, little endian; what lies behind `count` is 0.
    pub words: [u64; LINE_WORDS],
}

impl MemoryChange {
    /// The qwords that it writes.
    pub fn words(&self) -> &[u64] {
        self.words.get(..usize::from(self.count)).unwrap_or(&self.words)
    }
}

/// The changes on their way: out of a device that is recorded, into one that is replayed; and the number
/// of the device's accesses. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryChanges(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Number of the last access.
    accesses: AtomicU64,
    /// Access before which the first change in the list is to be made; `u64::MAX` for none, as in
    /// recordings.
    due: AtomicU64,
    /// What the device wrote, as one number.
    written: AtomicU64,
    /// There is something in the list.
    any: AtomicBool,
    list: Mutex<VecDeque<MemoryChange>>,
}

/// No access has this number.
const NEVER: u64 = u64::MAX;

impl Default for MemoryChanges {
    fn default() -> Self {
        MemoryChanges(Arc::new(Shared {
            accesses: AtomicU64::new(0),
            due: AtomicU64::new(NEVER),
            written: AtomicU64::new(0),
            any: AtomicBool::new(false),
            list: Mutex::default(),
        }))
    }
}

impl MemoryChanges {
    /// Accesses of the device so far.
    pub fn accesses(&self) -> u64 {
        self.0.accesses.load(Ordering::Relaxed)
    }

    /// Takes what was learned since the last time out of the list.
    #[inline]
    pub(crate) fn take(&self, to: &mut Vec<MemoryChange>) {
        if self.0.any.load(Ordering::Relaxed) {
            self.0.any.store(false, Ordering::Relaxed);
            to.extend(self.list().drain(..));
        }
    }

    /// Puts changes, in order of their accesses, into the list of those to be made.
    pub(crate) fn feed(&self, changes: &[MemoryChange]) {
        let mut list = self.list();
        list.extend(changes);
        self.0.due.store(list.front().map_or(NEVER, |first| first.before), Ordering::Relaxed);
    }

    /// Changes that were not made yet.
    pub(crate) fn left(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<MemoryChange>> {
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the accesses of a recorded or replayed device are noted.
#[derive(Clone)]
pub(super) struct Tap {
    /// As of a [`GuestRam`] without tap.
    pub(super) main: Region,
    changes: MemoryChanges,
    /// These are the device's own accesses, which have numbers; not those of its observers.
    counts: bool,
    /// What the recording knows, by region.
    known: Arc<[Arc<GuestRegionMmap>]>,
    /// The guest's own memory, if the device is recorded.
    real: Option<Arc<GuestRam>>,
}

impl Tap {
    /// An access begins. What a replay has to change before it is changed.
    #[inline]
    pub(super) fn begin(&self, ram: &GuestRam) {
        let shared = &*self.changes.0;
        let number = shared.accesses.load(Ordering::Relaxed) + 1;
        if self.counts {
            // One thread at a time accesses memory for the device.
            shared.accesses.store(number, Ordering::Relaxed);
        }
        if number >= shared.due.load(Ordering::Relaxed) {
            self.make(ram, number);
        }
    }

    /// The bytes are about to be read: takes over what the recording does not know of them.
    #[inline]
    pub(super) fn reads(&self, ram: &GuestRam, region: &Region, address: u64, len: u64) {
        self.begin(ram);
        let first = address & !(LINE - 1);
        let mut line = first;
        while line < address.saturating_add(len) {
            self.learn_line(region, line);
            line += LINE;
        }
    }

    /// As [`Tap::reads`], for at most a qword, aligned to its size: the other words of its line are
    /// taken over with it only if it differs itself.
    #[inline]
    pub(super) fn reads_word(&self, ram: &GuestRam, region: &Region, address: u64) {
        self.begin(ram);
        let word = address & !(WORD as u64 - 1);
        let Some(real) = region.real(word, WORD as u64) else { return };
        let Some(known) = region.word::<u64>(word) else { return };
        // SAFETY: `real` and `word` give pointers to eight aligned bytes inside live mappings.
        let real = unsafe { real.cast::<u64>().read_volatile() };
        // SAFETY: as above.
        let known = unsafe { known.read_volatile() };
        if real != known {
            self.learn_line(region, address & !(LINE - 1));
        }
    }

    /// Takes over a cache line, if it differs.
    #[inline]
    fn learn_line(&self, region: &Region, address: u64) {
        let Some(real) = region.real(address, LINE) else { return };
        let Some(known) = region.pointer(address, LINE) else { return };
        let real: *const u64 = real.cast();
        let known: *mut u64 = known.cast();
        let words: [u64; LINE_WORDS] = core::array::from_fn(|n| {
            // SAFETY: `real` covers a line of a live mapping, and lines are aligned as pages are.
            u64::from_le(unsafe { real.wrapping_add(n).read_volatile() })
        });
        let differs = |n: usize| {
            // SAFETY: as above.
            let old = unsafe { known.wrapping_add(n).read_volatile() };
            words[n] ^ u64::from_le(old)
        };
        if (0..LINE_WORDS).fold(0, |all, n| all | differs(n)) == 0 {
            return;
        }
        let differing = || (0..LINE_WORDS).filter(|&n| differs(n) != 0);
        let (Some(first), Some(last)) = (differing().next(), differing().next_back()) else {
            return;
        };
        self.learn(address + (WORD * first) as u64, &words[first..=last]);
        for (n, word) in words.iter().enumerate() {
            // SAFETY: as above, and nobody else writes what the recording knows.
            unsafe { known.wrapping_add(n).write_volatile(word.to_le()) };
        }
    }

    /// Takes over what an atomic access found in the word at `address`, which `known` covers.
    pub(super) fn learn_word<T: Copy>(&self, address: u64, known: *mut T, found: T) {
        let offset = address as usize % WORD;
        let word: *mut u64 = known.wrapping_byte_sub(offset).cast();
        // SAFETY: the aligned qword around a word that is covered lies in the same page.
        let before = unsafe { word.read_volatile() };
        // SAFETY: `known` covers an aligned word of a live mapping.
        unsafe { known.write_volatile(found) };
        // SAFETY: as for `before`.
        let now = unsafe { word.read_volatile() };
        if now != before {
            self.learn(address - offset as u64, &[u64::from_le(now)]);
        }
    }

    /// Something was written; `known` covers it. Of what is long the ends have to do.
    #[inline]
    pub(super) fn wrote(&self, address: u64, known: *const u8, len: u64) {
        let ends = [known, known.wrapping_add((len as usize).saturating_sub(WORD))];
        let end = |pointer: *const u8| {
            // SAFETY: an aligned qword that holds a byte of a live mapping lies in the same page.
            unsafe { pointer.map_addr(|at| at & !(WORD - 1)).cast::<u64>().read_volatile() }
        };
        let [first, last] = ends.map(end);
        self.add(address ^ first ^ last.rotate_left(1));
    }

    /// As [`Tap::wrote`], for a word of which the value is at hand: to read back what was just written, as part
    /// of a larger word, takes longer than all else here.
    #[inline]
    pub(super) fn wrote_word(&self, address: u64, value: u64) {
        self.add(address ^ value.rotate_left(32));
    }

    /// Adds to the number of what was written.
    #[inline]
    fn add(&self, what: u64) {
        let written = &self.changes.0.written;
        // The number of the access makes a sum of what would be a chain, which takes longer.
        let part = mix(what) ^ mix(self.changes.accesses());
        let sum = written.load(Ordering::Relaxed).wrapping_add(part);
        written.store(sum, Ordering::Relaxed);
    }

    #[cold]
    fn learn(&self, address: u64, found: &[u64]) {
        let mut words = [0; LINE_WORDS];
        words[..found.len()].copy_from_slice(found);
        let before = self.changes.accesses() + u64::from(!self.counts);
        let count = found.len() as u8;
        self.changes.list().push_back(MemoryChange { before, address, count, words });
        self.changes.0.any.store(true, Ordering::Relaxed);
    }

    /// Makes the changes that are due before access `number`.
    #[cold]
    fn make(&self, ram: &GuestRam, number: u64) {
        let mut list = self.changes.list();
        while let Some(change) = list.front().filter(|change| change.before <= number) {
            for (n, word) in change.words().iter().enumerate() {
                let address = change.address.wrapping_add((WORD * n) as u64);
                let word = word.to_le();
                // What lies outside of RAM nobody can read either.
                if let Some(pointer) =
                    ram.region_of(address).and_then(|region| region.word::<u64>(address))
                {
                    // SAFETY: `word` gives a pointer to eight aligned bytes inside a live mapping.
                    unsafe { pointer.write_volatile(word) };
                }
            }
            list.pop_front();
        }
        let next = list.front().map_or(NEVER, |change| change.before);
        self.changes.0.due.store(next, Ordering::Relaxed);
    }
}

impl GuestRam {
    /// Where RAM is.
    pub fn ranges(&self) -> Vec<RamRange> {
        self.regions.iter().map(Region::range).collect()
    }

    /// This memory as a recorded device reaches it. What the recording knows of ranges that `before`, the
    /// device's memory until now, had as well, it still knows.
    pub(crate) fn recorded(
        &self,
        before: &GuestRam,
        changes: &MemoryChanges,
    ) -> Result<GuestRam, MemoryError> {
        let known = Known::new(&self.ranges(), before)?;
        let pairs = self.regions.iter().zip(&known.regions);
        let regions = pairs.map(|(real, known)| real.known_in(known)).collect();
        known.tapped(regions, changes, Some(Arc::new(self.clone())))
    }

    /// The memory of a device that is replayed: RAM in these ranges, with what `before` held in the same
    /// range, else zeroed.
    pub(crate) fn replayed(
        ranges: &[RamRange],
        before: &GuestRam,
        changes: &MemoryChanges,
    ) -> Result<GuestRam, MemoryError> {
        let known = Known::new(ranges, before)?;
        let pairs = known.regions.iter().zip(ranges);
        let regions = pairs.map(|(known, range)| known.with_rights(range.writable));
        let regions = regions.collect();
        known.tapped(regions, changes, None)
    }

    /// The same memory for those who are not the device, and whom no recording follows.
    pub(crate) fn untapped(&self) -> GuestRam {
        match &self.tap {
            None => self.clone(),
            Some(Tap { real: Some(real), .. }) => GuestRam::clone(real),
            Some(tap) => GuestRam { main: tap.main, tap: None, ..self.clone() },
        }
    }

    /// The same memory for observers of the device, while it works: what they read gets into the recording, so
    /// that they find the same in a replay.
    pub(crate) fn for_observers(&self) -> GuestRam {
        let tap = self.tap.clone().map(|tap| Tap { counts: false, ..tap });
        GuestRam { tap, ..self.clone() }
    }

    /// Makes the changes of a replay that are due before the device's next access.
    pub(crate) fn catch_up(&self) {
        if let Some(tap) = &self.tap {
            tap.begin(self);
        }
    }

    /// What the device wrote, as one number, and how often it accessed memory; zeros if it is neither
    /// recorded nor replayed.
    pub(crate) fn written(&self) -> [u64; 2] {
        let Some(tap) = &self.tap else { return [0; 2] };
        let shared = &*tap.changes.0;
        [&shared.written, &shared.accesses].map(|number| number.load(Ordering::Relaxed))
    }
}

/// Memory for what a recording knows.
struct Known {
    mappings: Vec<Arc<GuestRegionMmap>>,
    regions: Vec<Region>,
}

impl Known {
    /// Zeroed memory in these ranges, which are sorted; that of `before` where it has the same range.
    fn new(ranges: &[RamRange], before: &GuestRam) -> Result<Known, MemoryError> {
        let kept: &[Arc<GuestRegionMmap>] = before.tap.as_ref().map_or(&[], |tap| &tap.known);
        let mapping = |range: &RamRange| {
            let same = |region: &&Arc<GuestRegionMmap>| {
                region.start_addr().0 == range.base && region.len() == range.len
            };
            kept.iter().find(same).map_or_else(|| anonymous(range), |region| Ok(Arc::clone(region)))
        };
        let mappings = ranges.iter().map(mapping).collect::<Result<Vec<_>, _>>()?;
        let regions =
            mappings.iter().map(|region| Region::new(region)).collect::<Result<_, _>>()?;
        Ok(Known { mappings, regions })
    }

    fn tapped(
        self,
        regions: Arc<[Region]>,
        changes: &MemoryChanges,
        real: Option<Arc<GuestRam>>,
    ) -> Result<GuestRam, MemoryError> {
        let size = regions.iter().map(|region| region.len).sum();
        let memory = match self.mappings.is_empty() {
            true => GuestMemoryMmap::new(),
            false => GuestMemoryMmap::from_arc_regions(self.mappings.clone())
                .map_err(|error| MemoryError::Map { size, reason: error.to_string() })?,
        };
        let tap = Tap {
            main: Region::main(&regions),
            changes: changes.clone(),
            counts: true,
            known: self.mappings.into(),
            real,
        };
        let _mappings = Arc::new(Mappings { _guards: Vec::new(), _memory: memory });
        Ok(GuestRam { main: Region::NOTHING, regions, _mappings, tap: Some(tap) })
    }
}

/// Zeroed memory of the size of `range`, which costs memory as it is used.
fn anonymous(range: &RamRange) -> Result<Arc<GuestRegionMmap>, MemoryError> {
    let error = |reason: String| MemoryError::Map { size: range.len, reason };
    let size = usize::try_from(range.len).map_err(|e| error(e.to_string()))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_NORESERVE;
    let mapping =
        MmapRegion::build(None, size, protection, flags).map_err(|e| error(e.to_string()))?;
    let region = GuestRegionMmap::new(mapping, GuestAddress(range.base));
    region.map(Arc::new).ok_or(MemoryError::Region { base: range.base })
}
