//! The invariants of the lifetime rules, checked over all records.
//!
//! They hold between two calls of the client interface. I6 (no unbind inside unbind) and I7 (no
//! wait in a destructor) are broken by some policies on purpose and are findings instead; I10 (no
//! page freed that an engine has loaded) is seen by the device's census.

use alloc::collections::BTreeMap;

use crate::config::{Activity, HandleRef};
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::{Object, ObjectList};
use crate::request::Request;
use crate::slab::Id;
use crate::vma::{VmList, Vma};

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {rule} broken by record {record}")]
pub struct InvariantViolation {
    /// Which one, in words.
    pub rule: &'static str,
    /// Driver-wide number of the object, VMA, address space, context or request.
    pub record: u32,
}

type Check = Result<(), InvariantViolation>;

fn check(holds: bool, rule: &'static str, record: u32) -> Check {
    if holds { Ok(()) } else { Err(InvariantViolation { rule, record }) }
}

/// How often each record is referenced.
type Counts<T> = BTreeMap<Id<T>, u32>;

fn count<T>(counts: &mut Counts<T>, id: Id<T>) {
    *counts.entry(id).or_default() += 1;
}

impl<H: Hardware> Gem<H> {
    /// Checks every invariant between two calls.
    pub fn check_invariants(&self) -> Result<(), InvariantViolation> {
        check(self.lock.holder().is_none(), "struct_mutex is free between calls", 0)?;
        self.check_objects()?;
        self.check_vmas()?;
        self.check_vms()?;
        self.check_requests()?;
        self.check_contexts()
    }

    /// I1 (half), I3, I5 and the object's reference count.
    fn check_objects(&self) -> Check {
        let mut handles: Counts<Object> = BTreeMap::new();
        let mut held: Counts<Object> = BTreeMap::new();
        for &object in self.clients.values().flat_map(|client| client.handles.values()) {
            count(&mut handles, object);
        }
        for &object in self.names.frame_buffers.values() {
            count(&mut handles, object);
            count(&mut held, object);
        }
        for &object in self.names.dma_bufs.values() {
            count(&mut held, object);
        }
        for (id, object) in self.objects.iter() {
            let n = object.number;
            let counted = handles.get(&id).copied().unwrap_or(0);
            check(object.handle_count == counted, "handle_count = handles", n)?;
            let by_handles = match self.config.handle_ref {
                HandleRef::PerHandle => counted,
                HandleRef::SharedOne => counted.min(1),
            };
            let active = u32::from(object.active != 0);
            let refs = by_handles + held.get(&id).copied().unwrap_or(0) + active;
            check(object.refs == refs, "I5: object references = handles + holders + activity", n)?;
            let bound = self.vmas_where(object, |vma| vma.node.is_some());
            check(object.pages_pin_count == bound, "I3: pages pinned once per bound VMA", n)?;
            check(bound == 0 || object.has_pages, "I3: a bound object has pages", n)?;
            check(bound == 0 || object.list == ObjectList::Bound, "bound objects are listed", n)?;
            let alive = object.vmas.iter().all(|&vma| self.vmas.contains(vma));
            check(alive, "I1: VMAs on the object's list are alive", n)?;
            let named = object.name.is_none_or(|name| self.names.flink.get(&name) == Some(&id));
            check(named, "a flink name leads to its object", n)?;
        }
        Ok(())
    }

    fn vmas_where(&self, object: &Object, holds: impl Fn(&Vma) -> bool) -> u32 {
        let vmas = object.vmas.iter().filter_map(|&vma| self.vmas.get(vma).ok());
        vmas.filter(|vma| holds(vma)).count() as u32
    }

    /// I1, I2, I6.
    fn check_vmas(&self) -> Check {
        for (id, vma) in self.vmas.iter() {
            let n = vma.number;
            let listed = self.objects.get(vma.object).is_ok_and(|o| o.vmas.contains(&id));
            check(listed, "I1: a living VMA is on its object's list", n)?;
            let bound = matches!(vma.list, VmList::Active | VmList::Inactive);
            check(bound == vma.node.is_some(), "I2: bound = node = on a list of the VM", n)?;
            let Ok(vm) = self.vms.get(vma.vm) else {
                return check(false, "a VMA's address space is alive", n);
            };
            let member = |list: &[Id<Vma>]| list.iter().filter(|&&v| v == id).count();
            let expected = [VmList::Active, VmList::Inactive, VmList::Unbound]
                .map(|list| usize::from(list == vma.list));
            let found = [member(&vm.active), member(&vm.inactive), member(&vm.unbound)];
            check(found == expected, "I2: on exactly the list that it says", n)?;
            check(member(&vm.all) == 1, "on its address space's list of all", n)?;
            check(!vma.unbinding && !vma.exec_listed, "I6: no call left it half done", n)?;
        }
        Ok(())
    }

    /// I4 and I8.
    fn check_vms(&self) -> Check {
        for (id, vm) in self.vms.iter().filter(|&(id, _)| id != self.ggtt) {
            let n = vm.number;
            let users = self.contexts.iter().filter(|(_, c)| c.vm == Some(id)).count() as u32;
            check(vm.context_users == users, "context users = contexts", n)?;
            let kernel = u32::from(self.aliasing == Some(id));
            let vmas = if self.config.vma_pins_vm() { vm.all.len() as u32 } else { 0 };
            check(vm.refs == users + kernel + vmas, "I4: VM references = contexts + VMAs", n)?;
            let dying = vm.refs == 0 && self.mm.dying_vms.contains(&id);
            check(vm.refs > 0 || dying, "an address space without references is dying", n)?;
            check(vm.tables.is_some(), "an address space has page tables", n)?;
        }
        Ok(())
    }

    /// Request references; which contexts they hold is counted with the contexts.
    fn check_requests(&self) -> Check {
        let mut refs: Counts<Request> = BTreeMap::new();
        for engine in &self.engines {
            let lists = engine.requests.iter().chain(&engine.queue).chain(&engine.retired_queue);
            lists.for_each(|&request| count(&mut refs, request));
        }
        if self.config.activity == Activity::PerObject {
            for (_, object) in self.objects.iter() {
                let held = object.last_read.iter().flatten().chain(&object.last_write);
                held.for_each(|&request| count(&mut refs, request));
            }
        }
        for (id, request) in self.requests.iter() {
            let counted = refs.remove(&id).unwrap_or(0);
            check(request.refs == counted, "request references = lists + objects", request.number)?;
        }
        check(refs.is_empty(), "no list names a freed request", 0)
    }

    /// Context references.
    fn check_contexts(&self) -> Check {
        let mut refs: Counts<Context> = BTreeMap::new();
        for &context in self.clients.values().flat_map(|client| client.contexts.values()) {
            count(&mut refs, context);
        }
        for engine in &self.engines {
            engine.last_context.iter().for_each(|&context| count(&mut refs, context));
        }
        for (_, request) in self.requests.iter() {
            let held = request.context.iter().chain(&request.previous_context);
            held.for_each(|&context| count(&mut refs, context));
        }
        for (id, context) in self.contexts.iter() {
            let counted = refs.remove(&id).unwrap_or(0);
            let rule = "context references = files + requests + engines";
            check(context.refs == counted, rule, context.number)?;
        }
        check(refs.is_empty(), "nobody names a freed context", 0)
    }
}
