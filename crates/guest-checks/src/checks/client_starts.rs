//! Clients that start, share, work and exit, by the hundred, beside some that stay: at every settle
//! point the kernel's view of address spaces and the device's must be the same.

use std::fs::File;

use crate::agent;
use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Batch, Context, Device, Node, Object, View};
use crate::lifetimes::{Bystander, Shared, first_mark, start_client};
use crate::report::Reporter;
use crate::sys::Mapping;
use crate::trace;

/// Settle points while clients come and go.
const STAGES: u32 = 10;
/// Clients that stay, each with all shared objects bound.
const KEEPERS: u64 = 4;
/// Shared objects, each larger than the one before.
const SHARED: usize = 3;
/// Marks of one check.
const MOST: u32 = 65_000;
/// Where keepers have their batch, and the shared objects: elsewhere in each of them, and in one page table,
/// so that it outlives the first of them.
const BATCH_AT: u64 = 0x1_0000;
const KEPT_AT: u64 = 0x8000_0000;
const APART: u64 = 0x4_0000;

/// With so many clients.
pub(super) fn run(reporter: &mut Reporter, clients: u32) -> Result<()> {
    if !agent::is_there() {
        reporter.skipped(None, "there is no agent in this guest (xtask linux --agent)");
        return Ok(());
    }
    if clients > MOST {
        return Err(Error::Wrong(format!("there are marks for {MOST} clients")));
    }
    let bystander = Bystander::new()?;
    let pool = Pool::new()?;
    let mut keepers: Vec<Keeper> =
        (0..KEEPERS).map(|number| Keeper::new(number, &pool)).collect::<Result<_>>()?;
    // Where views differ once, the rest proves nothing: the first difference ends the check.
    reporter.passed(Some("before"), &settled("starts-before", &bystander)?);
    let first = first_mark(8);
    let mut started = 0;
    for stage in 1..=STAGES {
        let until = (u64::from(clients) * u64::from(stage) / u64::from(STAGES)) as u32;
        while started < until {
            pool.start_client(first + 16 + started, started)?;
            started += 1;
        }
        if stage == STAGES / 2 {
            // From here on the kernel unbinds these, while the address spaces live on.
            keepers.iter_mut().for_each(Keeper::close_first);
        }
        let name = format!("starts-{started}");
        reporter.passed(Some(&format!("after {started}")), &settled(&name, &bystander)?);
    }
    drop(keepers);
    drop(pool);
    reporter.passed(Some("all gone"), &settled("starts-gone", &bystander)?);
    Ok(())
}

/// Lets both views agree. Linux 5.10 keeps the address space of a context that was destroyed while the
/// GPU slept until the GPU works again.
fn settled(name: &str, bystander: &Bystander) -> Result<String> {
    bystander.work()?;
    agent::settle(name)?;
    Ok("the kernel's view and the device's are equal".into())
}

/// What is shared.
struct Pool {
    _device: Device,
    objects: Vec<SharedObject>,
}

/// One object, by name and as a dma-buf.
struct SharedObject {
    _object: Object,
    seen: Mapping,
    /// Keeps it bound in the GGTT.
    _aperture: Mapping,
    name: u32,
    file: File,
}

impl Pool {
    fn new() -> Result<Pool> {
        let device = Device::open(Node::Card)?;
        let objects = (0..SHARED).map(|number| {
            let object = device.object(4096 << (2 * number))?;
            let (seen, name, file) = (object.open()?, object.flink()?, object.export()?);
            let aperture = object.map(View::Aperture)?;
            aperture.read(0);
            Ok(SharedObject { _object: object, seen, _aperture: aperture, name, file })
        });
        let objects = objects.collect::<Result<_>>()?;
        Ok(Pool { _device: device, objects })
    }

    /// The client number `number` comes, works and goes; its batch must have written.
    fn start_client(&self, mark: u32, number: u32) -> Result<()> {
        let shared = &self.objects[number as usize % SHARED];
        let how = match number % 2 {
            0 => Shared::Name(shared.name),
            _ => Shared::DmaBuf(&shared.file),
        };
        start_client(how, mark)?;
        expect_dword("what the client's batch wrote", shared.seen.read(0), mark)
    }
}

/// A client that stays, with all shared objects bound in its address space.
struct Keeper {
    imported: Vec<Object>,
    _code: Object,
    _context: Context,
    _device: Device,
}

impl Keeper {
    /// Every second one marks its address space; the others are known by what they map.
    fn new(number: u64, pool: &Pool) -> Result<Keeper> {
        let device = Device::open(Node::Card)?;
        let mark = first_mark(8) + number as u32;
        let marks = number.is_multiple_of(2);
        if marks {
            trace::announce_to_agent(mark)?;
        }
        let engines = device.engines()?;
        let context = device.context(engines[number as usize % engines.len()])?;
        let shared = pool.objects.iter();
        let imported: Vec<Object> =
            shared.map(|shared| device.open_by_name(shared.name)).collect::<Result<_>>()?;
        let code = device.object(4096)?;
        let mut batch = if marks { Batch::default().mark(mark) } else { Batch::default() };
        let places = (number..).map(|place| KEPT_AT + place * APART);
        let mut placed = Vec::new();
        for (object, at) in imported.iter().zip(places) {
            // Behind what clients write.
            batch = batch.store(at + 64 + 4 * number, mark);
            placed.push(object.at(at).written());
        }
        batch.end().write_to(&code.open()?);
        context.submit(&placed, code.at(BATCH_AT))?;
        code.wait()?;
        Ok(Keeper { imported, _code: code, _context: context, _device: device })
    }

    /// Closes its handle of the first object, which the kernel then unbinds.
    fn close_first(&mut self) {
        self.imported.remove(0);
    }
}
