//! Pages whose contents are known as they were when the device, or somebody else, looked at them last.

use std::collections::HashMap;

use gen8_spec::PAGE_SIZE;
use ppgtt::PhysicalMemory;

/// Qwords of a page.
pub(super) const WORDS: usize = (PAGE_SIZE / 8) as usize;
/// Pages that are kept: 32 MiB of copies. Of more, the ones that were looked at longest ago go.
const KEPT: usize = 8192;

/// A page as it was.
#[derive(Debug)]
pub(super) struct Page {
    words: Box<[u64; WORDS]>,
    /// When it was looked at first.
    pub(super) first_ns: u64,
    /// When it was looked at last.
    pub(super) seen_ns: u64,
}

/// A qword that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) address: u64,
    pub(super) old: u64,
    pub(super) new: u64,
    /// When the old one was seen last.
    pub(super) since_ns: u64,
}

/// The pages that are watched, by address.
#[derive(Debug, Default)]
pub(super) struct Pages(HashMap<u64, Page>);

impl Pages {
    /// The page that holds `address`.
    pub(super) fn of(&self, address: u64) -> Option<&Page> {
        self.0.get(&page_of(address))
    }

    pub(super) fn forget(&mut self, page: u64) {
        self.0.remove(&page);
    }

    /// Looks at a page, which is watched from now on, and tells what is not as it was. `None` if it is not
    /// in RAM.
    pub(super) fn look<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        page: u64,
        now_ns: u64,
    ) -> Option<Vec<Change>> {
        let mut words = [0; WORDS];
        if !memory.read_table(page, &mut words) {
            return None;
        }
        let Some(known) = self.0.get_mut(&page) else {
            self.make_room();
            let words = Box::new(words);
            self.0.insert(page, Page { words, first_ns: now_ns, seen_ns: now_ns });
            return Some(Vec::new());
        };
        let since_ns = core::mem::replace(&mut known.seen_ns, now_ns);
        let pairs = known.words.iter().zip(&words).enumerate();
        let changed = pairs.filter(|(_, (old, new))| old != new).map(|(n, (&old, &new))| Change {
            address: page + 8 * n as u64,
            old,
            new,
            since_ns,
        });
        let changed = changed.collect();
        *known.words = words;
        Some(changed)
    }

    /// A write of `len` bytes, 8 at most and all in one qword, is known to have happened; what the qword
    /// was and is now. `None` if its page is not watched.
    pub(super) fn write(&mut self, address: u64, len: u64, value: u64) -> Option<(u64, u64)> {
        let word = self.0.get_mut(&page_of(address))?.word_mut(address)?;
        let shift = 8 * (address % 8) as u32;
        let mask = (u64::MAX >> (64 - 8 * len.clamp(1, 8))) << shift;
        let old = *word;
        *word = old & !mask | value << shift & mask;
        Some((old, *word))
    }

    fn make_room(&mut self) {
        if self.0.len() >= KEPT
            && let Some(oldest) = self.0.iter().min_by_key(|(_, page)| page.seen_ns)
        {
            let oldest = *oldest.0;
            self.0.remove(&oldest);
        }
    }
}

impl Page {
    /// The qword that holds `address`, as it was.
    pub(super) fn word(&self, address: u64) -> u64 {
        self.words[word_of(address)]
    }

    fn word_mut(&mut self, address: u64) -> Option<&mut u64> {
        self.words.get_mut(word_of(address))
    }

    /// The entries, as a table.
    pub(super) fn words(&self) -> &[u64; WORDS] {
        &self.words
    }
}

/// Address of the page that holds `address`.
pub(super) const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

const fn word_of(address: u64) -> usize {
    (address % PAGE_SIZE / 8) as usize
}
