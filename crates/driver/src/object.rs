//! GEM objects: pages with a reference count.

use alloc::vec::Vec;

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::ENGINE_COUNT;

use crate::bug::Bug;
use crate::context::Context;
use crate::error::Error;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::ids::{Handle, Name};
use crate::request::Request;
use crate::slab::Id;
use crate::unbind::Wait;
use crate::vma::Vma;

/// Largest object: what one 4-level address space could hold of RAM that Gen8 can name (39 bits).
pub(crate) const MAX_OBJECT_SIZE: u64 = 1 << 38;

/// Domains of an object (i915 `I915_GEM_DOMAIN_*`), as far as lifetimes need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteDomain {
    /// Nobody has unflushed writes.
    None,
    /// The CPU.
    Cpu,
    /// The aperture.
    Gtt,
    /// An engine.
    Gpu,
}

/// Which of the device's lists an object is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectList {
    /// None: it has no pages yet.
    None,
    /// `mm.bound_list`.
    Bound,
    /// `mm.unbound_list`.
    Unbound,
}

/// A handle look-up entry of a context that names this object (4.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LutEntry {
    pub(crate) context: Id<Context>,
    pub(crate) handle: Handle,
}

/// A GEM object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Driver-wide number, as in hints.
    pub(crate) number: u32,
    /// References: handles (or one for all, by the knob), frame buffers, dma-bufs, activity, and
    /// calls in progress.
    pub(crate) refs: u32,
    /// Handles of all clients, and the kernel's for a frame buffer.
    pub(crate) handle_count: u32,
    pub(crate) name: Option<Name>,
    pub(crate) size: u64,
    /// All VMAs. GGTT VMAs are inserted at the head.
    pub(crate) vmas: Vec<Id<Vma>>,
    pub(crate) list: ObjectList,
    /// The pages, once somebody needed them. They stay until the object dies (the page cache).
    pub(crate) backing: Vec<u64>,
    /// The pages were mapped for engines since they came: translations of them may be cached.
    pub(crate) was_mapped: bool,
    /// `obj->pages` exists.
    pub(crate) has_pages: bool,
    /// Users of the pages: one per bound VMA.
    pub(crate) pages_pin_count: u32,
    /// Engines that use the object, by engine number.
    pub(crate) active: u32,
    /// Last request per engine that uses the object; one request reference each (per-object
    /// activity).
    pub(crate) last_read: [Option<Id<Request>>; ENGINE_COUNT],
    /// Last request that writes the object; one request reference (per-object activity).
    pub(crate) last_write: Option<Id<Request>>,
    pub(crate) write_domain: WriteDomain,
    /// Scanned out.
    pub(crate) pin_display: bool,
    /// Contexts' handle look-up entries (4.14).
    pub(crate) lut: Vec<LutEntry>,
}

impl Object {
    /// Size in pages.
    pub(crate) fn page_count(&self) -> usize {
        (self.size / PAGE_SIZE) as usize
    }
}

impl<H: Hardware> Gem<H> {
    /// Creates an object with one reference, owned by the caller.
    pub(crate) fn object_create(&mut self, size: u64) -> Result<Id<Object>, Error> {
        if size == 0 || size > MAX_OBJECT_SIZE {
            return Err(Error::Invalid);
        }
        let size = size.next_multiple_of(PAGE_SIZE);
        let number = next(&mut self.numbers.object);
        self.hw.hint(Hint::ObjectCreated { size, object: number });
        Ok(self.objects.insert(Object {
            number,
            refs: 1,
            handle_count: 0,
            name: None,
            size,
            vmas: Vec::new(),
            list: ObjectList::None,
            backing: Vec::new(),
            was_mapped: false,
            has_pages: false,
            pages_pin_count: 0,
            active: 0,
            last_read: [None; ENGINE_COUNT],
            last_write: None,
            write_domain: WriteDomain::Cpu,
            pin_display: false,
            lut: Vec::new(),
        }))
    }

    /// Takes a reference.
    pub(crate) fn object_get(&mut self, object: Id<Object>) -> Result<(), Error> {
        self.objects.get_mut(object)?.refs += 1;
        Ok(())
    }

    /// Drops a reference; the last one frees the object with all its VMAs.
    pub(crate) fn object_put(&mut self, object: Id<Object>) -> Result<(), Error> {
        let record = self.objects.get_mut(object)?;
        record.refs -= 1;
        if record.refs == 0 { self.object_free(object) } else { Ok(()) }
    }

    /// i915 `i915_gem_free_object`: a VMA never outlives its object.
    fn object_free(&mut self, object: Id<Object>) -> Result<(), Error> {
        self.lock.enter_destructor();
        let result = self.object_free_body(object);
        self.lock.leave_destructor();
        result
    }

    fn object_free_body(&mut self, object: Id<Object>) -> Result<(), Error> {
        // One at a time from a fresh look: unbinding may retire, and retiring may free neighbours.
        while let Some(&vma) = self.objects.get(object)?.vmas.first() {
            let record = self.vmas.get_mut(vma)?;
            record.pin_count = 0;
            record.closed = true;
            record.exec_listed = false;
            if self.unbind(vma, Wait::Rendering).is_err() {
                // The kernel's uninterruptible retry: the object is idle, since activity holds a
                // reference, so there is nothing to wait for.
                self.unbind(vma, Wait::No)?;
            }
            if self.vmas.contains(vma) {
                self.vma_destroy(vma)?;
            }
        }
        self.set_object_list(object, ObjectList::None)?;
        let record = self.objects.remove(object)?;
        if let Some(name) = record.name {
            self.names.flink.remove(&name);
        }
        if record.pages_pin_count != 0 {
            self.warn("object freed with pinned pages");
        }
        let number = record.number;
        self.names.user_memory.retain(|_, &mut known| known != object);
        self.release_pages(record.backing, record.was_mapped);
        self.hw.hint(Hint::ObjectDestroyed { object: number });
        Ok(())
    }

    /// Gives pages back to the system. A batch can use addresses that its request never named, so
    /// before that, engines forget where pages that were mapped once lay: whoever uses the address
    /// later walks the tables (7938d61591d3; before it, the pages of CVE-2022-0330).
    pub(crate) fn release_pages(&mut self, pages: Vec<u64>, were_mapped: bool) {
        if were_mapped && !self.config.has(Bug::NoTlbFlushAtPageRelease) {
            self.hw.invalidate_tlbs();
        }
        pages.into_iter().for_each(|page| self.hw.free_page(page));
    }

    /// i915 `i915_gem_object_get_pages`.
    pub(crate) fn object_get_pages(&mut self, object: Id<Object>) -> Result<(), Error> {
        let record = self.objects.get(object)?;
        if record.has_pages {
            return Ok(());
        }
        let (owner, missing) = (record.number, record.page_count() - record.backing.len());
        let mut pages = Vec::new();
        for _ in 0..missing {
            match self.hw.alloc_page(PageKind::Object, owner) {
                Some(page) => pages.push(page),
                None => {
                    pages.into_iter().for_each(|page| self.hw.free_page(page));
                    return Err(Error::NoMemory);
                }
            }
        }
        let record = self.objects.get_mut(object)?;
        record.backing.append(&mut pages);
        record.has_pages = true;
        if record.list == ObjectList::None {
            self.set_object_list(object, ObjectList::Unbound)?;
        }
        Ok(())
    }

    /// i915 `i915_gem_object_put_pages`: the data stay in the page cache (`backing`).
    pub(crate) fn object_put_pages(&mut self, object: Id<Object>) -> Result<(), Error> {
        let record = self.objects.get_mut(object)?;
        if !record.has_pages {
            return Ok(());
        }
        if record.pages_pin_count > 0 {
            return Err(Error::Busy);
        }
        record.has_pages = false;
        self.set_object_list(object, ObjectList::None)
    }

    /// Moves the object to the tail of a device list.
    pub(crate) fn set_object_list(
        &mut self,
        object: Id<Object>,
        list: ObjectList,
    ) -> Result<(), Error> {
        self.mm.bound.retain(|&o| o != object);
        self.mm.unbound.retain(|&o| o != object);
        match list {
            ObjectList::None => {}
            ObjectList::Bound => self.mm.bound.push(object),
            ObjectList::Unbound => self.mm.unbound.push(object),
        }
        self.objects.get_mut(object)?.list = list;
        Ok(())
    }
}
