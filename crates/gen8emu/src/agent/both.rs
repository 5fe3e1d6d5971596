//! Both views, and what came of comparing them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use observe::kernel::{KernelSnapshot, Stream};
use observe::story::StoryObserver;
use observe::views::{Comparison, DeviceSnapshot, Views};
use observe::{AddressSpaces, UnboundUses, UsesReport};
use serde::Serialize;

/// Settle points that are kept.
const MOST_SETTLED: usize = 1024;
/// Orphans of a settle point that are told by number.
const MOST_ORPHANS: usize = 64;

/// What the kernel says and what the device sees, however the device is held. Clones share them.
#[derive(Clone)]
pub(crate) struct BothViews {
    pub(super) spaces: AddressSpaces,
    /// The kernel's view, and uses of what it unbound.
    pub(super) uses: UnboundUses,
    compared: Arc<Mutex<Compared>>,
    /// Takes the kernel's word at settle points.
    pub(super) story: Option<StoryObserver>,
}

#[derive(Default)]
struct Compared {
    views: Views,
    settled: VecDeque<SettlePoint>,
    forgotten: u64,
}

/// A moment at which a program of the guest let things settle.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SettlePoint {
    /// As the program called it.
    pub(super) name: String,
    /// How long it took until both views agreed, or until we gave up.
    took_ms: u64,
    #[serde(flatten)]
    pub(super) comparison: Comparison,
}

/// The answer to `views`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What is known of the agent's stream.
    pub(super) agent: Stream,
    /// The settle points so far.
    pub(super) settled: Vec<SettlePoint>,
    /// Older ones that were too many.
    forgotten: u64,
    /// Both views now. Where things are under way, differences are no faults.
    pub(super) now: Comparison,
    /// Uses of what the kernel unbound or destroyed.
    uses: UsesReport,
}

impl BothViews {
    /// Of a device that loaded these address spaces, and of the kernel that `uses` hears of. A story of the device is given the
    /// kernel's word for its address spaces.
    pub(crate) fn new(
        uses: UnboundUses,
        spaces: AddressSpaces,
        story: Option<StoryObserver>,
    ) -> BothViews {
        BothViews { spaces, uses, compared: Arc::default(), story }
    }

    /// Compares what the kernel said up to now with the device as it was at `at_ns`.
    pub(super) fn compare(
        &self,
        device: &DeviceSnapshot,
        at_ns: u64,
    ) -> (KernelSnapshot, Comparison) {
        let kernel = self.uses.kernel().snapshot();
        let comparison = self.compared().views.compare(&kernel, device, at_ns);
        (kernel, comparison)
    }

    /// Gives the story the kernel's word, as things have settled.
    pub(super) fn tell(&self, kernel: &KernelSnapshot, comparison: &Comparison) {
        if let Some(story) = &self.story {
            story.kernel_says(comparison.at_ns, kernel, comparison);
        }
    }

    /// A settle point is over, with this comparison.
    pub(super) fn settled(&self, name: String, took_ms: u64, comparison: &Comparison) {
        // Which address spaces there were is for those who ask about now.
        let orphans = comparison.orphans.iter().copied().take(MOST_ORPHANS).collect();
        let comparison = Comparison { spaces: Vec::new(), orphans, ..comparison.clone() };
        let mut compared = self.compared();
        compared.settled.push_back(SettlePoint { name, took_ms, comparison });
        if compared.settled.len() > MOST_SETTLED {
            compared.settled.pop_front();
            compared.forgotten += 1;
        }
    }

    /// What both views say, at the settle points and `now`.
    pub(super) fn report(&self, now: Comparison) -> Report {
        let compared = self.compared();
        let settled = compared.settled.iter().cloned().collect();
        let (agent, uses) = (self.uses.kernel().snapshot().stream, self.uses.report());
        Report { agent, settled, forgotten: compared.forgotten, now, uses }
    }

    fn compared(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
