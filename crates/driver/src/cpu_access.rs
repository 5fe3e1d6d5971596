//! The CPU's access to objects: pread, pwrite, mmap, domains, busy and wait.

use alloc::vec::Vec;

use gen8_spec::PAGE_SIZE;
use ppgtt::PhysicalMemory;

use crate::api::Domain;
use crate::config::Activity;
use crate::error::Error;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::ids::{ClientId, Handle};
use crate::object::{Object, WriteDomain};
use crate::slab::Id;

impl<H: Hardware> Gem<H> {
    /// Physical address of an aligned dword of an object that has pages.
    fn dword_address(&self, object: Id<Object>, offset: u64) -> Result<u64, Error> {
        let record = self.objects.get(object)?;
        if !offset.is_multiple_of(4) || offset >= record.size {
            return Err(Error::Invalid);
        }
        let page = record.backing.get((offset / PAGE_SIZE) as usize).ok_or(Error::Invalid)?;
        Ok(page + offset % PAGE_SIZE)
    }

    /// Stores a dword of an object that has pages.
    pub(crate) fn write_dword(
        &mut self,
        object: Id<Object>,
        offset: u64,
        value: u32,
    ) -> Result<(), Error> {
        let address = self.dword_address(object, offset)?;
        if self.hw.memory().write_u32(address, value) { Ok(()) } else { Err(Error::Invalid) }
    }

    /// Loads a dword of an object that has pages.
    pub(crate) fn read_dword(&self, object: Id<Object>, offset: u64) -> Result<u32, Error> {
        let address = self.dword_address(object, offset)?;
        self.hw.memory().read_u32(address).ok_or(Error::Invalid)
    }

    /// Whether `count` dwords from `offset` lie in the object.
    fn check_span(&self, object: Id<Object>, offset: u64, count: usize) -> Result<(), Error> {
        let end = (count as u64).checked_mul(4).and_then(|bytes| offset.checked_add(bytes));
        let size = self.objects.get(object)?.size;
        let fits = offset.is_multiple_of(4) && end.is_some_and(|end| end <= size);
        if fits { Ok(()) } else { Err(Error::Invalid) }
    }

    /// Writes dwords (pwrite ioctl: waits for the GPU's reads and writes first).
    pub fn pwrite(
        &mut self,
        client: ClientId,
        handle: Handle,
        offset: u64,
        dwords: &[u32],
    ) -> Result<(), Error> {
        self.locked("pwrite", |gem| {
            let object = gem.object_of(client, handle)?;
            gem.check_span(object, offset, dwords.len())?;
            gem.object_get(object)?;
            let written = gem.object_wait_rendering(object, true).and_then(|()| {
                gem.object_get_pages(object)?;
                let offsets = (offset..).step_by(4);
                offsets.zip(dwords).try_for_each(|(at, &dword)| gem.write_dword(object, at, dword))
            });
            gem.object_put(object)?;
            written
        })
    }

    /// Reads `count` dwords (pread ioctl: waits for the GPU's writes first).
    pub fn pread(
        &mut self,
        client: ClientId,
        handle: Handle,
        offset: u64,
        count: usize,
    ) -> Result<Vec<u32>, Error> {
        self.locked("pread", |gem| {
            let object = gem.object_of(client, handle)?;
            gem.check_span(object, offset, count)?;
            gem.object_get(object)?;
            let read = gem.object_wait_rendering(object, false).and_then(|()| {
                gem.object_get_pages(object)?;
                let offsets = (offset..).step_by(4).take(count);
                offsets.map(|at| gem.read_dword(object, at)).collect()
            });
            gem.object_put(object)?;
            read
        })
    }

    /// Writes a dword through a CPU mmap: no lock, no waiting.
    pub fn cpu_mmap_write(
        &mut self,
        client: ClientId,
        handle: Handle,
        offset: u64,
        value: u32,
    ) -> Result<(), Error> {
        let object = self.object_of(client, handle)?;
        self.object_get_pages(object)?;
        self.write_dword(object, offset, value)
    }

    /// Reads a dword through a CPU mmap: no lock, no waiting.
    pub fn cpu_mmap_read(
        &mut self,
        client: ClientId,
        handle: Handle,
        offset: u64,
    ) -> Result<u32, Error> {
        let object = self.object_of(client, handle)?;
        self.object_get_pages(object)?;
        self.read_dword(object, offset)
    }

    /// Moves the object to a domain: waits for the GPU with the lock dropped, and retires what it
    /// waited for. This is IGT's `gem_sync`.
    pub fn set_domain(
        &mut self,
        client: ClientId,
        handle: Handle,
        domain: Domain,
        write: bool,
    ) -> Result<(), Error> {
        let object = self.object_of(client, handle)?;
        self.wait_object_unlocked(object, write, None)?;
        self.locked("set_domain", |gem| {
            gem.object_get(object)?;
            let moved = gem.object_wait_rendering(object, write).and_then(|()| {
                gem.retire_completed_reads(object)?;
                gem.object_get_pages(object)?;
                if write {
                    gem.objects.get_mut(object)?.write_domain = match domain {
                        Domain::Cpu => WriteDomain::Cpu,
                        Domain::Gtt => WriteDomain::Gtt,
                    };
                }
                Ok(())
            });
            gem.object_put(object)?;
            moved
        })
    }

    /// Whether the GPU still uses the object; retires its completed requests first.
    pub fn gem_busy(&mut self, client: ClientId, handle: Handle) -> Result<bool, Error> {
        self.locked("gem_busy", |gem| {
            let object = gem.object_of(client, handle)?;
            gem.retire_completed_reads(object)?;
            Ok(gem.objects.get(object)?.active != 0)
        })
    }

    /// Waits until the GPU is done with the object; the lock is dropped meanwhile. `None` = no
    /// limit. As in 2015, the wait itself retires nothing.
    pub fn gem_wait(
        &mut self,
        client: ClientId,
        handle: Handle,
        timeout_ns: Option<u64>,
    ) -> Result<(), Error> {
        let object = self.object_of(client, handle)?;
        self.locked("gem_wait", |gem| gem.retire_completed_reads(object))?;
        self.wait_object_unlocked(object, true, timeout_ns)
    }

    fn wait_object_unlocked(
        &mut self,
        object: Id<Object>,
        for_write: bool,
        timeout_ns: Option<u64>,
    ) -> Result<(), Error> {
        for request in self.object_requests(object, for_write) {
            if self.requests.contains(request) {
                self.wait_unlocked(request, timeout_ns)?;
            }
        }
        Ok(())
    }

    /// i915 `i915_gem_object_flush_active`: retires what has completed of this object.
    fn retire_completed_reads(&mut self, object: Id<Object>) -> Result<(), Error> {
        self.poll_hardware();
        self.object_get(object)?;
        let mut retired = Ok(());
        for request in self.object_requests(object, true) {
            let Ok(engine) = self.requests.get(request).map(|r| r.engine) else { continue };
            if !self.request_completed(request)? {
                continue;
            }
            retired = self.retire_requests_upto(request);
            if retired.is_ok() && self.config.activity == Activity::PerObject {
                retired = self.retire_object_after(object, engine);
            }
            if retired.is_err() {
                break;
            }
        }
        self.object_put(object)?;
        retired
    }
}
