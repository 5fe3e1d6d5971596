//! What the questions are about: a device that runs, or one that a replay has stopped.

use std::sync::{Arc, Mutex, PoisonError};

use gpu_model::{Gpu, GuestRam};
use gpu_thread::Device;
use observe::AddressSpaces;

use super::surface::Remembered;
use crate::agent::Agent;

/// A device and what has been observed of it: all that an answer is made of.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(super) device: Held,
    pub(super) spaces: AddressSpaces,
    /// Surfaces that clients named.
    pub(super) remembered: Arc<Remembered>,
    /// The kernel's view, if an agent tells of it.
    pub(super) agent: Option<Agent>,
}

impl Subject {
    /// What is known of `device`, and of the address spaces that it loaded.
    pub(crate) fn new(device: Held, spaces: AddressSpaces) -> Subject {
        Subject { device, spaces, remembered: Arc::default(), agent: None }
    }

    /// The same, with the kernel's view.
    pub(crate) fn with_agent(self, agent: Option<Agent>) -> Subject {
        Subject { agent, ..self }
    }

    /// The memory that the device sees. The device is locked for the copy of a handle only.
    pub(super) fn memory(&self) -> GuestRam {
        self.device.look(|gpu| gpu.memory().clone())
    }
}

/// The device, however it is held.
#[derive(Clone)]
pub(crate) enum Held {
    /// It runs, in a thread of its own.
    Running(Arc<Device>),
    /// It stands still, at a moment of a recording.
    #[cfg_attr(not(test), expect(dead_code, reason = "`replay --control` makes one"))]
    Still(Arc<Mutex<Gpu>>),
}

/// Why a device is not changed.
#[derive(Debug, thiserror::Error)]
#[error("this is the device of a recording: it can be looked at, not changed")]
pub(crate) struct IsStill;

impl Held {
    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Held::Running(_))
    }

    /// Looks at the device, which is locked meanwhile.
    pub(crate) fn look<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        match self {
            Held::Running(device) => device.look(work),
            Held::Still(gpu) => work(&mut gpu.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Changes the device, as a user of the machine could.
    pub(super) fn touch<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> Result<R, IsStill> {
        match self {
            Held::Running(device) => Ok(device.touch(work)),
            Held::Still(_) => Err(IsStill),
        }
    }
}
