//! Handles and flink names.

use alloc::vec::Vec;

use gen8_spec::debug_page::Hint;

use crate::config::HandleRef;
use crate::error::Error;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::ids::{ClientId, ContextId, Handle, Name};
use crate::object::Object;
use crate::slab::Id;

impl<H: Hardware> Gem<H> {
    /// The object behind a client's handle.
    pub(crate) fn object_of(&self, client: ClientId, handle: Handle) -> Result<Id<Object>, Error> {
        self.client(client)?.handles.get(&handle).copied().ok_or(Error::NoEntry)
    }

    /// Gives a client a new handle.
    pub(crate) fn handle_create(
        &mut self,
        client: ClientId,
        object: Id<Object>,
    ) -> Result<Handle, Error> {
        let table = self.client_mut(client)?;
        let handle = Handle(next(&mut table.next_handle));
        table.handles.insert(handle, object);
        self.handle_count_get(object)?;
        let object = self.objects.get(object)?.number;
        self.hw.hint(Hint::HandleCreated { handle: handle.0, client: client.0, object });
        Ok(handle)
    }

    /// Counts a handle, and the reference that it holds.
    pub(crate) fn handle_count_get(&mut self, object: Id<Object>) -> Result<(), Error> {
        let shared = self.config.handle_ref == HandleRef::SharedOne;
        let record = self.objects.get_mut(object)?;
        record.handle_count += 1;
        if !shared || record.handle_count == 1 {
            record.refs += 1;
        }
        Ok(())
    }

    /// Drops a handle's count and reference. The last handle takes the flink name with it: a name
    /// holds nothing.
    pub(crate) fn handle_count_put(&mut self, object: Id<Object>) -> Result<(), Error> {
        let shared = self.config.handle_ref == HandleRef::SharedOne;
        let record = self.objects.get_mut(object)?;
        record.handle_count -= 1;
        let last = record.handle_count == 0;
        if last && let Some(name) = record.name.take() {
            self.names.flink.remove(&name);
        }
        if !shared || last { self.object_put(object) } else { Ok(()) }
    }

    /// Removes a handle: first the driver's hook (4.9), then the core's counts.
    pub(crate) fn handle_delete(&mut self, client: ClientId, handle: Handle) -> Result<(), Error> {
        let table = self.client_mut(client)?;
        let object = table.handles.remove(&handle).ok_or(Error::NoEntry)?;
        table.prime.retain(|_, &mut h| h != handle);
        self.hw.hint(Hint::HandleDeleted { handle: handle.0, client: client.0 });
        if !self.config.mutations.skip_cleanup {
            self.handle_close_hook(client, handle, object)?;
        }
        self.handle_count_put(object)
    }

    /// Creates an object of `size` bytes (rounded up to pages).
    pub fn gem_create(&mut self, client: ClientId, size: u64) -> Result<Handle, Error> {
        self.locked("gem_create", |gem| {
            gem.client(client)?;
            let object = gem.object_create(size)?;
            let handle = gem.handle_create(client, object)?;
            gem.object_put(object)?;
            Ok(handle)
        })
    }

    /// Closes a handle.
    pub fn gem_close(&mut self, client: ClientId, handle: Handle) -> Result<(), Error> {
        self.locked("gem_close", |gem| gem.handle_delete(client, handle))
    }

    /// Gives the object a global name (the same one at every call).
    pub fn gem_flink(&mut self, client: ClientId, handle: Handle) -> Result<Name, Error> {
        self.locked("gem_flink", |gem| {
            let object = gem.object_of(client, handle)?;
            gem.object_name(object)
        })
    }

    /// The object's flink name, made at the first call.
    pub(crate) fn object_name(&mut self, object: Id<Object>) -> Result<Name, Error> {
        if let Some(name) = self.objects.get(object)?.name {
            return Ok(name);
        }
        let name = Name(next(&mut self.numbers.name));
        self.objects.get_mut(object)?.name = Some(name);
        self.names.flink.insert(name, object);
        Ok(name)
    }

    /// Opens a named object: a new handle at every call.
    pub fn gem_open(&mut self, client: ClientId, name: Name) -> Result<Handle, Error> {
        self.locked("gem_open", |gem| {
            let object = gem.names.flink.get(&name).copied().ok_or(Error::NoEntry)?;
            gem.handle_create(client, object)
        })
    }

    /// Address of the object's VMA in a context's address space; `None` if not bound there.
    pub fn vma_offset(&self, client: ClientId, context: ContextId, handle: Handle) -> Option<u64> {
        let object = self.object_of(client, handle).ok()?;
        let context = self.contexts.get(self.context_of(client, context).ok()?).ok()?;
        let vma = self.vma_find(object, context.vm.unwrap_or(self.ggtt))?;
        self.vmas.get(vma).ok()?.node
    }

    /// Number of living VMAs of the object in all address spaces.
    pub fn vma_count(&self, client: ClientId, handle: Handle) -> usize {
        self.object_of(client, handle).map_or(0, |object| self.vmas_of(object).len())
    }

    /// Whether any VMA of the object is bound.
    pub fn is_bound(&self, client: ClientId, handle: Handle) -> bool {
        let vmas = self.object_of(client, handle).map_or(Vec::new(), |o| self.vmas_of(o));
        vmas.into_iter().any(|vma| self.vmas.get(vma).is_ok_and(|v| v.node.is_some()))
    }

    /// Driver-wide number of the object (as in hints and the census).
    pub fn object_id(&self, client: ClientId, handle: Handle) -> Option<u32> {
        let object = self.object_of(client, handle).ok()?;
        self.objects.get(object).ok().map(|o| o.number)
    }

    /// Driver-wide number of a context's address space (as in hints and the census).
    pub fn vm_id(&self, client: ClientId, context: ContextId) -> Option<u32> {
        let context = self.contexts.get(self.context_of(client, context).ok()?).ok()?;
        self.vms.get(context.vm?).ok().map(|vm| vm.number)
    }
}
