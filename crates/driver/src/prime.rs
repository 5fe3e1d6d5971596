//! Objects held by files: dma-bufs and fbcon's frame buffer.

use crate::error::Error;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::ids::{ClientId, DmaBuf, FbId, Handle, Name};

impl<H: Hardware> Gem<H> {
    /// Exports an object as a dma-buf, which holds a reference until `dma_buf_close`.
    pub fn prime_export(&mut self, client: ClientId, handle: Handle) -> Result<DmaBuf, Error> {
        self.locked("prime_export", |gem| {
            let object = gem.object_of(client, handle)?;
            gem.object_get(object)?;
            let buf = DmaBuf(next(&mut gem.numbers.dma_buf));
            gem.names.dma_bufs.insert(buf, object);
            gem.client_mut(client)?.prime.insert(buf, handle);
            Ok(buf)
        })
    }

    /// Imports a dma-buf of this device: the same object. A client that already has a handle by
    /// this dma-buf gets that one.
    pub fn prime_import(&mut self, client: ClientId, buf: DmaBuf) -> Result<Handle, Error> {
        self.locked("prime_import", |gem| {
            let object = gem.names.dma_bufs.get(&buf).copied().ok_or(Error::NoEntry)?;
            if let Some(&handle) = gem.client(client)?.prime.get(&buf) {
                return Ok(handle);
            }
            let handle = gem.handle_create(client, object)?;
            gem.client_mut(client)?.prime.insert(buf, handle);
            Ok(handle)
        })
    }

    /// Closes an exported dma-buf.
    pub fn dma_buf_close(&mut self, buf: DmaBuf) -> Result<(), Error> {
        self.locked("dma_buf_close", |gem| {
            let object = gem.names.dma_bufs.remove(&buf).ok_or(Error::NoEntry)?;
            for client in gem.clients.values_mut() {
                client.prime.remove(&buf);
            }
            gem.object_put(object)
        })
    }

    /// Creates fbcon's frame buffer: kernel-owned, pinned in the GGTT for scan-out, with a name.
    /// The kernel keeps a handle count on it, so that the name stays when an importer closes its
    /// last handle (an X server gets the object by GETFB, which needs no name).
    pub fn fb_create(&mut self, size: u64) -> Result<(FbId, Name), Error> {
        self.locked("fb_create", |gem| {
            let object = gem.object_create(size)?;
            gem.handle_count_get(object)?;
            let pinned = gem
                .vma_lookup_or_create(object, gem.ggtt)
                .and_then(|vma| gem.vma_bind(vma, None).and_then(|()| gem.vma_pin(vma)));
            if let Err(error) = pinned {
                gem.handle_count_put(object)?;
                gem.object_put(object)?;
                return Err(error);
            }
            gem.objects.get_mut(object)?.pin_display = true;
            let name = gem.object_name(object)?;
            let fb = FbId(next(&mut gem.numbers.frame_buffer));
            gem.names.frame_buffers.insert(fb, object);
            Ok((fb, name))
        })
    }

    /// Frees a frame buffer: scan-out has moved elsewhere.
    pub fn fb_destroy(&mut self, fb: FbId) -> Result<(), Error> {
        self.locked("fb_destroy", |gem| {
            let object = gem.names.frame_buffers.remove(&fb).ok_or(Error::NoEntry)?;
            gem.objects.get_mut(object)?.pin_display = false;
            if let Some(vma) = gem.vma_find(object, gem.ggtt) {
                gem.vma_unpin(vma);
            }
            gem.handle_count_put(object)?;
            gem.object_put(object)
        })
    }
}
