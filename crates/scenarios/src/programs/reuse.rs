//! T: an address that was given back is used again, and the *data* is checked. A PTE or a TLB entry
//! that stayed behind sends the write to the old page.

use driver::{ClientId, Handle, Platform};

use crate::report::label;
use crate::world::{Outcome, PAGE, World};

/// First dword of an object that nobody wrote since.
const UNTOUCHED: u32 = 0;

/// Makes an object, lets the GPU write `value` into it; the object and its address.
///
/// The batch has another `gap` each time: only the *target's* address is used again, so that a
/// translation that stayed behind misleads the write and not the fetch of the batch.
fn write_new<P: Platform>(
    world: &mut World<'_, P>,
    client: ClientId,
    gap: u64,
    value: u32,
) -> Outcome<(Handle, u64)> {
    let object = world.driver.gem_create(client, PAGE)?;
    let address = world.gpu_store(client, object, gap, value)?;
    Ok((object, address))
}

/// T.
pub(crate) fn va_reuse_after_clean<P: Platform>(world: &mut World<'_, P>) -> Outcome {
    let exporter = world.driver.open()?;
    let shared = world.driver.gem_create(exporter, PAGE)?;
    let name = world.driver.gem_flink(exporter, shared)?;
    world.settled_checkpoint(label::BEFORE);

    let importer = world.driver.open()?;
    let handle = world.driver.gem_open(importer, name)?;
    let first_address = world.gpu_store(importer, handle, 1, 0x11)?;
    let seen = world.first_dword(exporter, shared)?;
    world.fact("exporter_sees_the_importers_write", seen == 0x11);
    world.checkpoint(label::DURING);
    world.driver.close(importer)?;
    world.driver.pwrite(exporter, shared, 0, &[UNTOUCHED])?;

    // Another client, so another address space; first fit gives it the same address.
    let next = world.driver.open()?;
    let (object, address) = write_new(world, next, 2, 0x22)?;
    world.fact("next_client_gets_the_same_address", address == first_address);
    let landed = world.first_dword(next, object)? == 0x22;
    world.fact("write_lands_in_the_new_object", landed);

    // The same address space: the address comes back as soon as the object is freed.
    world.driver.gem_close(next, object)?;
    world.driver.retire();
    let (object, address) = write_new(world, next, 3, 0x33)?;
    world.fact("same_address_in_the_same_space", address == first_address);
    let landed = world.first_dword(next, object)? == 0x33;
    world.fact("write_lands_in_the_newest_object", landed);

    let untouched = world.first_dword(exporter, shared)? == UNTOUCHED;
    world.fact("old_object_untouched", untouched);
    world.driver.close(next)?;
    world.settled_checkpoint(label::AFTER);
    Ok(())
}
