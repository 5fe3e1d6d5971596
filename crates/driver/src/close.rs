//! Closing VMAs (4.9 and later): by handle, by context, at once or when the GT parks.

use crate::config::{CloseHook, CloseTiming};
use crate::context::Context;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::ids::{ClientId, Handle};
use crate::object::{LutEntry, Object};
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::{VmList, Vma};

impl<H: Hardware> Gem<H> {
    /// What the driver does when a client closes a handle. 2015: nothing, which is why closing a
    /// handle does not help against the leak.
    pub(crate) fn handle_close_hook(
        &mut self,
        client: ClientId,
        handle: Handle,
        object: Id<Object>,
    ) -> Result<(), Error> {
        match self.config.close_hook {
            CloseHook::None => Ok(()),
            CloseHook::ByVmFile => self.close_by_vm_file(client, object),
            CloseHook::ByLut => self.close_by_lut(client, handle, object),
        }
    }

    /// 4.9: every VMA of the object in an address space that this file created. Another handle of
    /// the same file loses its VMA too, and gets a new one at its next use.
    fn close_by_vm_file(&mut self, client: ClientId, object: Id<Object>) -> Result<(), Error> {
        for vma in self.vmas_of(object) {
            let Ok(record) = self.vmas.get(vma) else { continue };
            let ours = self.vms.get(record.vm).is_ok_and(|vm| vm.file == Some(client));
            if ours && !record.closed {
                self.vma_close(vma)?;
            }
        }
        Ok(())
    }

    /// 4.14: exactly the entries of this handle.
    fn close_by_lut(
        &mut self,
        client: ClientId,
        handle: Handle,
        object: Id<Object>,
    ) -> Result<(), Error> {
        let contexts = self.client(client).map(|c| c.contexts.clone()).unwrap_or_default();
        let entries = self.objects.get(object)?.lut.clone();
        for entry in entries.into_iter().filter(|e| e.handle == handle) {
            if contexts.values().any(|&c| c == entry.context) {
                self.lut_remove(object, entry)?;
            }
        }
        Ok(())
    }

    /// Removes one look-up entry; the VMA is closed when it was the last one. Without the count
    /// (before 3ffff0174992) every entry closes, and the second close is an assertion.
    fn lut_remove(&mut self, object: Id<Object>, entry: LutEntry) -> Result<(), Error> {
        if let Ok(record) = self.objects.get_mut(object) {
            record.lut.retain(|&e| e != entry);
        }
        let context = self.contexts.get_mut(entry.context)?;
        let Some(vma) = context.lut.remove(&entry.handle) else { return Ok(()) };
        let Ok(record) = self.vmas.get_mut(vma) else {
            // The first close has already destroyed it: a use after free in the kernel.
            self.report(Finding::Assertion("handle table led to a destroyed VMA"));
            return Ok(());
        };
        record.open_count = record.open_count.saturating_sub(1);
        if record.vm == self.ggtt || (self.config.open_count && record.open_count > 0) {
            return Ok(());
        }
        self.vma_close(vma)
    }

    /// An execbuf uses a VMA through a handle: fills the context's look-up table (4.14), and opens
    /// a lazily closed VMA again (4.18).
    pub(crate) fn vma_open(
        &mut self,
        context: Id<Context>,
        handle: Handle,
        vma: Id<Vma>,
    ) -> Result<(), Error> {
        let record = self.vmas.get_mut(vma)?;
        let object = record.object;
        if core::mem::take(&mut record.closed) {
            self.mm.closed.retain(|&v| v != vma);
        }
        if self.config.close_hook != CloseHook::ByLut {
            return Ok(());
        }
        let entry = LutEntry { context, handle };
        match self.contexts.get_mut(context)?.lut.insert(handle, vma) {
            Some(old) if old == vma => return Ok(()),
            Some(old) if self.vmas.contains(old) => {
                self.report(Finding::Assertion("handle table led to another VMA"));
            }
            // Its other handle's close destroyed it: a use after free in the kernel.
            Some(_) => self.report(Finding::Assertion("handle table led to a destroyed VMA")),
            None => self.objects.get_mut(object)?.lut.push(entry),
        }
        self.vmas.get_mut(vma)?.open_count += 1;
        Ok(())
    }

    /// Forgets look-up entries that lead to a VMA that is about to be freed.
    pub(crate) fn lut_forget(&mut self, object: Id<Object>, vma: Id<Vma>) {
        let Ok(record) = self.objects.get_mut(object) else { return };
        let contexts = &mut self.contexts;
        record.lut.retain(|entry| match contexts.get_mut(entry.context) {
            Ok(context) if context.lut.get(&entry.handle) == Some(&vma) => {
                // Without the open count the dangling entry is the bug: it stays.
                if self.config.open_count {
                    context.lut.remove(&entry.handle);
                }
                !self.config.open_count
            }
            _ => true,
        });
    }

    /// A freed context leaves no look-up entry behind.
    pub(crate) fn lut_drop_context(&mut self, context: Id<Context>) -> Result<(), Error> {
        let lut = core::mem::take(&mut self.contexts.get_mut(context)?.lut);
        for vma in lut.into_values() {
            let Ok(record) = self.vmas.get_mut(vma) else { continue };
            record.open_count = record.open_count.saturating_sub(1);
            let object = record.object;
            self.objects.get_mut(object)?.lut.retain(|e| e.context != context);
        }
        Ok(())
    }

    /// Closes a VMA: nobody can find it any more (or, lazily, only an execbuf that opens it again).
    pub(crate) fn vma_close(&mut self, vma: Id<Vma>) -> Result<(), Error> {
        let record = self.vmas.get_mut(vma)?;
        if record.closed {
            self.report(Finding::Assertion("VMA closed twice"));
            return Ok(());
        }
        record.closed = true;
        match self.config.close_timing {
            CloseTiming::LazyUntilParked => {
                self.mm.closed.push(vma);
                Ok(())
            }
            CloseTiming::Immediate => {
                let idle = record.active == 0 && record.list != VmList::Active;
                if idle && record.pin_count == 0 && !record.unbinding {
                    self.unbind(vma, Wait::No)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The close-tracking kernels' context close: the address space is closed, and every VMA in it.
    pub(crate) fn close_context_vmas(&mut self, context: Id<Context>) -> Result<(), Error> {
        let record = self.contexts.get(context)?;
        let Some(vm) = record.vm else { return Ok(()) };
        let lut: alloc::vec::Vec<_> = record.lut.iter().map(|(&h, &v)| (h, v)).collect();
        self.vms.get_mut(vm)?.closed = true;
        for (handle, vma) in lut {
            if let Ok(object) = self.vmas.get(vma).map(|v| v.object) {
                self.lut_remove(object, LutEntry { context, handle })?;
            }
        }
        for list in [VmList::Active, VmList::Inactive, VmList::Unbound] {
            for vma in self.vm_list(vm, list) {
                if self.vmas.get(vma).is_ok_and(|v| !v.closed) {
                    self.vma_close(vma)?;
                }
            }
        }
        Ok(())
    }

    /// The GT is idle: closed VMAs that waited for it go.
    pub(crate) fn destroy_closed_vmas(&mut self) -> Result<(), Error> {
        for vma in core::mem::take(&mut self.mm.closed) {
            let Ok(record) = self.vmas.get(vma) else { continue };
            if record.pin_count > 0 || record.unbinding || record.active != 0 {
                self.mm.closed.push(vma);
                continue;
            }
            let object = record.object;
            // 6.x: references on the object (and the address space) across the destruction.
            self.object_get(object)?;
            let destroyed = self.unbind(vma, Wait::Rendering);
            self.object_put(object)?;
            destroyed?;
        }
        Ok(())
    }
}
