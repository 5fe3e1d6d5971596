//! Objects made of a program's own memory (i915 userptr): the memory goes when the program says so.

use crate::error::Error;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::ids::{ClientId, Handle, UserMemory};
use crate::object::{Object, ObjectList};
use crate::slab::Id;
use crate::unbind::Wait;

impl<H: Hardware> Gem<H> {
    /// Makes an object of `size` bytes of the client's memory (`I915_GEM_USERPTR`).
    pub fn userptr_create(
        &mut self,
        client: ClientId,
        size: u64,
    ) -> Result<(Handle, UserMemory), Error> {
        let handle = self.gem_create(client, size)?;
        let object = self.object_of(client, handle)?;
        let memory = UserMemory(next(&mut self.numbers.user_memory));
        self.names.user_memory.insert(memory, object);
        Ok((handle, memory))
    }

    /// The program unmaps its memory, which it may do at any time. The driver hears of it (an MMU
    /// notifier) and must have the GPU's mappings gone when it returns: the pages go then. Where the
    /// object is gone already, so are they.
    pub fn userptr_unmap(&mut self, memory: UserMemory) -> Result<(), Error> {
        let Some(object) = self.names.user_memory.remove(&memory) else { return Ok(()) };
        self.locked("userptr_unmap", |gem| {
            gem.object_get(object)?;
            let unbound = gem.object_unbind(object);
            if unbound.is_ok() {
                gem.drop_user_pages(object)?;
            }
            gem.object_put(object)?;
            unbound
        })
    }

    fn drop_user_pages(&mut self, object: Id<Object>) -> Result<(), Error> {
        let record = self.objects.get_mut(object)?;
        let pages = core::mem::take(&mut record.backing);
        let were_mapped = core::mem::take(&mut record.was_mapped);
        record.has_pages = false;
        self.set_object_list(object, ObjectList::None)?;
        self.release_pages(pages, were_mapped);
        Ok(())
    }

    /// Unbinds an object everywhere, and waits where it is in use (i915 `i915_gem_object_unbind`). The
    /// first failure ends it. A VMA that is gone by the time it has its turn is fine: unbinding may
    /// retire, and retiring may free neighbours.
    pub(crate) fn object_unbind(&mut self, object: Id<Object>) -> Result<(), Error> {
        for vma in self.vmas_to_unbind(object) {
            if self.vmas.contains(vma) {
                self.unbind(vma, Wait::Rendering)?;
            }
        }
        Ok(())
    }
}
