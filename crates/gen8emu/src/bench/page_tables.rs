//! Benches of `ppgtt`: `walk4_hot`, `map_unmap_1g`, `census_1g`.

use std::hint::black_box;

use anyhow::{Context, Result};
use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::CacheLevel;
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};
use gpu_model::GuestRam;
use ppgtt::{Access, AddressSpace, Levels, PageAllocator, census, walk};

use super::limits::{self, CHASE_LINE};
use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

/// RAM for the tables of 1 GiB (2 MiB) and some more.
const RAM: u64 = 16 << 20;
/// Where the mapping starts, and the first physical page that it maps.
const BASE: u64 = 0x40_0000_0000;
/// Pages of the hot walk: two page tables, which fit into the first cache.
const HOT_PAGES: u64 = 1024;
/// Pages of 1 GiB.
const GIB_PAGES: u64 = (1 << 30) >> PAGE_SHIFT;

pub(super) const WALK4_HOT: Bench = Bench {
    name: "walk4_hot",
    about: "a 4-level walk, tables in the cache",
    limit: "four dependent loads in as much memory",
    unit: Unit::Nanoseconds,
    target: Target::Ratio(3.0),
    run: walk4_hot,
};

pub(super) const MAP_UNMAP_1G: Bench = Bench {
    name: "map_unmap_1g",
    about: "1 GiB mapped and unmapped in 4 KiB pages",
    limit: "as many PTEs written by plain stores",
    unit: Unit::Milliseconds,
    target: Target::Ratio(6.0),
    run: map_unmap,
};

pub(super) const CENSUS_1G: Bench = Bench {
    name: "census_1g",
    about: "a census of 1 GiB of 4 KiB mappings",
    limit: "as many PTEs read by plain loads",
    unit: Unit::Milliseconds,
    target: Target::Value(1.0),
    run: census_1g,
};

/// Page tables in a RAM of their own.
struct Tables {
    memory: GuestRam,
    pages: Pages,
    space: AddressSpace,
}

/// Hands out the pages of RAM, and takes none back: the benches run only for a while.
struct Pages {
    next: u64,
}

impl PageAllocator for Pages {
    fn alloc(&mut self, _kind: PageKind) -> Option<u64> {
        let page = self.next;
        self.next += PAGE_SIZE;
        (page < RAM).then_some(page)
    }
    fn free(&mut self, _page: u64, _kind: PageKind) {}
}

impl Tables {
    fn new() -> Result<Tables> {
        let memory = GuestRam::anonymous(RAM)?;
        let mut pages = Pages { next: PAGE_SIZE };
        let space = AddressSpace::new(&memory, &mut pages, Levels::Four)?;
        Ok(Tables { memory, pages, space })
    }

    /// Maps `physical` from [`BASE`] on.
    fn map(&mut self, physical: impl Iterator<Item = u64> + Clone, count: u64) -> Result<()> {
        let length = count * PAGE_SIZE;
        self.space.allocate_range(&self.memory, &mut self.pages, BASE, length)?;
        self.space.insert(&self.memory, BASE, physical, CacheLevel::Llc, false)?;
        Ok(())
    }

    fn unmap(&mut self, count: u64) -> Result<()> {
        Ok(self.space.clear_range(&self.memory, BASE, count * PAGE_SIZE)?)
    }
}

/// Every page maps to the address of the next page to walk to, so that walks cannot overlap.
fn walk4_hot() -> Result<Pair> {
    let mut tables = Tables::new()?;
    let order = limits::shuffled(HOT_PAGES as usize);
    let mut next = vec![0; HOT_PAGES as usize];
    for (i, &page) in order.iter().enumerate() {
        next[page] = BASE + order[(i + 1) % order.len()] as u64 * PAGE_SIZE;
    }
    tables.map(next.iter().copied(), HOT_PAGES)?;
    let root = tables.space.root();
    walk(&tables.memory, &root, BASE, Access::Read).context("the bench's own mapping")?;

    let nodes = limits::nodes((HOT_PAGES * 8 / CHASE_LINE) as usize);
    limits::link(&nodes);
    Ok(measure::pair(
        |rounds| {
            let walks = u64::from(rounds) * HOT_PAGES;
            let root = black_box(root);
            let mut address = BASE;
            for _ in 0..walks {
                address = walk(&tables.memory, &root, address, Access::Read)
                    .map_or(BASE, |translation| translation.physical);
            }
            black_box(address);
            walks
        },
        |rounds| {
            let walks = u64::from(rounds) * HOT_PAGES;
            black_box(limits::chase(&nodes[0], 4 * walks));
            walks
        },
    ))
}

fn map_unmap() -> Result<Pair> {
    let mut tables = Tables::new()?;
    let physical = || (0..GIB_PAGES).map(|page| BASE + page * PAGE_SIZE);
    tables.map(physical(), GIB_PAGES)?;
    tables.unmap(GIB_PAGES)?;
    let mut plain = vec![0_u64; GIB_PAGES as usize];
    Ok(measure::pair(
        |rounds| {
            for _ in 0..rounds {
                // Both were seen to work above.
                black_box(tables.map(physical(), GIB_PAGES)).ok();
                black_box(tables.unmap(GIB_PAGES)).ok();
            }
            u64::from(rounds)
        },
        |rounds| {
            for _ in 0..rounds {
                for (pte, page) in plain.iter_mut().zip(physical()) {
                    *pte = page | 3;
                }
                black_box(&mut plain).fill(3);
                black_box(&mut plain);
            }
            u64::from(rounds)
        },
    ))
}

fn census_1g() -> Result<Pair> {
    let mut tables = Tables::new()?;
    // Every other page, so that no two of them merge to one range by address alone.
    tables.map((0..GIB_PAGES).map(|page| BASE + 2 * page * PAGE_SIZE), GIB_PAGES)?;
    let root = tables.space.root();
    let expected = GIB_PAGES * PAGE_SIZE;
    let found = census(&tables.memory, &root, |_| {}).mapped_bytes();
    anyhow::ensure!(found == expected, "the census found {found} bytes, not {expected}");

    let plain: Vec<u64> = (0..GIB_PAGES).map(|page| BASE + page * PAGE_SIZE).collect();
    Ok(measure::pair(
        |rounds| {
            for _ in 0..rounds {
                black_box(census(&tables.memory, &root, |leaf| {
                    black_box(leaf.page);
                }));
            }
            u64::from(rounds)
        },
        |rounds| {
            for _ in 0..rounds {
                black_box(black_box(&plain).iter().fold(0, |all, pte| all | pte));
            }
            u64::from(rounds)
        },
    ))
}
