//! Contexts: an address space and an image per engine.

use alloc::collections::BTreeMap;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::{ENGINE_COUNT, EngineId};

use crate::address_space::Vm;
use crate::bug::Bug;
use crate::config::PpgttMode;
use crate::error::Error;
use crate::gem::{Gem, next};
use crate::gt::KERNEL_CONTEXT;
use crate::hang::HangStats;
use crate::hardware::Hardware;
use crate::ids::{ClientId, ContextId, Handle};
use crate::policy::policy_of;
use crate::request::Request;
use crate::slab::Id;
use crate::vma::Vma;

/// A GEM context (2015: `intel_context`).
#[derive(Debug)]
pub(crate) struct Context {
    /// Driver-wide number, as in hints and context descriptors.
    pub(crate) number: u32,
    /// References: the client's table, every request, `engine.last_context`.
    pub(crate) refs: u32,
    /// One reference on the address space; `None` without full PPGTT.
    pub(crate) vm: Option<Id<Vm>>,
    /// The user destroyed it (4.9).
    pub(crate) closed: bool,
    /// Image number per engine, once it ran there.
    pub(crate) images: [Option<u32>; ENGINE_COUNT],
    /// Legacy rings: the request that switched each engine off this context. Until it completes,
    /// the hardware may still save the image.
    pub(crate) left_by: [Option<Id<Request>>; ENGINE_COUNT],
    pub(crate) hang: HangStats,
    /// Handle look-up table (4.14).
    pub(crate) lut: BTreeMap<Handle, Id<Vma>>,
}

impl<H: Hardware> Gem<H> {
    /// Creates a context with one reference, owned by the caller, and with full PPGTT an address
    /// space of its own.
    pub(crate) fn context_new(&mut self, file: ClientId) -> Result<Id<Context>, Error> {
        let vm = match self.config.ppgtt {
            PpgttMode::Full => Some(self.vm_create(Some(file))?),
            PpgttMode::Aliasing | PpgttMode::None => None,
        };
        let number = self.free_context_number();
        let used = vm.or(self.aliasing);
        let vm_number = used.and_then(|vm| self.vms.get(vm).ok()).map_or(0, |vm| vm.number);
        if let Some(vm) = vm {
            self.vms.get_mut(vm)?.context_users += 1;
        }
        self.hw.hint(Hint::ContextCreated { context: number, vm: vm_number });
        self.hw.hint(Hint::ContextOwned { client: file.0, context: number });
        Ok(self.contexts.insert(Context {
            number,
            refs: 1,
            vm,
            closed: false,
            images: [None; ENGINE_COUNT],
            left_by: [None; ENGINE_COUNT],
            hang: HangStats::default(),
            lut: BTreeMap::new(),
        }))
    }

    /// Context numbers are 20 bits in a context descriptor, so they are used again.
    fn free_context_number(&mut self) -> u32 {
        loop {
            let number = next(&mut self.numbers.context);
            if number >= KERNEL_CONTEXT {
                self.numbers.context = 0;
            } else if self.contexts.iter().all(|(_, c)| c.number != number) {
                return number;
            }
        }
    }

    /// Takes a reference.
    pub(crate) fn context_get(&mut self, context: Id<Context>) -> Result<(), Error> {
        self.contexts.get_mut(context)?.refs += 1;
        Ok(())
    }

    /// Drops a reference. The last one frees the context: inside an ioctl, a worker, or retirement.
    pub(crate) fn context_put(&mut self, context: Id<Context>) -> Result<(), Error> {
        let record = self.contexts.get_mut(context)?;
        record.refs -= 1;
        if record.refs > 0 {
            return Ok(());
        }
        self.lock.enter_destructor();
        let result = self.context_free(context);
        self.lock.leave_destructor();
        result
    }

    /// i915 `i915_gem_context_free`. The fix of 4.4 sits here: the policy looks at the address
    /// space's VMAs before the context drops its reference on it.
    fn context_free(&mut self, context: Id<Context>) -> Result<(), Error> {
        self.context_free_images(context)?;
        self.lut_drop_context(context)?;
        let record = self.contexts.remove(context)?;
        self.hw.hint(Hint::ContextFreed { context: record.number });
        if let Some(vm) = record.vm {
            self.vms.get_mut(vm)?.context_users -= 1;
        }
        if !self.config.mutations.skip_cleanup {
            policy_of(self.config.policy).context_free(self, record.vm);
        }
        record.vm.map_or(Ok(()), |vm| self.vm_put(vm))
    }

    /// Frees images and rings. In legacy mode a context may die right after the switch away from
    /// it was *emitted*: its image is then freed when that request retires.
    fn context_free_images(&mut self, context: Id<Context>) -> Result<(), Error> {
        let record = self.contexts.get(context)?;
        let (images, left_by) = (record.images, record.left_by);
        for (image, switch) in images.into_iter().zip(left_by) {
            let Some(image) = image else { continue };
            let busy = switch.and_then(|r| self.requests.get_mut(r).ok()).filter(|r| r.listed);
            match busy {
                Some(request) => request.images.push(image),
                None => self.free_image(image),
            }
        }
        Ok(())
    }

    /// Frees one image.
    pub(crate) fn free_image(&mut self, image: u32) {
        if let Some(image) = self.images.remove(&image) {
            self.hw.context_destroy(image);
        }
    }

    /// Makes the context known to an engine, at its first request there.
    pub(crate) fn context_image(
        &mut self,
        context: Id<Context>,
        engine: EngineId,
    ) -> Result<u32, Error> {
        let record = self.contexts.get(context)?;
        if let Some(image) = record.images[engine.index()] {
            return Ok(image);
        }
        let number = record.number;
        let created = self.hw.context_create(number, engine).map_err(|_| Error::NoMemory)?;
        let image = next(&mut self.numbers.image);
        self.images.insert(image, created);
        self.contexts.get_mut(context)?.images[engine.index()] = Some(image);
        Ok(image)
    }

    /// A client's context.
    pub(crate) fn context_of(
        &self,
        client: ClientId,
        context: ContextId,
    ) -> Result<Id<Context>, Error> {
        self.client(client)?.contexts.get(&context).copied().ok_or(Error::NoEntry)
    }

    /// Creates a context with an address space of its own (full PPGTT).
    pub fn context_create(&mut self, client: ClientId) -> Result<ContextId, Error> {
        self.locked("context_create", |gem| {
            gem.client(client)?;
            let context = gem.context_new(client)?;
            let table = gem.client_mut(client)?;
            let id = ContextId(next(&mut table.next_context));
            table.contexts.insert(id, context);
            Ok(id)
        })
    }

    /// Destroys a context; the default context cannot be destroyed.
    pub fn context_destroy(&mut self, client: ClientId, context: ContextId) -> Result<(), Error> {
        if context == ContextId::DEFAULT {
            return Err(Error::NoEntry);
        }
        if self.config.has(Bug::ContextDestroyRaces) {
            return self.context_destroy_found_unlocked(client, context);
        }
        self.let_racing_destroys_in();
        self.locked("context_destroy", |gem| {
            let key = gem.client_mut(client)?.contexts.remove(&context).ok_or(Error::NoEntry)?;
            gem.context_close(key)
        })
    }

    /// 4.14 to 5.1: the context is looked up before the lock is taken, so whoever looks in between
    /// finds it too; all of them close it, and each close drops the reference that the id held.
    fn context_destroy_found_unlocked(
        &mut self,
        client: ClientId,
        context: ContextId,
    ) -> Result<(), Error> {
        let key = self.context_of(client, context)?;
        self.context_get(key)?;
        self.let_racing_destroys_in();
        self.locked("context_destroy", |gem| {
            gem.client_mut(client)?.contexts.remove(&context);
            gem.context_close(key)?;
            gem.context_put(key)
        })
    }

    /// The user lets go of a context: by ioctl or by closing the file.
    pub(crate) fn context_close(&mut self, context: Id<Context>) -> Result<(), Error> {
        self.contexts.get_mut(context)?.closed = true;
        if !self.config.mutations.skip_cleanup {
            policy_of(self.config.policy).context_close(self, context);
        }
        self.context_put(context)
    }

    /// Batches of this context that hung, and that were pending when another one hung
    /// (`I915_GET_RESET_STATS`).
    pub fn reset_stats(&self, client: ClientId, context: ContextId) -> Result<(u32, u32), Error> {
        let hang = &self.contexts.get(self.context_of(client, context)?)?.hang;
        Ok((hang.batch_active, hang.batch_pending))
    }
}
