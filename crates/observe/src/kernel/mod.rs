//! The driver's own view of address spaces, VMAs, contexts and objects: what a kernel says by its
//! tracepoints, streamed out of the guest by an agent (docs/agent.md).
//!
//! Nothing here is believed: lines that cannot be read are counted with their offset, and no guest
//! makes this keep more than so much.

mod clock;
mod feed;
mod ledger;
mod line;
mod model;
mod places;
mod standing;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub use clock::Moment;
pub use feed::{Stream, StreamError};
pub use line::{Pointer, Task};
pub use model::{Balance, KernelCounts, KernelDeed, KernelObject, KernelSpace, KernelVma};

use feed::Feed;
pub(crate) use ledger::Ledger;
pub(crate) use standing::{Gone, When};

/// The kernel's view. Clones share it: one is fed, others are asked.
#[derive(Clone, Debug, Default)]
pub struct KernelView(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    feed: Feed,
    ledger: Ledger,
}

/// The view at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelSnapshot {
    /// Address spaces that live, and those that were released last.
    pub spaces: Vec<KernelSpace>,
    /// Objects of user space that live, by the kernel's pointer.
    pub objects: BTreeMap<Pointer, KernelObject>,
    /// Counts.
    pub counts: KernelCounts,
    /// What is known of the stream.
    pub stream: Stream,
}

impl KernelView {
    /// A view of nothing yet.
    pub fn new() -> KernelView {
        KernelView::default()
    }

    /// Takes what came from the agent at device time `arrived_ns`; gives the names of the settle
    /// points that programs of the guest wait for from here on.
    pub fn take(&self, bytes: &[u8], arrived_ns: u64) -> Vec<String> {
        let mut known = self.lock();
        let Known { feed, ledger } = &mut *known;
        feed.take(bytes, arrived_ns, ledger)
    }

    /// All that is known now.
    pub fn snapshot(&self) -> KernelSnapshot {
        let known = self.lock();
        KernelSnapshot {
            spaces: known.ledger.spaces().cloned().collect(),
            objects: known.ledger.objects().clone(),
            counts: known.ledger.counts,
            stream: known.feed.stream.clone(),
        }
    }

    /// Looks at what is known, or says why that is not all. Nothing is taken in meanwhile.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Ledger) -> R) -> Result<R, NotAll> {
        let known = self.lock();
        let (stream, counts) = (&known.feed.stream, &known.ledger.counts);
        match is_complete(stream, counts) {
            true => Ok(look(&known.ledger)),
            false => Err(NotAll),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Lines leave it whole; a panic elsewhere is no reason to stop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KernelSnapshot {
    /// Whether nothing is missing in it: else a comparison would blame the driver for what was lost.
    pub fn is_complete(&self) -> bool {
        is_complete(&self.stream, &self.counts)
    }

    /// Address spaces that live, without the GGTT.
    pub fn living(&self) -> impl Iterator<Item = &KernelSpace> {
        self.spaces.iter().filter(|space| space.created.is_some() && space.released.is_none())
    }

    /// The GGTT, once something is bound in it: nobody ever "creates" it.
    pub fn ggtt(&self) -> impl Iterator<Item = &KernelSpace> {
        self.spaces.iter().filter(|space| space.created.is_none())
    }
}

fn is_complete(stream: &Stream, counts: &KernelCounts) -> bool {
    stream.lost == 0 && stream.errors == 0 && counts.dropped == 0
}

/// Events were lost, not understood, or too many: what is known is not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAll;
