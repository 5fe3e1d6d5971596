//! Every engine runs batches: of one level, of two, and its time-stamp counter goes on.

use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Batch, Device, Engine, Node};
use crate::report::Reporter;

/// Places in the context's address space.
const RESULT: u64 = 0x10_0000;
const FIRST: u64 = 0x20_0000;
const SECOND: u64 = 0x30_0000;
/// What the batches write.
const BY_FIRST: u32 = 0x1111_0001;
const BY_SECOND: u32 = 0x2222_0002;
const AFTER_RETURN: u32 = 0x3333_0003;
/// RING_TIMESTAMP, behind an engine's register base.
const TIMESTAMP: u32 = 0x358;
const PAGE: usize = 4096;

/// One result an engine.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    for engine in device.engines()? {
        reporter.result(Some(&engine.to_string()), check(&device, engine));
    }
    Ok(())
}

/// Two submissions of the same batch, so that the clock can be read twice.
pub(super) fn check(device: &Device, engine: Engine) -> Result<String> {
    let base = engine.base()?;
    let context = device.context(engine)?;
    let (result, first, second) =
        (device.object(PAGE)?, device.object(PAGE)?, device.object(PAGE)?);
    Batch::default().store(RESULT + 4, BY_SECOND).end().write_to(&second.open()?);
    let batch = Batch::default()
        .store(RESULT, BY_FIRST)
        .call(SECOND)
        .store(RESULT + 8, AFTER_RETURN)
        .store_register(RESULT + 12, base + TIMESTAMP)
        .end();
    batch.write_to(&first.open()?);

    let mut clocks = [0; 2];
    for clock in &mut clocks {
        let seen = result.open()?;
        (0..4).for_each(|index| seen.write(index, 0));
        context.submit(&[result.at(RESULT).written(), second.at(SECOND)], first.at(FIRST))?;
        result.wait()?;
        expect_dword("what the batch wrote", seen.read(0), BY_FIRST)?;
        expect_dword("what the second level wrote", seen.read(1), BY_SECOND)?;
        expect_dword("what the batch wrote after the second level", seen.read(2), AFTER_RETURN)?;
        *clock = seen.read(3);
    }
    let passed = clocks[1].wrapping_sub(clocks[0]);
    if passed == 0 || passed > u32::MAX / 2 {
        return Err(Error::Wrong(format!("TIMESTAMP went from {} to {}", clocks[0], clocks[1])));
    }
    Ok(format!("2 batches of two levels; TIMESTAMP went on by {passed}"))
}
