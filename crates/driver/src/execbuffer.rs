//! execbuffer2: from a client's list of handles to a request.

use alloc::vec::Vec;

use ppgtt::{canonical, is_canonical, strip_canonical};

use crate::address_space::Vm;
use crate::api::{ExecBuffer, ExecObject, ExecResult, FaultInjection};
use crate::config::PpgttMode;
use crate::context::Context;
use crate::error::Error;
use crate::gem::Gem;
use crate::gt::{SubmitError, Submitted, Work};
use crate::hardware::Hardware;
use crate::ids::{ClientId, Handle};
use crate::object::Object;
use crate::request::Request;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::Vma;

/// Objects that one call may name.
const MAX_OBJECTS: usize = 1 << 16;

/// One object of the call in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) handle: Handle,
    pub(crate) object: Id<Object>,
    pub(crate) vma: Id<Vma>,
    /// Pinned by the reservation.
    reserved: bool,
}

impl<H: Hardware> Gem<H> {
    /// Submits a batch.
    pub fn execbuffer(&mut self, client: ClientId, exec: &ExecBuffer) -> Result<ExecResult, Error> {
        self.run_pending_reset();
        self.locked("execbuffer", |gem| {
            let context = gem.context_of(client, exec.context)?;
            gem.check_exec(context, exec)?;
            let vm = gem.contexts.get(context)?.vm.unwrap_or(gem.ggtt);
            gem.context_get(context)?;
            let done = gem.lookup_entries(client, context, vm, exec).and_then(|mut entries| {
                let done = gem.run_entries(context, vm, exec, &mut entries);
                gem.drop_entries(&entries)?;
                done
            });
            gem.context_put(context)?;
            done
        })
    }

    fn check_exec(&self, context: Id<Context>, exec: &ExecBuffer) -> Result<(), Error> {
        self.engine_index(exec.engine)?;
        if self.wedged || self.contexts.get(context)?.hang.banned {
            return Err(Error::Io);
        }
        if exec.objects.is_empty() || exec.objects.len() > MAX_OBJECTS {
            return Err(Error::Invalid);
        }
        let bad_pin =
            |o: &ExecObject| o.pinned && (o.offset & 0xfff != 0 || !is_canonical(o.offset));
        if exec.objects.iter().any(bad_pin) || !exec.batch_offset.is_multiple_of(8) {
            return Err(Error::Invalid);
        }
        Ok(())
    }

    /// i915 `eb_lookup_vmas`: every handle to its object and VMA. A VMA made here stays when the
    /// call fails later (hole h3).
    fn lookup_entries(
        &mut self,
        client: ClientId,
        context: Id<Context>,
        vm: Id<Vm>,
        exec: &ExecBuffer,
    ) -> Result<Vec<Entry>, Error> {
        let mut objects: Vec<(Handle, Id<Object>)> = Vec::new();
        for wanted in &exec.objects {
            let object = self.object_of(client, wanted.handle)?;
            if objects.iter().any(|&(_, o)| o == object) {
                return Err(Error::Invalid);
            }
            objects.push((wanted.handle, object));
        }
        let mut entries = Vec::new();
        for (handle, object) in objects {
            match self.lookup_entry(context, vm, handle, object) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    self.drop_entries(&entries)?;
                    return Err(error);
                }
            }
        }
        Ok(entries)
    }

    fn lookup_entry(
        &mut self,
        context: Id<Context>,
        vm: Id<Vm>,
        handle: Handle,
        object: Id<Object>,
    ) -> Result<Entry, Error> {
        let vma = self.vma_lookup_or_create(object, vm)?;
        self.vma_open(context, handle, vma)?;
        self.vmas.get_mut(vma)?.exec_listed = true;
        self.object_get(object)?;
        Ok(Entry { handle, object, vma, reserved: false })
    }

    /// i915 `eb_destroy`: pins and references of the call go.
    fn drop_entries(&mut self, entries: &[Entry]) -> Result<(), Error> {
        for entry in entries {
            if let Ok(record) = self.vmas.get_mut(entry.vma) {
                record.exec_listed = false;
            }
            if entry.reserved {
                self.vma_unpin(entry.vma);
            }
            self.object_put(entry.object)?;
        }
        Ok(())
    }

    fn run_entries(
        &mut self,
        context: Id<Context>,
        vm: Id<Vm>,
        exec: &ExecBuffer,
        entries: &mut [Entry],
    ) -> Result<ExecResult, Error> {
        let index = self.engine_index(exec.engine)?;
        self.retire_engine(index)?;
        self.reserve(vm, &exec.objects, entries)?;
        self.relocate(&exec.objects, entries)?;
        let batch = entries.last().ok_or(Error::Invalid)?;
        if exec.batch_offset >= self.objects.get(batch.object)?.size {
            return Err(Error::Invalid);
        }
        self.sync_engines(exec, entries)?;
        let start = self.vmas.get(batch.vma)?.node.ok_or(Error::Invalid)?;
        let request =
            self.submit_batch(context, vm, exec, start.wrapping_add(exec.batch_offset))?;
        // The switch away from the engine's last context is emitted before the objects become
        // active: that context may die here.
        self.request_emitted(request)?;
        for (wanted, entry) in exec.objects.iter().zip(entries.iter()) {
            self.move_to_active(entry.vma, request, wanted.write)?;
        }
        let offsets = entries
            .iter()
            .map(|entry| Ok(canonical(self.vmas.get(entry.vma)?.node.ok_or(Error::Invalid)?)));
        Ok(ExecResult { offsets: offsets.collect::<Result<_, Error>>()? })
    }

    /// i915 `i915_gem_execbuffer_reserve`: binds and pins everything; on lack of space evicts the
    /// whole address space and tries once more.
    fn reserve(
        &mut self,
        vm: Id<Vm>,
        objects: &[ExecObject],
        entries: &mut [Entry],
    ) -> Result<(), Error> {
        if vm != self.ggtt && self.take_fault(FaultInjection::ExecbufVaSpace) {
            return Err(Error::NoSpace);
        }
        match self.reserve_once(objects, entries) {
            Err(Error::NoSpace) => {
                for entry in entries.iter_mut().filter(|e| e.reserved) {
                    entry.reserved = false;
                    self.vma_unpin(entry.vma);
                }
                self.evict_vm(vm)?;
                self.reserve_once(objects, entries)
            }
            result => result,
        }
    }

    fn reserve_once(&mut self, objects: &[ExecObject], entries: &mut [Entry]) -> Result<(), Error> {
        let fixed =
            |wanted: &ExecObject| wanted.pinned.then_some(wanted.offset).and_then(strip_canonical);
        // First what lies wrong, so that its place is free for the others.
        for (wanted, entry) in objects.iter().zip(entries.iter()) {
            let node = self.vmas.get(entry.vma)?.node;
            if let (Some(node), Some(start)) = (node, fixed(wanted))
                && node != start
            {
                self.unbind(entry.vma, Wait::Rendering)?;
            }
        }
        // Softpinned objects before the others, so that these do not take their places.
        for pinned in [true, false] {
            for (wanted, entry) in objects.iter().zip(entries.iter_mut()) {
                if wanted.pinned == pinned {
                    self.vma_bind(entry.vma, fixed(wanted))?;
                    self.vma_pin(entry.vma)?;
                    entry.reserved = true;
                }
            }
        }
        Ok(())
    }

    /// Orders this batch behind other engines' use of its objects. Gen8 had no semaphores enabled
    /// by default: the CPU waits, with struct_mutex held.
    fn sync_engines(&mut self, exec: &ExecBuffer, entries: &[Entry]) -> Result<(), Error> {
        for (wanted, entry) in exec.objects.iter().zip(entries) {
            for request in self.object_requests(entry.object, wanted.write) {
                let elsewhere = self.requests.get(request).is_ok_and(|r| r.engine != exec.engine);
                if elsewhere {
                    self.wait_request(request)?;
                }
            }
        }
        Ok(())
    }

    fn submit_batch(
        &mut self,
        context: Id<Context>,
        vm: Id<Vm>,
        exec: &ExecBuffer,
        batch: u64,
    ) -> Result<Id<Request>, Error> {
        let image = self.context_image(context, exec.engine)?;
        let tables = self.aliasing.unwrap_or(vm);
        let bit = 1 << exec.engine.index();
        let space = self.vms.get_mut(tables)?;
        let mut work = Work::empty(0);
        work.reload_pdps = space.dirty_engines & bit != 0;
        if work.reload_pdps {
            space.loaded_root = space.tables.as_ref().map(ppgtt::AddressSpace::root);
        }
        work.address_space = space.loaded_root;
        work.batch = Some(batch);
        work.batch_in_ggtt = self.config.ppgtt == PpgttMode::None;
        let request = self.request_create(exec.engine, Some(context))?;
        work.token = request.token();
        match self.submit_retrying(exec, image, &work) {
            Ok(submitted) => {
                self.requests.get_mut(request)?.seqno = submitted.seqno;
                self.vms.get_mut(tables)?.dirty_engines &= !bit;
                Ok(request)
            }
            Err(error) => {
                self.request_put(request)?;
                Err(error)
            }
        }
    }

    /// Submits; when the ring is full or the seqno wraps, waits for earlier requests first.
    fn submit_retrying(
        &mut self,
        exec: &ExecBuffer,
        image: u32,
        work: &Work,
    ) -> Result<Submitted, Error> {
        loop {
            let index = self.engine_index(exec.engine)?;
            let context = self.images.get_mut(&image).ok_or(Error::Stale("context image"))?;
            match self.hw.submit(context, work) {
                Ok(submitted) => return Ok(submitted),
                Err(SubmitError::RingFull) => {
                    let &oldest = self.engines[index].requests.front().ok_or(Error::NoSpace)?;
                    self.wait_request(oldest)?;
                    self.retire_engine(index)?;
                }
                Err(SubmitError::SeqnoWrap) => self.gpu_idle_locked()?,
                Err(SubmitError::Wedged) => return Err(Error::Io),
                Err(_) => return Err(Error::Invalid),
            }
        }
    }
}
