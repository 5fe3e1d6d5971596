//! The client that makes the shared object and keeps it.

use super::importer::{Ends, Importer, Source};
use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Context, Device, Node, Object, Worker};
use crate::sys::Mapping;
use crate::trace;

/// A: it never uses the shared object itself, so that only importers have it bound.
pub(crate) struct Exporter {
    device: Device,
    worker: Worker,
    shared: Object,
    seen: Mapping,
    name: u32,
    _context: Context,
}

impl Exporter {
    /// Makes and names the object; runs a batch in an address space of its own, which it marks.
    pub(crate) fn new(mark: u32) -> Result<Exporter> {
        let device = Device::open(Node::Card)?;
        let engine = *device.engines()?.first().ok_or_else(|| Error::Wrong("no engine".into()))?;
        trace::announce(mark)?;
        let context = device.context(engine)?;
        let worker = Worker::new(&device)?;
        worker.run_marked(&context, mark)?;
        let shared = device.object(4096)?;
        let (seen, name) = (shared.open()?, shared.flink()?);
        Ok(Exporter { device, worker, shared, seen, name, _context: context })
    }

    /// Has every engine run something else, in contexts that mark nothing. Linux 5.10 keeps the
    /// address space of a context that was destroyed while the GPU slept until the GPU works again;
    /// the Intel GPU Tools' `flink-and-exit` ran an unrelated client last for the same reason.
    pub(crate) fn use_every_engine(&self) -> Result<()> {
        for engine in self.device.engines()? {
            self.worker.run(&self.device.context(engine)?, 1)?;
        }
        Ok(())
    }

    /// Has another process use the object; looks at what its batch left there.
    pub(crate) fn import(&self, mark: u32, ends: Ends) -> Result<Importer> {
        let importer = Importer::start(Source::Name(self.name), mark, ends)?;
        self.shared.wait()?;
        expect_dword("what the importer's batch wrote", self.seen.read(0), mark)?;
        Ok(importer)
    }
}
