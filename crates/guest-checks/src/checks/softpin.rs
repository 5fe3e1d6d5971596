//! Objects at addresses of the client's choice, on both sides of every boundary of the page tables.

use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Batch, Context, Device, Engine, Node, Object, Placed};
use crate::report::Reporter;
use crate::sys::Mapping;

const PAGE: u64 = 4096;
/// Two pages, so that an object can lie across a boundary.
const BYTES: u64 = 2 * PAGE;
/// What a page table, a page directory, a PDP and half of the address space cover; 4 GiB is where
/// addresses get a second dword.
const BOUNDARIES: [u64; 5] = [1 << 21, 1 << 30, 1 << 32, 1 << 39, 1 << 47];
const BATCH: u64 = 0x10_0000;
const RESULTS: u64 = 0x11_0000;
/// Dwords of an object: the last one of its first page, the first one of its second page, and one
/// to be read by the GPU.
const LAST: usize = 1023;
const FIRST: usize = 1024;
const READ: usize = 1025;

/// One result an engine, one for what must be refused.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engines = device.engines()?;
    for engine in &engines {
        let name = engine.to_string();
        reporter.result(Some(&name), across_boundaries(&device, *engine));
        reporter.result(Some(&format!("{name} rebind")), take_turns(&device, *engine));
    }
    if let Some(engine) = engines.first() {
        reporter.result(Some("refusals"), refusals(&device, *engine));
    }
    Ok(())
}

/// The form of an address in which bits 63:48 repeat bit 47, as the interface wants it.
fn canonical(address: u64) -> u64 {
    ((address << 16).cast_signed() >> 16).cast_unsigned()
}

/// Where objects go in an address space of `size` bytes: across each boundary, at the lowest page
/// that is not 0 and at the very end.
fn places(size: u64) -> Vec<u64> {
    let across = BOUNDARIES.iter().filter(|boundary| **boundary < size).map(|edge| edge - PAGE);
    let mut places = vec![PAGE];
    places.extend(across);
    places.push(size - BYTES);
    places.into_iter().map(canonical).collect()
}

/// An object under test: what it holds is known to the CPU.
struct Subject {
    object: Object,
    memory: Mapping,
    address: u64,
}

impl Subject {
    fn new(device: &Device, address: u64) -> Result<Subject> {
        let object = device.object(BYTES as usize)?;
        let memory = object.open()?;
        Ok(Subject { object, memory, address })
    }

    fn placed(&self) -> Placed<'_> {
        self.object.at(self.address).written()
    }

    fn dword(&self, index: usize) -> u64 {
        self.address.wrapping_add(4 * index as u64)
    }
}

/// The GPU writes both pages of every object and reads one dword of each.
fn across_boundaries(device: &Device, engine: Engine) -> Result<String> {
    let context = device.context(engine)?;
    let size = context.address_space()?;
    let subjects: Vec<Subject> =
        places(size).into_iter().map(|place| Subject::new(device, place)).collect::<Result<_>>()?;
    let results = Subject::new(device, RESULTS)?;
    let mut batch = Batch::default();
    for (number, subject) in (0..).zip(&subjects) {
        subject.memory.write(READ, 0x3000 + number);
        batch = batch
            .store(subject.dword(LAST), 0x1000 + number)
            .store(subject.dword(FIRST), 0x2000 + number)
            .copy(results.dword(number as usize), subject.dword(READ));
    }
    let code = device.object(PAGE as usize)?;
    batch.end().write_to(&code.open()?);
    let objects: Vec<_> = subjects.iter().chain([&results]).map(Subject::placed).collect();
    context.submit(&objects, code.at(BATCH))?;
    results.object.wait()?;
    for (number, subject) in (0..).zip(&subjects) {
        let at = |index| format!("the dword at {:#x}", subject.dword(index));
        expect_dword(&at(LAST), subject.memory.read(LAST), 0x1000 + number)?;
        expect_dword(&at(FIRST), subject.memory.read(FIRST), 0x2000 + number)?;
        let read = results.memory.read(number as usize);
        expect_dword(
            &format!("what was read at {:#x}", subject.dword(READ)),
            read,
            0x3000 + number,
        )?;
    }
    let bits = size.ilog2();
    Ok(format!(
        "{} objects in {bits} bits, the last at {:#x}",
        subjects.len(),
        canonical(size - BYTES)
    ))
}

/// Two objects take turns at one address: each write must go to the one that is there now.
fn take_turns(device: &Device, engine: Engine) -> Result<String> {
    const ROUNDS: u32 = 16;
    let context = device.context(engine)?;
    // Far from the batch in every way of sorting pages into a TLB, lest the batch's own pages drive
    // a stale entry out.
    let place = (1 << 30) + 0x5_5000;
    let subjects = [Subject::new(device, place)?, Subject::new(device, place)?];
    let code = device.object(PAGE as usize)?;
    let commands = code.open()?;
    for round in 1..=ROUNDS {
        let (here, away) = match round % 2 {
            0 => (&subjects[0], &subjects[1]),
            _ => (&subjects[1], &subjects[0]),
        };
        let untouched = away.memory.read(0);
        Batch::default().store(place, round).end().write_to(&commands);
        context.submit(&[here.placed()], code.at(BATCH))?;
        here.object.wait()?;
        expect_dword("the object at the address", here.memory.read(0), round)?;
        expect_dword("the object that was there before", away.memory.read(0), untouched)?;
    }
    Ok(format!("{ROUNDS} turns of two objects at one address"))
}

/// Places that the kernel must refuse, and that a refusal changes nothing.
fn refusals(device: &Device, engine: Engine) -> Result<String> {
    let context = device.context(engine)?;
    let place = 0x40_0000;
    let (first, second) = (Subject::new(device, place)?, Subject::new(device, place + PAGE)?);
    let code = device.object(PAGE as usize)?;
    Batch::default().store(place, 1).store(place + BYTES, 2).end().write_to(&code.open()?);
    let overlapping = [first.placed(), second.placed()];
    refused(
        &context,
        &overlapping,
        code.at(BATCH),
        "overlapping objects",
        &[libc::EINVAL, libc::ENOSPC],
    )?;
    let unaligned = [first.object.at(place + 0x800).written()];
    refused(&context, &unaligned, code.at(BATCH), "an address inside a page", &[libc::EINVAL])?;
    let odd = [first.object.at(context.address_space()?).written()];
    refused(
        &context,
        &odd,
        code.at(BATCH),
        "an address beyond the end",
        &[libc::EINVAL, libc::ENOSPC],
    )?;
    for subject in [&first, &second] {
        subject.object.wait()?;
        expect_dword("an object after a refusal", subject.memory.read(0), 0)?;
    }

    let apart = Subject { address: place + BYTES, ..second };
    context.submit(&[first.placed(), apart.placed()], code.at(BATCH))?;
    first.object.wait()?;
    expect_dword("the first object", first.memory.read(0), 1)?;
    expect_dword("the second object", apart.memory.read(0), 2)?;
    Ok("overlap, unaligned and too high refused; the context works on".into())
}

fn refused(
    context: &Context,
    objects: &[Placed<'_>],
    batch: Placed<'_>,
    what: &str,
    errors: &[i32],
) -> Result<()> {
    match context.submit(objects, batch) {
        Ok(()) => Err(Error::Wrong(format!("the kernel took {what}"))),
        Err(error) if error.errno().is_some_and(|errno| errors.contains(&errno)) => Ok(()),
        Err(error) => Err(Error::Wrong(format!("{what}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_is_sign_extended() {
        assert_eq!(canonical(0x7fff_ffff_f000), 0x7fff_ffff_f000);
        assert_eq!(canonical(0x8000_0000_0000), 0xffff_8000_0000_0000);
    }

    #[test]
    fn a_small_address_space_has_fewer_places() {
        assert_eq!(
            places(1 << 32),
            [0x1000, (1 << 21) - PAGE, (1 << 30) - PAGE, (1 << 32) - BYTES]
        );
        assert_eq!(places(1 << 48).last(), Some(&0xffff_ffff_ffff_e000));
    }
}
