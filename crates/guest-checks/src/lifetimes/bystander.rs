//! A client that makes the GPU work when others have gone.

use crate::error::Result;
use crate::gpu::{Context, Device, Node, Worker};

/// It has a context on every engine, and makes nothing new when it works. Linux 5.10 keeps the address
/// space of a context that was destroyed while the GPU slept until the GPU works again.
pub(crate) struct Bystander {
    worker: Worker,
    contexts: Vec<Context>,
}

impl Bystander {
    /// Has worked once.
    pub(crate) fn new() -> Result<Bystander> {
        let device = Device::open(Node::Render)?;
        let worker = Worker::new(&device)?;
        let contexts = device.engines()?.into_iter().map(|engine| device.context(engine));
        let bystander = Bystander { worker, contexts: contexts.collect::<Result<_>>()? };
        bystander.work()?;
        Ok(bystander)
    }

    /// Works on every engine.
    pub(crate) fn work(&self) -> Result<()> {
        self.contexts.iter().try_for_each(|context| self.worker.run(context, 1))
    }
}
