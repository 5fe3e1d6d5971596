//! Relocations: pointers that the driver patches where an object did not land as presumed.

use ppgtt::canonical;

use crate::api::{ExecObject, Relocation};
use crate::error::Error;
use crate::execbuffer::Entry;
use crate::gem::Gem;
use crate::hardware::Hardware;

/// Bytes of a pointer on Gen8.
const POINTER_SIZE: u64 = 8;

impl<H: Hardware> Gem<H> {
    /// Patches every pointer whose presumed address is wrong.
    pub(crate) fn relocate(
        &mut self,
        objects: &[ExecObject],
        entries: &[Entry],
    ) -> Result<(), Error> {
        for (object, entry) in objects.iter().zip(entries) {
            for relocation in &object.relocations {
                self.relocate_one(entry, relocation, entries)?;
            }
        }
        Ok(())
    }

    fn relocate_one(
        &mut self,
        entry: &Entry,
        relocation: &Relocation,
        entries: &[Entry],
    ) -> Result<(), Error> {
        let target =
            entries.iter().find(|e| e.handle == relocation.target).ok_or(Error::NoEntry)?;
        let address = canonical(self.vmas.get(target.vma)?.node.ok_or(Error::Invalid)?);
        let size = self.objects.get(entry.object)?.size;
        if !relocation.offset.is_multiple_of(4) || relocation.offset > size - POINTER_SIZE {
            return Err(Error::Invalid);
        }
        if address == relocation.presumed_offset {
            return Ok(());
        }
        // The CPU writes the object: the GPU must be done with it.
        self.object_wait_rendering(entry.object, true)?;
        let pointer = canonical(address.wrapping_add(relocation.delta));
        self.write_dword(entry.object, relocation.offset, pointer as u32)?;
        self.write_dword(entry.object, relocation.offset + 4, (pointer >> 32) as u32)
    }
}
