//! What each page of RAM is used for, by the hints.

use std::collections::BTreeMap;

use gen8_spec::PAGE_SHIFT;
use gen8_spec::debug_page::PageKind;

/// The last use that a hint gave a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageUse {
    pub(crate) kind: PageKind,
    /// VM, object or context, by kind.
    pub(crate) owner: u32,
    /// Freed since: this was its last use.
    pub(crate) freed: bool,
}

impl PageUse {
    /// The VM whose page-table page it is and not was.
    pub(crate) fn live_table_of(&self) -> Option<u32> {
        (self.kind.is_page_table() && !self.freed).then_some(self.owner)
    }

    /// Whether it is a scratch data page: where addresses lead that nothing is bound at.
    pub(crate) fn is_scratch(&self) -> bool {
        self.kind == PageKind::ScratchPage
    }

    /// The VM as whose root it is or was loaded: a page directory or PML4.
    pub(crate) fn root_of(&self) -> Option<u32> {
        matches!(self.kind, PageKind::Pd | PageKind::Pml4).then_some(self.owner)
    }
}

const CHUNK: usize = 512;
type Chunk = [Option<PageUse>; CHUNK];

/// Page uses, in chunks of 2 MiB: a census asks for hundreds of thousands of neighbours.
#[derive(Debug, Default)]
pub(crate) struct PageMap(BTreeMap<u64, Box<Chunk>>);

impl PageMap {
    pub(crate) fn get(&self, page: u64) -> Option<PageUse> {
        let (chunk, index) = split(page);
        self.0.get(&chunk)?[index]
    }

    pub(crate) fn insert(&mut self, page: u64, use_: PageUse) -> Option<PageUse> {
        let (chunk, index) = split(page);
        self.0.entry(chunk).or_insert_with(|| Box::new([None; CHUNK]))[index].replace(use_)
    }

    pub(crate) fn get_mut(&mut self, page: u64) -> Option<&mut PageUse> {
        let (chunk, index) = split(page);
        self.0.get_mut(&chunk)?[index].as_mut()
    }

    /// For many lookups of pages near each other.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor { map: self, number: u64::MAX, chunk: None }
    }
}

/// Remembers the chunk of the last lookup.
pub(crate) struct Cursor<'a> {
    map: &'a PageMap,
    number: u64,
    chunk: Option<&'a Chunk>,
}

impl Cursor<'_> {
    pub(crate) fn get(&mut self, page: u64) -> Option<PageUse> {
        let (number, index) = split(page);
        if number != self.number {
            self.number = number;
            self.chunk = self.map.0.get(&number).map(|chunk| &**chunk);
        }
        self.chunk?[index]
    }
}

fn split(page: u64) -> (u64, usize) {
    let frame = page >> PAGE_SHIFT;
    (frame / CHUNK as u64, (frame % CHUNK as u64) as usize)
}
