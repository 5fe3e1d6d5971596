//! What a guest's kernel says of the address spaces that the device saw: names, owners, bindings.
//!
//! A kernel tells of its address spaces by pointers, and the device sees roots. Which is which is found
//! when both views are compared ([`crate::views`]); then the story takes the kernel's word for the
//! device's address spaces.

use ppgtt::PhysicalMemory;

use super::mappings::{Adopted, Run};
use super::spaces::Key;
use super::teller::Teller;
use crate::kernel::words::name;
use crate::kernel::{KernelSnapshot, KernelSpace, KernelVma};
use crate::views::Comparison;

/// Functions of a stack that are told of a binding.
const FUNCTIONS: usize = 4;

/// What a kernel says of an address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name for people.
    pub(super) name: String,
    /// Living contexts that use it.
    pub(super) contexts: u32,
}

impl Teller {
    /// Both views were compared when everything had settled.
    pub(super) fn kernel_says<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        kernel: &KernelSnapshot,
        compared: &Comparison,
    ) {
        for (space, compared) in kernel.living().zip(&compared.spaces) {
            let device = compared.device.map(Key::Loaded);
            if let Some(serial) = device.and_then(|key| self.spaces.find(key)) {
                self.adopt(memory, serial, space);
            }
        }
        // What was orphaned the last time may have been let go since.
        for space in self.spaces.iter_mut() {
            if matches!(space.key, Key::Loaded(number) if !compared.orphans.contains(&number)) {
                space.end_orphaned();
            }
        }
        for &number in &compared.orphans {
            let Some(serial) = self.spaces.find(Key::Loaded(number)) else { continue };
            self.look(memory, serial);
            if let Some(space) = self.spaces.get_mut(serial) {
                space.orphaned_ns.get_or_insert(self.now_ns);
                space.leak(self.now_ns);
            }
        }
        self.compared = compared.findings.clone();
    }

    /// An address space of the device's is this one of the kernel's.
    fn adopt<M: PhysicalMemory>(&mut self, memory: &M, serial: u64, kernel: &KernelSpace) {
        let now = self.now_ns;
        let told = Told { name: name(kernel), contexts: kernel.contexts };
        let bound: Vec<Adopted> = kernel.vmas.values().map(adopted).collect();
        self.spaces.map(serial, |space| {
            space.told = Some(told);
            if let Some(created) = kernel.created {
                space.first_ns = space.first_ns.min(created.at_ns);
            }
            let tables = space.tables(memory);
            space.mappings.adopt(&tables, now, &bound);
        });
        self.look(memory, serial);
    }
}

fn adopted(vma: &KernelVma) -> Adopted {
    let task = vma.bound.by.to_string();
    let stack: Vec<&str> = vma.bound.stack.iter().take(FUNCTIONS).map(String::as_str).collect();
    let by = match stack.is_empty() {
        true => task,
        false => format!("{task} in {}", stack.join(" < ")),
    };
    Adopted {
        run: Run { va: vma.offset, len: vma.bytes, object: Some(vma.object) },
        bound_ns: vma.bound.at.at_ns,
        by,
    }
}
