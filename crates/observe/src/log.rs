//! Where the snapshots go: shared between the observer, which the device owns, and the machine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::snapshot::CensusSnapshot;

/// Snapshots kept; a guest can ask for any number of checkpoints.
const KEPT: usize = 4096;

/// The snapshots taken so far. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct CensusLog(Arc<Mutex<Vec<CensusSnapshot>>>);

impl CensusLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// All snapshots so far, oldest first. After 4096 snapshots later ones are dropped.
    pub fn snapshots(&self) -> Vec<CensusSnapshot> {
        self.lock().clone()
    }

    /// Takes the snapshots out.
    pub fn take(&self) -> Vec<CensusSnapshot> {
        std::mem::take(&mut *self.lock())
    }

    pub(crate) fn push(&self, snapshot: CensusSnapshot) {
        let mut snapshots = self.lock();
        if snapshots.len() < KEPT {
            snapshots.push(snapshot);
        } else {
            log::warn!("census log is full: checkpoint {} is dropped", snapshot.label);
        }
    }

    /// A panic elsewhere leaves whole snapshots, so a poisoned lock is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, Vec<CensusSnapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
