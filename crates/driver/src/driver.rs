//! The client's interface: one method per ioctl, debugfs file and worker.

use alloc::string::String;
use alloc::vec::Vec;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;

use crate::api::{CpuAction, Domain, DropCaches, ExecBuffer, ExecResult, FaultInjection};
use crate::config::Config;
use crate::counters::Counters;
use crate::error::Error;
use crate::findings::Finding;
use crate::gt::{Gt, GtConfig, ProbeError};
use crate::ids::{ClientId, ContextId, DmaBuf, FbId, Handle, Name};
use crate::platform::Platform;

/// One driver instance on one GPU.
pub struct Driver<P: Platform> {
    gt: Gt<P>,
    config: Config,
    findings: Vec<Finding>,
}

impl<P: Platform> Driver<P> {
    /// Probes the device and brings it up.
    pub fn new(platform: P, config: Config) -> Result<Self, ProbeError> {
        let gt = Gt::probe(
            platform,
            GtConfig { submission: config.submission, levels: config.levels, hints: config.hints },
        )?;
        Ok(Driver { gt, config, findings: Vec::new() })
    }
    /// Closes every client, waits, frees everything and returns the machine.
    pub fn shutdown(self) -> P {
        self.gt.shutdown()
    }
    /// The machine.
    pub fn platform_mut(&mut self) -> &mut P {
        self.gt.platform_mut()
    }
    /// The knobs.
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// Engines of this GPU.
    pub fn engines(&self) -> &[EngineId] {
        self.gt.engines()
    }
    /// Opens the device node: a client with its default context.
    pub fn open(&mut self) -> Result<ClientId, Error> {
        Err(Error::NoDevice)
    }
    /// Closes a client: first its contexts (preclose), then its handles.
    pub fn close(&mut self, _client: ClientId) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Creates an object of `size` bytes (rounded up to pages).
    pub fn gem_create(&mut self, _client: ClientId, _size: u64) -> Result<Handle, Error> {
        Err(Error::NoEntry)
    }
    /// Closes a handle.
    pub fn gem_close(&mut self, _client: ClientId, _handle: Handle) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Gives the object a global name (the same one at every call).
    pub fn gem_flink(&mut self, _client: ClientId, _handle: Handle) -> Result<Name, Error> {
        Err(Error::NoEntry)
    }
    /// Opens a named object: a new handle at every call.
    pub fn gem_open(&mut self, _client: ClientId, _name: Name) -> Result<Handle, Error> {
        Err(Error::NoEntry)
    }
    /// Exports an object as a dma-buf, which holds a reference until `dma_buf_close`.
    pub fn prime_export(&mut self, _client: ClientId, _handle: Handle) -> Result<DmaBuf, Error> {
        Err(Error::NoEntry)
    }
    /// Imports a dma-buf of this device: the same object.
    pub fn prime_import(&mut self, _client: ClientId, _buf: DmaBuf) -> Result<Handle, Error> {
        Err(Error::NoEntry)
    }
    /// Closes an exported dma-buf.
    pub fn dma_buf_close(&mut self, _buf: DmaBuf) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Creates fbcon's frame buffer: kernel-owned, pinned in the GGTT for scan-out, with a name.
    pub fn fb_create(&mut self, _size: u64) -> Result<(FbId, Name), Error> {
        Err(Error::NoMemory)
    }
    /// Writes dwords (pwrite ioctl: waits for the GPU's reads and writes first).
    pub fn pwrite(
        &mut self,
        _c: ClientId,
        _h: Handle,
        _offset: u64,
        _dwords: &[u32],
    ) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Reads `count` dwords (pread ioctl: waits for the GPU's writes first).
    pub fn pread(
        &mut self,
        _c: ClientId,
        _h: Handle,
        _offset: u64,
        _count: usize,
    ) -> Result<Vec<u32>, Error> {
        Err(Error::NoEntry)
    }
    /// Writes a dword through a CPU mmap: no lock, no waiting.
    pub fn cpu_mmap_write(
        &mut self,
        _c: ClientId,
        _h: Handle,
        _offset: u64,
        _value: u32,
    ) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Reads a dword through a CPU mmap: no lock, no waiting.
    pub fn cpu_mmap_read(&mut self, _c: ClientId, _h: Handle, _offset: u64) -> Result<u32, Error> {
        Err(Error::NoEntry)
    }
    /// Moves the object to a domain; waits for the GPU.
    pub fn set_domain(
        &mut self,
        _c: ClientId,
        _h: Handle,
        _domain: Domain,
        _write: bool,
    ) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Whether the GPU still uses the object.
    pub fn gem_busy(&mut self, _c: ClientId, _h: Handle) -> Result<bool, Error> {
        Err(Error::NoEntry)
    }
    /// Waits until the GPU is done with the object; the lock is dropped meanwhile. `None` = no limit.
    pub fn gem_wait(
        &mut self,
        _c: ClientId,
        _h: Handle,
        _timeout_ns: Option<u64>,
    ) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Creates a context with an address space of its own (full PPGTT).
    pub fn context_create(&mut self, _client: ClientId) -> Result<ContextId, Error> {
        Err(Error::NoEntry)
    }
    /// Destroys a context; the default context cannot be destroyed.
    pub fn context_destroy(&mut self, _client: ClientId, _context: ContextId) -> Result<(), Error> {
        Err(Error::NoEntry)
    }
    /// Submits a batch.
    pub fn execbuffer(
        &mut self,
        _client: ClientId,
        _exec: &ExecBuffer,
    ) -> Result<ExecResult, Error> {
        Err(Error::NoEntry)
    }
    /// `i915_gem_drop_caches`.
    pub fn drop_caches(&mut self, _flags: DropCaches) -> Result<(), Error> {
        Ok(())
    }
    /// `i915_gem_gtt`: one line per bound object, then the total.
    pub fn debugfs_gem_gtt(&self) -> String {
        String::new()
    }
    /// Address of the object's VMA in a context's address space; `None` if not bound there.
    pub fn vma_offset(
        &self,
        _client: ClientId,
        _context: ContextId,
        _handle: Handle,
    ) -> Option<u64> {
        None
    }
    /// Number of live VMAs of the object in all address spaces.
    pub fn vma_count(&self, _client: ClientId, _handle: Handle) -> usize {
        0
    }
    /// Whether any VMA of the object is bound.
    pub fn is_bound(&self, _client: ClientId, _handle: Handle) -> bool {
        false
    }
    /// Driver-wide number of the object (as in hints and the census).
    pub fn object_id(&self, _client: ClientId, _handle: Handle) -> Option<u32> {
        None
    }
    /// Driver-wide number of a context's address space (as in hints and the census).
    pub fn vm_id(&self, _client: ClientId, _context: ContextId) -> Option<u32> {
        None
    }
    /// Queues an action of another client (deadlock model).
    pub fn queue_action(&mut self, _action: CpuAction) {}
    /// Lets an injected failure happen once.
    pub fn inject(&mut self, _fault: FaultInjection) {}
    /// Gives a hint to the debug page (scenarios: `Hint::Checkpoint`).
    pub fn hint(&mut self, _hint: Hint) {}
    /// One turn of the interrupt handler and the timers (retire worker, idle worker, hangcheck).
    pub fn poll(&mut self) {}
    /// Retires what has completed.
    pub fn retire(&mut self) {}
    /// Runs pending actions, waits until the GPU is idle, retires, runs the workers, parks. The
    /// engines keep the context that they ran last (unless the era's parking switches it).
    pub fn quiesce(&mut self) {}
    /// `quiesce`, then switches every engine to the kernel's context and quiesces again.
    pub fn settle(&mut self) {}
    /// What lives now.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
    /// What the driver noticed about itself.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
