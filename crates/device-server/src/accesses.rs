//! Requests that read and write regions.

use gpu_model::Gpu;
use gpu_thread::Device;

use crate::errno::Errno;
use crate::regions::Region;
use crate::wire::{Fields, MAX_DATA, Reply};

/// Bytes of one write in REGION_WRITE_MULTI, whatever its count is.
const ONE_OF_MANY: usize = 24;

/// REGION_READ.
pub(crate) fn read(device: &Device, body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
    let access = Access::read(body)?;
    device.look(|gpu| {
        access.check(gpu)?;
        access.answer(reply);
        access.region.read(gpu, access.offset, reply.room(access.count));
        Ok(())
    })
}

/// REGION_WRITE.
pub(crate) fn write(device: &Device, body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
    let access = Access::read(body)?;
    let data = access.data()?;
    device.touch(|gpu| {
        access.check(gpu)?;
        access.region.write(gpu, access.offset, data);
        access.answer(reply);
        Ok(())
    })
}

/// REGION_WRITE_MULTI: writes of at most eight bytes, which QEMU collects when it posts them faster
/// than they are taken. If one of them is wrong, none is carried out.
pub(crate) fn write_many(
    device: &Device,
    mut body: Fields<'_>,
    reply: &mut Reply,
) -> Result<(), Errno> {
    let count = body.u64()?;
    let records = body.rest();
    let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(ONE_OF_MANY));
    let records = bytes.and_then(|bytes| records.get(..bytes)).ok_or(Errno::INVALID)?;
    let writes = || records.chunks_exact(ONE_OF_MANY).map(|record| Access::read(Fields(record)));
    device.touch(|gpu| {
        for write in writes() {
            let write = write?;
            write.check(gpu)?;
            write.data()?;
        }
        for write in writes() {
            let write = write?;
            write.region.write(gpu, write.offset, write.data()?);
        }
        reply.u64(count);
        Ok(())
    })
}

/// The fields of a region access.
struct Access<'a> {
    offset: u64,
    index: u32,
    region: Region,
    count: usize,
    rest: &'a [u8],
}

impl<'a> Access<'a> {
    fn read(mut body: Fields<'a>) -> Result<Self, Errno> {
        let (offset, index) = (body.u64()?, body.u32()?);
        let count = body.u32()? as usize;
        if count > MAX_DATA {
            return Err(Errno::INVALID);
        }
        Ok(Access { offset, index, region: Region::new(index)?, count, rest: body.rest() })
    }

    fn check(&self, gpu: &Gpu) -> Result<(), Errno> {
        self.region.check(gpu, self.offset, self.count)
    }

    /// What is to be written.
    fn data(&self) -> Result<&'a [u8], Errno> {
        self.rest.get(..self.count).ok_or(Errno::INVALID)
    }

    /// The reply's fields, which are the request's.
    fn answer(&self, reply: &mut Reply) {
        reply.u64(self.offset).u32(self.index).u32(self.count as u32);
    }
}
