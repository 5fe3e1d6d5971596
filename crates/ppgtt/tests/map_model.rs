//! Random maps, unmaps, remaps and reclaims against a naive model: a map from page to page.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use gen8_spec::pte::CacheLevel;
use ppgtt::{Access, AddressSpace, Level, Levels, PhysicalMemory, canonical, census, walk};
use proptest::prelude::*;
use support::{Pages, Ram};

const PAGE: u64 = 0x1000;
/// Longest mapping: two page tables and a bit.
const LONGEST: u64 = 1030;

#[derive(Clone, Debug)]
enum Op {
    Map { va: u64, count: u64, physical: u64, read_only: bool },
    Unmap { va: u64, count: u64 },
    Reclaim,
}

/// What a page maps to: physical page and whether it is read-only.
type Model = BTreeMap<u64, (u64, bool)>;

/// Addresses where something ends: every table of every level, 4 GiB, the canonical hole, the top.
fn edges(levels: Levels) -> Vec<u64> {
    let mut edges = vec![PAGE, 1 << 21, 1 << 30, 3 << 30, 1 << 32];
    if levels == Levels::Four {
        edges.extend([1 << 39, 3 << 39, 1 << 47, 1 << 48]);
    }
    edges
}

/// First page of a mapping of `count` pages that lies at, across or near an edge.
fn place(levels: Levels, edge: usize, back: u64, count: u64) -> u64 {
    let edges = edges(levels);
    let va = edges[edge % edges.len()].saturating_sub(back * PAGE);
    va.min(levels.total() - count * PAGE)
}

fn ops(levels: Levels) -> impl Strategy<Value = Vec<Op>> {
    let count = prop_oneof![6 => 1..4u64, 2 => 500..520u64, 1 => 1..LONGEST];
    let range = (0..16usize, prop_oneof![4 => 0..4u64, 1 => 0..LONGEST], count)
        .prop_map(move |(edge, back, count)| (place(levels, edge, back, count), count));
    // Above the RAM that holds the tables, so that nothing maps the scratch page by chance.
    let physical = (1024..1u64 << 27).prop_map(|frame| frame * PAGE);
    let op = prop_oneof![
        6 => (range.clone(), physical, any::<bool>()).prop_map(|((va, count), physical, read_only)| {
            let physical = physical.min((1 << 39) - count * PAGE);
            Op::Map { va, count, physical, read_only }
        }),
        4 => range.prop_map(|(va, count)| Op::Unmap { va, count }),
        1 => Just(Op::Reclaim),
    ];
    prop::collection::vec(op, 1..24)
}

struct Bench {
    ram: Ram,
    pages: Pages,
    space: AddressSpace,
    model: Model,
    /// 2 MiB slots that were ever bound and not reclaimed: each has a page table.
    slots: BTreeSet<u64>,
}

impl Bench {
    fn new(levels: Levels) -> Self {
        let ram = Ram::new(1024);
        let mut pages = Pages::default();
        let space = AddressSpace::new(&ram, &mut pages, levels).expect("RAM suffices");
        Bench { ram, pages, space, model: Model::new(), slots: BTreeSet::new() }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Map { va, count, physical, read_only } => {
                let len = count * PAGE;
                self.space
                    .allocate_range(&self.ram, &mut self.pages, va, len)
                    .expect("RAM suffices");
                let frames = (0..count).map(|page| physical + page * PAGE);
                self.space
                    .insert(&self.ram, va, frames, CacheLevel::Llc, read_only)
                    .expect("the range is allocated");
                for page in 0..count {
                    self.model.insert(va + page * PAGE, (physical + page * PAGE, read_only));
                    self.slots.insert((va + page * PAGE) >> 21);
                }
            }
            Op::Unmap { va, count } => {
                self.space.clear_range(&self.ram, va, count * PAGE).expect("a range inside");
                self.model.retain(|&page, _| page < va || page >= va + count * PAGE);
            }
            Op::Reclaim => {
                self.space.reclaim_empty(&self.ram, &mut self.pages).expect("tables in RAM");
                self.slots = self.model.keys().map(|va| va >> 21).collect();
            }
        }
    }

    /// Every mapped page, and every page next to an edge or to a mapping, walks as the model says.
    fn check_walks(&self) {
        let root = self.space.root();
        let near = |va: u64| [va.wrapping_sub(PAGE), va, va + PAGE];
        let edges = edges(self.space.levels()).into_iter().flat_map(near);
        let mapped = self.model.keys().copied().flat_map(near);
        for va in edges.chain(mapped).filter(|&va| va < self.space.total()) {
            let read =
                walk(&self.ram, &root, va + 0x123, Access::Read).expect("all VAs are mapped");
            let (page, read_only) = match self.model.get(&va) {
                Some(&mapping) => mapping,
                None => (self.space.scratch().page(), false),
            };
            assert_eq!((read.physical, read.writable), (page + 0x123, !read_only), "at {va:#x}");
            let write = walk(&self.ram, &root, va, Access::Write);
            assert_eq!(write.is_err_and(|fault| fault.is_silent()), read_only);
            if self.space.levels() == Levels::Four {
                let high = walk(&self.ram, &root, canonical(va) + 0x123, Access::Read);
                assert_eq!(high, Ok(read), "only bits 47:0 count");
            }
        }
    }

    /// The census finds the model's mappings, and the tables that the formula predicts.
    fn check_census(&self) {
        let mut found = Vec::new();
        let census = census(&self.ram, &self.space.root(), |leaf| found.push((leaf.va, leaf.page)));
        assert!(found.iter().copied().eq(self.model.iter().map(|(&va, &(page, _))| (va, page))));
        assert_eq!(census.mapped_bytes(), self.model.len() as u64 * PAGE);
        assert!(census.ranges.windows(2).all(|pair| pair[0].va + pair[0].len < pair[1].va));
        assert_eq!(census.problem_count, 0);

        let by_level = |level: Level| -> usize {
            let bits = level.table_shift() - Level::Pt.table_shift();
            self.slots.iter().map(|slot| slot >> bits).collect::<BTreeSet<_>>().len()
        };
        let (base, pdps) = match self.space.levels() {
            Levels::Three => (3, 0),
            Levels::Four => (5, by_level(Level::Pdp)),
        };
        let expected = base + by_level(Level::Pt) + by_level(Level::Pd) + pdps;
        assert_eq!((self.space.page_count(), self.pages.out.len()), (expected, expected));
        let walked: BTreeSet<u64> = census.pages().collect();
        // With a directory in each PDP register nothing names the scratch directory any more.
        let unreached = self.pages.out.keys().filter(|page| !walked.contains(page)).count();
        let full = self.space.levels() == Levels::Three && by_level(Level::Pd) == 4;
        assert_eq!((walked.len() + unreached, unreached), (expected, usize::from(full)));
    }
}

fn check(levels: Levels, ops: &[Op]) {
    let mut bench = Bench::new(levels);
    for op in ops {
        bench.run(op);
        bench.check_census();
    }
    bench.check_walks();
    bench.space.release(&mut bench.pages);
    assert!(bench.pages.out.is_empty(), "release leaves no page");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn three_levels_are_the_naive_map(ops in ops(Levels::Three)) {
        check(Levels::Three, &ops);
    }

    #[test]
    fn four_levels_are_the_naive_map(ops in ops(Levels::Four)) {
        check(Levels::Four, &ops);
    }

    /// Whatever memory holds, walk and census end and stay inside RAM; what they say agrees.
    #[test]
    fn garbage_never_traps_walk_or_census(
        entries in prop::collection::vec((0..8usize * 512, 0..12u64, 0..0x1000u64), 0..256),
        fill in prop_oneof![Just(0), Just(0x1003u64), Just(u64::MAX), Just(0x3083)],
        pdps in prop::array::uniform4((0..10u64).prop_map(|page| page * PAGE)),
        vas in prop::collection::vec(any::<u64>(), 16),
        four in any::<bool>(),
    ) {
        let ram = Ram::new(8);
        for page in 0..8 {
            prop_assert!(ram.fill_u64(page * PAGE, fill, 512));
        }
        for (place, page, bits) in entries {
            prop_assert!(ram.write_u64(8 * place as u64, (page * PAGE) | bits));
        }
        let levels = if four { Levels::Four } else { Levels::Three };
        let root = ppgtt::PageTableRoot::from_pdps(levels, pdps);
        let found = census(&ram, &root, |_| {});
        prop_assert!(found.tables.len() <= 8);
        for va in vas.into_iter().flat_map(|va| [va, va & 0xffff_ffff]) {
            let three_beyond = !four && va >> 32 != 0;
            let walked = walk(&ram, &root, va, Access::Write);
            prop_assert!(!three_beyond || walked.is_err());
            if let Ok(translation) = walked {
                prop_assert_eq!(ram.read_u64(translation.pte_address), Some(translation.pte));
                prop_assert!(translation.physical < 1 << 39);
            }
        }
    }
}
