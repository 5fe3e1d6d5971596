//! The machine's memory as its CPU writes it: each write can be told.
//!
//! A device does not see what CPUs write to memory. In process the driver is the only CPU there is, and
//! reaches memory through the platform alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use gpu_model::GuestRam;
use ppgtt::PhysicalMemory;

/// A write by the CPU, after it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuWrite {
    /// Device time, nanoseconds.
    pub now_ns: u64,
    /// Physical address.
    pub address: u64,
    /// Bytes: 4 or 8.
    pub len: u8,
    /// What was written.
    pub value: u64,
}

/// Who is told of each write.
pub type CpuWrites = Box<dyn Fn(CpuWrite) + Send + Sync>;

/// The machine's RAM for its CPU. Clones share memory and listener.
#[derive(Clone)]
pub struct CpuRam {
    ram: GuestRam,
    listener: Arc<Listener>,
}

#[derive(Default)]
struct Listener {
    now_ns: AtomicU64,
    told: OnceLock<CpuWrites>,
}

impl CpuRam {
    /// Nobody listens.
    pub(crate) fn new(ram: GuestRam) -> CpuRam {
        CpuRam { ram, listener: Arc::default() }
    }

    /// Tells every write from here on; `false` if somebody is told already.
    pub(crate) fn listen(&self, told: CpuWrites) -> bool {
        self.listener.told.set(told).is_ok()
    }

    /// Sets the time that writes are told with, in nanoseconds.
    pub(crate) fn set_time(&self, now_ns: u64) {
        self.listener.now_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Who is told; nobody where the device does not tell either.
    #[inline]
    fn told(&self) -> Option<&CpuWrites> {
        if gpu_model::TELLS { self.listener.told.get() } else { None }
    }

    /// Tells a write, if somebody is told. Returns true.
    #[inline]
    fn wrote(&self, address: u64, len: u8, value: u64) -> bool {
        if self.told().is_some() { self.tell(address, len, value) } else { true }
    }

    // It returns what its callers do, so that they end with it and need no room on the stack.
    #[cold]
    fn tell(&self, address: u64, len: u8, value: u64) -> bool {
        if let Some(told) = self.told() {
            let now_ns = self.listener.now_ns.load(Ordering::Relaxed);
            told(CpuWrite { now_ns, address, len, value });
        }
        true
    }
}

impl core::fmt::Debug for CpuRam {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let told = self.listener.told.get().is_some();
        f.debug_struct("CpuRam").field("bytes", &self.ram.size()).field("told", &told).finish()
    }
}

impl PhysicalMemory for CpuRam {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.ram.read_u64(address)
    }

    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.ram.write_u64(address, value) && self.wrote(address, 8, value)
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.ram.read_u32(address)
    }

    fn write_u32(&self, address: u64, value: u32) -> bool {
        self.ram.write_u32(address, value) && self.wrote(address, 4, value.into())
    }

    fn read_table(&self, address: u64, entries: &mut [u64; 512]) -> bool {
        self.ram.read_table(address, entries)
    }

    fn write_u64s(&self, address: u64, values: &[u64]) -> bool {
        let written = self.ram.write_u64s(address, values);
        if written && self.told().is_some() {
            let places = (address..).step_by(8);
            for (address, &value) in places.zip(values) {
                self.tell(address, 8, value);
            }
        }
        written
    }

    fn fill_u64(&self, address: u64, value: u64, count: usize) -> bool {
        let written = self.ram.fill_u64(address, value, count);
        if written && self.told().is_some() {
            for address in (address..).step_by(8).take(count) {
                self.tell(address, 8, value);
            }
        }
        written
    }
}
