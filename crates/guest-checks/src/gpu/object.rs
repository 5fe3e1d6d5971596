//! Buffer objects.

use std::fs::File;

use super::Device;
use super::blt::Layout;
use crate::error::{Error, Result};
use crate::sys::{self, Mapping};
use crate::uapi;

/// How long any batch here may take, under a slow emulator.
const PATIENCE_NS: i64 = 30_000_000_000;

/// How the CPU sees an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Through the aperture (`I915_MMAP_OFFSET_GTT`).
    Aperture,
    /// The pages themselves, cached (`I915_MMAP_OFFSET_WB`).
    Cached,
    /// The pages themselves, writes going past the caches (`I915_MMAP_OFFSET_WC`): what the display
    /// reads.
    Uncached,
}

/// A handle of one client on an object; dropping closes it.
pub(crate) struct Object {
    device: Device,
    handle: u32,
    bytes: usize,
}

impl Object {
    /// A handle that the kernel has just given to `device`.
    pub(crate) fn owned(device: &Device, handle: u32, bytes: usize) -> Object {
        Object { device: device.clone(), handle, bytes }
    }

    pub(super) fn create(device: &Device, bytes: usize) -> Result<Object> {
        let mut create = uapi::GemCreate { size: bytes as u64, ..Default::default() };
        device.ioctl(uapi::GEM_CREATE, &mut create)?;
        Ok(Object::owned(device, create.handle, bytes))
    }

    /// Its number, for interfaces other than the GPU's own.
    pub(crate) fn handle(&self) -> u32 {
        self.handle
    }

    /// Maps it.
    pub(crate) fn map(&self, view: View) -> Result<Mapping> {
        let flags = match view {
            View::Aperture => 0,
            View::Uncached => 1,
            View::Cached => 2,
        };
        let mut map = uapi::GemMmapOffset { handle: self.handle, flags, ..Default::default() };
        self.device.ioctl(uapi::GEM_MMAP_OFFSET, &mut map)?;
        Mapping::new(self.device.file(), map.offset, self.bytes)
    }

    /// Maps it cached, the CPU being the one that uses it next.
    pub(crate) fn open(&self) -> Result<Mapping> {
        self.set_domain(uapi::DOMAIN_CPU)?;
        self.map(View::Cached)
    }

    /// Tells the kernel that the CPU reads and writes it next, in this domain.
    pub(crate) fn set_domain(&self, domain: u32) -> Result<()> {
        let mut set =
            uapi::GemSetDomain { handle: self.handle, read_domains: domain, write_domain: domain };
        self.device.ioctl(uapi::GEM_SET_DOMAIN, &mut set)
    }

    /// Tells the kernel how it is tiled and its bytes a row; the CPU then sees it in rows through the
    /// aperture. The kernel must take that as it is, without swizzling, which Broadwell lacks.
    pub(crate) fn set_tiling(&self, layout: Layout, pitch: u32) -> Result<()> {
        let mode = Layout::ALL.iter().position(|known| *known == layout).unwrap_or(0) as u32;
        let stride = if layout == Layout::Linear { 0 } else { pitch };
        let handle = self.handle;
        let mut set =
            uapi::GemSetTiling { handle, tiling_mode: mode, stride, ..Default::default() };
        self.device.ioctl(uapi::GEM_SET_TILING, &mut set)?;
        let mut got = uapi::GemGetTiling { handle, ..Default::default() };
        self.device.ioctl(uapi::GEM_GET_TILING, &mut got)?;
        if (got.tiling_mode, got.swizzle_mode, got.phys_swizzle_mode) != (mode, 0, 0) {
            return Err(Error::Wrong(format!("{layout:?} was asked for and it has {got:?}")));
        }
        Ok(())
    }

    /// Waits until no batch uses it.
    pub(crate) fn wait(&self) -> Result<()> {
        self.wait_at_most(PATIENCE_NS)
    }

    /// As [`Object::wait`], with a limit in nanoseconds.
    pub(crate) fn wait_at_most(&self, timeout_ns: i64) -> Result<()> {
        let mut wait = uapi::GemWait { bo_handle: self.handle, flags: 0, timeout_ns };
        self.device.ioctl(uapi::GEM_WAIT, &mut wait).map_err(|error| match error.errno() {
            Some(libc::ETIME) => Error::Late("a batch".into()),
            _ => error,
        })
    }

    /// Whether a batch still uses it.
    pub(crate) fn is_busy(&self) -> Result<bool> {
        match self.wait_at_most(0) {
            Ok(()) => Ok(false),
            Err(Error::Late(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Gives it a global name. Only for objects of the primary node.
    pub(crate) fn flink(&self) -> Result<u32> {
        let mut flink = uapi::GemFlink { handle: self.handle, name: 0 };
        self.device.ioctl(uapi::GEM_FLINK, &mut flink)?;
        Ok(flink.name)
    }

    /// A dma-buf of it.
    pub(crate) fn export(&self) -> Result<File> {
        let mut prime =
            uapi::PrimeHandle { handle: self.handle, flags: uapi::PRIME_CLOEXEC, fd: -1 };
        self.device.ioctl(uapi::PRIME_HANDLE_TO_FD, &mut prime)?;
        Ok(sys::owned_file(prime.fd))
    }

    /// For an execbuffer: this object at `address`.
    pub(crate) fn at(&self, address: u64) -> Placed<'_> {
        Placed { object: self, address, written: false }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let mut close = uapi::GemClose { handle: self.handle, pad: 0 };
        if let Err(error) = self.device.ioctl(uapi::GEM_CLOSE, &mut close) {
            eprintln!("gen8-checks: {error}");
        }
    }
}

/// An object with its place in a context's address space.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    object: &'a Object,
    address: u64,
    written: bool,
}

impl Placed<'_> {
    /// The batch writes it.
    pub(crate) fn written(self) -> Self {
        Placed { written: true, ..self }
    }

    pub(super) fn entry(&self) -> uapi::ExecObject2 {
        let write = if self.written { uapi::OBJECT_WRITE } else { 0 };
        uapi::ExecObject2 {
            handle: self.object.handle,
            offset: self.address,
            flags: uapi::OBJECT_PINNED | uapi::OBJECT_48B | write,
            ..Default::default()
        }
    }
}
