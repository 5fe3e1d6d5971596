//! What an engine may remember of page tables and memory, and when it must look again.
//!
//! i915 has every request begin with an invalidation of the engine's TLB and caches, so that what is
//! submitted sees every binding made before it.

use crate::checks::gem::{Pair, Work, everywhere, run_all, run_pairs};
use crate::error::{Result, expect_dword};
use crate::gpu::{Batch, Device, Engine, Object, Trial};
use crate::report::Reporter;
use crate::sys::Mapping;

const WORKS: &[Work] = &[
    Work { name: "rewritten batch", on: everywhere, run: rewritten },
    Work { name: "reused addresses", on: everywhere, run: reused },
    Work { name: "many pages", on: everywhere, run: many_pages },
    Work { name: "page tables", on: everywhere, run: page_tables },
    Work { name: "scratch", on: everywhere, run: scratch },
    Work { name: "read-only", on: everywhere, run: read_only },
];
/// The works of each file.
pub(super) const FAMILIES: &[&[Work]] = &[WORKS];
/// Those that take two engines.
pub(super) const PAIRS: &[Pair] = &[Pair { name: "one address space", run: one_address_space }];

/// A result for each work and engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    run_all(reporter, WORKS)?;
    run_pairs(reporter, PAIRS)
}

const PAGE: usize = 4096;
/// An address that objects take in turn.
const REUSED: u64 = 0x40_0000;
/// The same for batches.
const CODE: u64 = 0x60_0000;
const RESULT: u64 = 0x80_0000;

/// The CPU writes other commands into the same memory between two submissions; each time the new
/// ones run.
fn rewritten(device: &Device, engine: Engine) -> Result<String> {
    const ROUNDS: u32 = 40;
    let trial = Trial::new(device, engine)?;
    for round in 1..=ROUNDS {
        // The place moves, too, so that neither header nor address is the same.
        let slot = (round % 7) as usize;
        trial.set(slot, 0);
        trial.run(&Batch::default().store(trial.slot(slot), round).end())?;
        trial.expect(&format!("round {round}"), slot, round)?;
    }
    Ok(format!("{ROUNDS} rounds"))
}

/// Objects for data and for commands change at the same addresses: each request uses what is bound
/// there by then, and touches no other.
fn reused(device: &Device, engine: Engine) -> Result<String> {
    const ROUNDS: u32 = 8;
    let context = device.context(engine)?;
    let pair = || -> Result<[(Object, Mapping); 2]> {
        let (first, second) = (device.object(PAGE)?, device.object(PAGE)?);
        let mappings = (first.open()?, second.open()?);
        Ok([(first, mappings.0), (second, mappings.1)])
    };
    let (data, code) = (pair()?, pair()?);
    for (which, (_, memory)) in code.iter().enumerate() {
        // Reads what the CPU wrote and adds a mark of its own.
        let batch =
            Batch::default().copy(REUSED + 4, REUSED).store(REUSED + 8, 0xc0de_0000 + which as u32);
        batch.end().write_to(memory);
    }
    let mut runs = 0;
    for round in 1..=ROUNDS {
        for (n, (object, memory)) in data.iter().enumerate() {
            for (m, (batch, _)) in code.iter().enumerate() {
                let value = round << 8 | (n as u32) << 4 | m as u32;
                let other = &data[1 - n].1;
                let before = [0, 1, 2].map(|dword| other.read(dword));
                memory.write(0, value);
                context.submit(&[object.at(REUSED).written()], batch.at(CODE))?;
                object.wait()?;
                expect_dword("the copy", memory.read(1), value)?;
                expect_dword("the batch's mark", memory.read(2), 0xc0de_0000 + m as u32)?;
                for (dword, before) in before.into_iter().enumerate() {
                    expect_dword("the object that is not bound", other.read(dword), before)?;
                }
                runs += 1;
            }
        }
    }
    Ok(format!("{runs} batches over two objects and two batches"))
}

/// More pages than a TLB has entries, read one after the other, twice, with other objects the second
/// time.
fn many_pages(device: &Device, engine: Engine) -> Result<String> {
    const PAGES: usize = 768;
    let trial = Trial::new(device, engine)?;
    for round in 1..=2_u32 {
        let object = device.object(PAGES * PAGE)?;
        let memory = object.open()?;
        let mut batch = Batch::default();
        for page in 0..PAGES {
            let dword = page * (PAGE / 4) + page % 1024;
            memory.write(dword, round << 16 | page as u32);
            // Neighbours in the command stream are far apart in memory.
            let slot = page * 331 % PAGES;
            let dword = slot * (PAGE / 4) + slot % 1024;
            batch = batch.copy(trial.slot(slot), REUSED + 4 * dword as u64);
        }
        trial.run_with(&[object.at(REUSED)], &batch.end())?;
        for page in 0..PAGES {
            trial.expect(&format!("page {page}"), page, round << 16 | page as u32)?;
        }
    }
    Ok(format!("2 objects of {PAGES} pages"))
}

/// Addresses that need tables of every level, which come and go with the objects between requests.
fn page_tables(device: &Device, engine: Engine) -> Result<String> {
    const ROUNDS: u32 = 4;
    /// One page table apart, one directory, one of its parents, and the same again in a further one.
    const PLACES: [u64; 7] = [
        0x0000_0060_0000,
        0x0000_0080_0000,
        0x0000_4000_0000,
        0x0000_8020_1000,
        0x0080_0000_0000,
        0x0100_4000_0000,
        0x7fff_ffe0_0000,
    ];
    let trial = Trial::new(device, engine)?;
    for round in 1..=ROUNDS {
        // Every other round uses every other place.
        let places: Vec<u64> = PLACES.into_iter().skip(round as usize % 2).step_by(2).collect();
        let objects: Vec<Object> =
            places.iter().map(|_| device.object(PAGE)).collect::<Result<_>>()?;
        let mut batch = Batch::default();
        let mut placed = Vec::new();
        for (n, (object, place)) in objects.iter().zip(&places).enumerate() {
            object.open()?.write(0, round << 8 | n as u32);
            batch = batch.copy(trial.slot(n), *place);
            placed.push(object.at(*place));
        }
        trial.run_with(&placed, &batch.end())?;
        for n in 0..places.len() {
            trial.expect(&format!("object {n} of round {round}"), n, round << 8 | n as u32)?;
        }
    }
    Ok(format!("{ROUNDS} rounds, {} places", PLACES.len()))
}

/// Where nothing is bound i915 has a page of zeros that the GPU cannot write: reads give 0, writes
/// are dropped, and neither is a fault.
fn scratch(device: &Device, engine: Engine) -> Result<String> {
    const NOWHERE: [u64; 3] = [0x30_0000, 0x1_2345_6000, 0x5555_5555_5000];
    let trial = Trial::new(device, engine)?;
    let mut batch = Batch::default();
    for (n, place) in NOWHERE.into_iter().enumerate() {
        trial.set(2 * n, 7);
        trial.set(2 * n + 1, 7);
        batch = batch
            .copy(trial.slot(2 * n), place)
            .store(place, 0x0bad_0bad)
            .copy(trial.slot(2 * n + 1), place);
    }
    trial.run(&batch.store(trial.slot(100), 1).end())?;
    for n in 0..2 * NOWHERE.len() {
        trial.expect(&format!("read {n} of nothing"), n, 0)?;
    }
    trial.expect("the end of the batch", 100, 1)?;
    Ok(format!("{} addresses", NOWHERE.len()))
}

/// An object of read-only memory can be read, and keeps what it holds.
fn read_only(device: &Device, engine: Engine) -> Result<String> {
    let memory = Mapping::anonymous(PAGE)?;
    memory.write(0, 0x5eed_5eed);
    let object = device.read_only(&memory)?;
    let trial = Trial::new(device, engine)?;
    let batch = Batch::default()
        .copy(trial.slot(0), REUSED)
        .store(REUSED, 0x0bad_0bad)
        .store(REUSED + 4, 0x0bad_0bad)
        .increment(REUSED)
        .copy(trial.slot(1), REUSED);
    trial.run_with(&[object.at(REUSED)], &batch.end())?;
    trial.expect("what was read", 0, 0x5eed_5eed)?;
    trial.expect("what was read after the writes", 1, 0x5eed_5eed)?;
    expect_dword("the memory", memory.read(0), 0x5eed_5eed)?;
    expect_dword("the memory", memory.read(1), 0)?;
    Ok("read, and not written".into())
}

/// Two engines use one address space. What one of them had bound at an address is replaced for the
/// other's request; that sees the new object although its TLB knows the old one.
fn one_address_space(device: &Device, first: Engine, second: Engine) -> Result<String> {
    const ROUNDS: u32 = 12;
    let context = device.context_on(&[first, second])?;
    let (result, code) = (device.object(PAGE)?, device.object(PAGE)?);
    let (seen, commands) = (result.open()?, code.open()?);
    Batch::default().copy(RESULT, REUSED).store(REUSED + 4, 1).end().write_to(&commands);
    let objects = [device.object(PAGE)?, device.object(PAGE)?, device.object(PAGE)?];
    for round in 1..=ROUNDS {
        let object = &objects[round as usize % objects.len()];
        let memory = object.open()?;
        memory.write(0, round);
        memory.write(1, 0);
        seen.write(0, 0);
        let placed = [result.at(RESULT).written(), object.at(REUSED).written()];
        // Each engine sees each object in turn: the numbers of objects and engines have no divisor.
        context.submit_with(&placed, code.at(CODE), u64::from(round % 2))?;
        result.wait()?;
        expect_dword(&format!("the object of round {round}"), seen.read(0), round)?;
        expect_dword("what was written into it", memory.read(1), 1)?;
    }
    Ok(format!("{ROUNDS} rounds"))
}
