//! Registers that belong to a context and have no documented place in its image: reset, saved and
//! restored as a list, together with the blitter's setup.

use std::sync::Arc;

use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gen8_spec::registers::context::{self as saved, Run};
use gen8_spec::registers::{gt, ring};
use ppgtt::PhysicalMemory;

use super::context_image::{EXTRA_BLITTER_SETUP, ExtraBlock};
use super::tell::WriteNotes;
use super::{Engine, GPR_DWORDS};
use crate::bus::Bus;
use crate::commands::blitter::Setup;
use crate::event::Interests;
use crate::registers::RegisterFile;

/// A register of the context and where its value is kept.
#[derive(Clone, Copy, Debug, Hash)]
struct ContextRegister {
    /// Offset in BAR0.
    register: u32,
    /// In the engine's own file, else in the one that engines share.
    own: bool,
    /// Place in that file.
    slot: usize,
    reset: u32,
    writable: u32,
}

/// The context registers of one engine, sorted by offset. Found once, as every switch needs all.
#[derive(Clone, Debug, Hash)]
pub(super) struct ContextRegisters(Arc<[ContextRegister]>);

impl ContextRegisters {
    /// The list of `engine`.
    pub(super) fn new(engine: EngineId) -> ContextRegisters {
        let files = [
            (true, engine.mmio_base(), RegisterFile::new(ring::RULES)),
            (false, 0, RegisterFile::new(gt::RULES)),
        ];
        let find = |register: u32| {
            files.iter().find_map(|(own, base, file)| {
                let offset = register.checked_sub(*base)?;
                let rule = file.rule(offset)?;
                Some(ContextRegister {
                    register,
                    own: *own,
                    slot: file.slot(offset)?,
                    reset: rule.reset,
                    writable: rule.writable,
                })
            })
        };
        let mut list: Vec<ContextRegister> =
            runs(engine).iter().flat_map(|runs| saved::offsets(runs)).filter_map(find).collect();
        list.sort_unstable_by_key(|entry| entry.register);
        ContextRegisters(list.into())
    }

    fn find(&self, register: u32) -> Option<ContextRegister> {
        let at = self.0.binary_search_by_key(&register, |entry| entry.register).ok()?;
        self.0.get(at).copied()
    }
}

/// Lists of the registers that belong to contexts of `engine`. Engines other than render have only
/// general-purpose registers and what has a documented place.
fn runs(engine: EngineId) -> [&'static [Run]; 2] {
    match engine {
        EngineId::Rcs => [saved::RENDER_USER, saved::RENDER_PRIVILEGED],
        _ => [&[], &[]],
    }
}

impl Engine {
    /// Registers of the context at their reset values.
    pub(crate) fn reset_context_registers(&mut self, bus: &mut Bus<'_>) {
        self.gprs = [0; GPR_DWORDS];
        self.blitter_setup = Setup::default();
        let list = self.context_registers.clone();
        for entry in list.0.iter() {
            self.set_context_register(entry, entry.reset, bus);
        }
    }

    /// Saves the registers of the context, as far as they differ from reset, to the page of its image
    /// that is at `place` in the GGTT.
    #[inline]
    pub(crate) fn store_extra(&self, place: u64, page: u64, offset: u64, bus: &mut Bus<'_>) {
        if bus.events.wants(Interests::MEMORY_WRITES) {
            self.store_extra_telling(place, page, offset, bus);
        } else {
            self.store_extra_to(bus.memory, page, offset, bus.registers);
        }
    }

    #[cold]
    fn store_extra_telling(&self, place: u64, page: u64, offset: u64, bus: &mut Bus<'_>) {
        let notes = WriteNotes::new(bus.memory);
        self.store_extra_to(&notes, page, offset, bus.registers);
        self.tell_image_writes(place, notes, bus);
    }

    #[inline]
    fn store_extra_to<M: PhysicalMemory>(
        &self,
        memory: &M,
        page: u64,
        offset: u64,
        shared: &RegisterFile,
    ) {
        let first = self.id.mmio_base() + reg::GPR0;
        let gprs = (0..).zip(self.gprs).map(|(n, value)| (first + 4 * n, value));
        let own = &self.registers;
        let others = self.context_registers.0.iter().filter_map(move |entry| {
            let file = if entry.own { own } else { shared };
            let value = file.value_at(entry.slot);
            (value != entry.reset).then_some((entry.register, value))
        });
        let setup = (EXTRA_BLITTER_SETUP..).zip(self.blitter_setup.dwords().iter().copied());
        let pairs = gprs.chain(setup).filter(|&(_, value)| value != 0).chain(others);
        ExtraBlock::new(memory, page, offset).store(pairs);
    }

    /// Takes back what [`Engine::store_extra`] saved. The block lies in guest memory: only
    /// registers of the context are taken, and only their writable bits.
    pub(crate) fn load_extra(&mut self, page: u64, offset: u64, bus: &mut Bus<'_>) {
        let first = self.id.mmio_base() + reg::GPR0;
        let memory = bus.memory;
        ExtraBlock::new(memory, page, offset).load(|register, value| {
            let gpr = register.wrapping_sub(first) as usize / 4;
            if let Some(slot) = self.gprs.get_mut(gpr) {
                *slot = value;
            } else if let Some(setup) = register.checked_sub(EXTRA_BLITTER_SETUP) {
                if let Some(dword) = self.blitter_setup.dwords_mut().get_mut(setup as usize) {
                    *dword = value;
                }
            } else if let Some(entry) = self.context_registers.find(register) {
                self.set_context_register(&entry, value & entry.writable, bus);
            }
        });
    }

    fn set_context_register(&mut self, entry: &ContextRegister, value: u32, bus: &mut Bus<'_>) {
        let file = if entry.own { &mut self.registers } else { &mut *bus.registers };
        file.set_at(entry.slot, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_register_has_a_rule_to_be_kept_by() {
        for engine in EngineId::ALL {
            let listed = runs(engine).iter().flat_map(|runs| saved::offsets(runs)).count();
            assert_eq!(ContextRegisters::new(engine).0.len(), listed, "{}", engine.name());
        }
    }
}
