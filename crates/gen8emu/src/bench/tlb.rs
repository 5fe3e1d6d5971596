//! `tlb_hit`: the look-up before every guest access of an engine.

use std::hint::black_box;

use gen8_spec::PAGE_SIZE;
use gpu_model::tlb::{Tlb, TlbEntry};

use super::{Bench, Target, Unit, measure};

/// Pages looked up; all fit into the TLB.
const PAGES: u64 = 256;
/// Where they are mapped.
const BASE: u64 = 0x10_0000_0000;

pub(super) const TLB_HIT: Bench = Bench {
    name: "tlb_hit",
    about: "a TLB look-up that hits",
    limit: "a look-up in a plain direct-mapped array",
    unit: Unit::Nanoseconds,
    target: Target::Ratio(3.0),
    run: || {
        let mut tlb = Tlb::new(false);
        for page in 0..PAGES {
            tlb.insert(BASE + page * PAGE_SIZE, TlbEntry { page: next(page), writable: true });
        }
        let array: Box<[u64; PAGES as usize]> =
            Box::new(std::array::from_fn(|page| next(page as u64)));
        Ok(measure::pair(
            |rounds| {
                let tlb = black_box(&tlb);
                let mut address = BASE;
                // The next address comes from the entry, so that hits cannot overlap.
                for _ in 0..u64::from(rounds) * PAGES {
                    address = BASE + tlb.lookup(address).map_or(0, |entry| entry.page);
                }
                black_box(address);
                u64::from(rounds) * PAGES
            },
            |rounds| {
                let array = black_box(&array);
                let mut address = BASE;
                for _ in 0..u64::from(rounds) * PAGES {
                    let slot = (address / PAGE_SIZE % PAGES) as usize;
                    address = BASE + array[slot];
                }
                black_box(address);
                u64::from(rounds) * PAGES
            },
        ))
    },
};

/// A physical page whose number is the next virtual page's: a circle through all pages.
fn next(page: u64) -> u64 {
    // 77 is odd and so has no factor in common with PAGES.
    (page + 77) % PAGES * PAGE_SIZE
}
