//! The memory that a device reaches, for an observer that holds on to one memory: a machine's map changes.

use std::sync::{Arc, PoisonError, RwLock};

use gpu_model::{Event, GuestRam, Interests, Observer};
use ppgtt::PhysicalMemory;

/// Whatever the device reaches now: an [`Observer`] that hears of memory alone. Clones are the same memory.
#[derive(Clone, Debug)]
pub(super) struct DeviceMemory(Arc<RwLock<GuestRam>>);

impl Default for DeviceMemory {
    fn default() -> Self {
        DeviceMemory(Arc::new(RwLock::new(GuestRam::empty())))
    }
}

impl DeviceMemory {
    fn read<R>(&self, read: impl FnOnce(&GuestRam) -> R) -> R {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for DeviceMemory {
    fn interests(&self) -> Interests {
        Interests::NONE
    }

    fn memory(&mut self, memory: &GuestRam) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = memory.clone();
    }

    fn event(&mut self, _: u64, _: &Event) {}
}

impl PhysicalMemory for DeviceMemory {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.read(|memory| memory.read_u64(address))
    }

    fn write_u64(&self, _: u64, _: u64) -> bool {
        false
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.read(|memory| memory.read_u32(address))
    }

    fn write_u32(&self, _: u64, _: u32) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_device_reaches_now_is_read_and_nothing_is_written() {
        let memory = DeviceMemory::default();
        assert_eq!(memory.read_u32(0), None);
        let ram = GuestRam::anonymous(1 << 12).unwrap();
        assert!(ram.write_u32(4, 7));
        memory.clone().memory(&ram);
        assert_eq!((memory.read_u32(4), memory.read_u64(0)), (Some(7), Some(7 << 32)));
        assert!(!memory.write_u32(4, 8) && memory.read_u32(4) == Some(7));
    }
}
