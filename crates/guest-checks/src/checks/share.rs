//! Objects that two clients share, by global name (flink) and by dma-buf (prime).

use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Batch, Context, Device, Node, Object};
use crate::report::Reporter;
use crate::sys::Mapping;

const SHARED: u64 = 0x100_0000;
const BATCH: u64 = 0x10_0000;
const BYTES: usize = 8192;

/// One result for each rule.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    reporter.result(Some("flink"), by_name());
    reporter.result(Some("flink, maker first"), name_outlives_its_maker());
    reporter.result(Some("flink, maker last"), name_ends_with_the_last_handle());
    reporter.result(Some("prime"), by_dma_buf());
    reporter.result(Some("prime, no handles"), dma_buf_keeps_the_object());
    Ok(())
}

/// One of the two clients: its own open file, its own context.
struct Client {
    device: Device,
    context: Context,
    code: Object,
    commands: Mapping,
}

impl Client {
    /// `number` chooses an engine, so that clients differ in that too.
    fn new(number: usize) -> Result<Client> {
        // Names are for the primary node only.
        let device = Device::open(Node::Card)?;
        let engines = device.engines()?;
        let context = device.context(engines[number % engines.len()])?;
        let code = device.object(4096)?;
        let commands = code.open()?;
        Ok(Client { device, context, code, commands })
    }

    /// Has the GPU write `value` into the dword `index` of `object`, a handle of this client's.
    fn gpu_writes(&self, object: &Object, index: u64, value: u32) -> Result<()> {
        Batch::default().store(SHARED + 4 * index, value).end().write_to(&self.commands);
        self.context.submit(&[object.at(SHARED).written()], self.code.at(BATCH))?;
        object.wait()
    }
}

/// Each client's GPU writes, the other's CPU sees it; and the GPU of one what the GPU of the other
/// wrote.
fn writes_cross(a: (&Client, &Object), b: (&Client, &Object)) -> Result<()> {
    let (a_sees, b_sees) = (a.1.open()?, b.1.open()?);
    b.0.gpu_writes(b.1, 0, 0xb0)?;
    expect_dword("what the maker sees", a_sees.read(0), 0xb0)?;
    a.0.gpu_writes(a.1, 1, 0xa1)?;
    expect_dword("what the other sees", b_sees.read(1), 0xa1)?;
    // The second page, copied from the first by the other client.
    Batch::default().copy(SHARED + 4096, SHARED + 4).end().write_to(&b.0.commands);
    b.0.context.submit(&[b.1.at(SHARED).written()], b.0.code.at(BATCH))?;
    b.1.wait()?;
    expect_dword("what the other's GPU found", a_sees.read(1024), 0xa1)
}

fn by_name() -> Result<String> {
    let (maker, other) = (Client::new(0)?, Client::new(1)?);
    let object = maker.device.object(BYTES)?;
    let name = object.flink()?;
    let same = other.device.open_by_name(name)?;
    writes_cross((&maker, &object), (&other, &same))?;
    Ok("each sees what the other's GPU wrote".into())
}

/// The maker closes first: the other goes on, also when the maker's file is gone.
fn name_outlives_its_maker() -> Result<String> {
    let (maker, other) = (Client::new(0)?, Client::new(1)?);
    let object = maker.device.object(BYTES)?;
    let name = object.flink()?;
    maker.gpu_writes(&object, 0, 7)?;
    let same = other.device.open_by_name(name)?;
    drop(object);
    drop(maker);
    let seen = same.open()?;
    expect_dword("what the maker left", seen.read(0), 7)?;
    other.gpu_writes(&same, 1, 8)?;
    expect_dword("what was written since", seen.read(1), 8)?;
    let third = Client::new(2)?;
    drop(third.device.open_by_name(name)?);
    drop(seen);
    drop(same);
    name_is_gone(&other, name)
}

/// The other closes first: the name stays until the maker closes.
fn name_ends_with_the_last_handle() -> Result<String> {
    let (maker, other) = (Client::new(0)?, Client::new(1)?);
    let object = maker.device.object(BYTES)?;
    let name = object.flink()?;
    let same = other.device.open_by_name(name)?;
    other.gpu_writes(&same, 0, 9)?;
    drop(same);
    expect_dword("what the other left", object.open()?.read(0), 9)?;
    drop(other.device.open_by_name(name)?);
    drop(object);
    name_is_gone(&other, name)
}

fn name_is_gone(client: &Client, name: u32) -> Result<String> {
    match client.device.open_by_name(name) {
        Ok(_) => Err(Error::Wrong("the name opens after the last handle was closed".into())),
        Err(error) if error.errno() == Some(libc::ENOENT) => {
            Ok("the name is gone with the last handle".into())
        }
        Err(error) => Err(error),
    }
}

fn by_dma_buf() -> Result<String> {
    let (maker, other) = (Client::new(0)?, Client::new(1)?);
    let object = maker.device.object(BYTES)?;
    let same = other.device.import(&object.export()?)?;
    // The dma-buf itself is closed by now.
    writes_cross((&maker, &object), (&other, &same))?;
    drop(object);
    drop(maker);
    other.gpu_writes(&same, 2, 0xc2)?;
    expect_dword("what was written since the maker left", same.open()?.read(2), 0xc2)?;
    Ok("each sees what the other's GPU wrote; the object outlives its maker".into())
}

/// All handles are closed and both clients gone; the file alone holds the object.
fn dma_buf_keeps_the_object() -> Result<String> {
    let maker = Client::new(0)?;
    let object = maker.device.object(BYTES)?;
    maker.gpu_writes(&object, 5, 0xd5)?;
    let file = object.export()?;
    drop(object);
    drop(maker);
    let other = Client::new(1)?;
    let same = other.device.import(&file)?;
    let seen = same.open()?;
    expect_dword("what the maker left", seen.read(5), 0xd5)?;
    other.gpu_writes(&same, 6, 0xd6)?;
    expect_dword("what was written since", seen.read(6), 0xd6)?;
    Ok("a dma-buf alone keeps the object and what is in it".into())
}
