//! Contexts.

use std::mem::offset_of;
use std::ptr;

use super::{Device, Engine, Placed};
use crate::error::Result;
use crate::uapi::{self, ContextEngines, ContextParam, ContextSetparamExtension};

/// A context of one client, with an address space of its own; dropping destroys it.
pub(crate) struct Context {
    device: Device,
    id: u32,
}

impl Context {
    /// With these engines in its map, so that execbuffer counts them from 0.
    pub(super) fn create(device: &Device, map: &[Engine]) -> Result<Context> {
        let mut engines = ContextEngines::default();
        for (entry, engine) in engines.engines.iter_mut().zip(map) {
            *entry = engine.0;
        }
        let param = ContextParam {
            param: uapi::PARAM_ENGINES,
            // The kernel counts engines by the size.
            size: (offset_of!(ContextEngines, engines)
                + map.len() * size_of::<uapi::EngineClassInstance>()) as u32,
            value: ptr::from_ref(&engines) as u64,
            ..Default::default()
        };
        let extension = ContextSetparamExtension { param, ..Default::default() };
        let mut create = uapi::ContextCreate {
            flags: uapi::CONTEXT_USE_EXTENSIONS,
            extensions: ptr::from_ref(&extension) as u64,
            ..Default::default()
        };
        device.ioctl(uapi::GEM_CONTEXT_CREATE_EXT, &mut create)?;
        Ok(Context { device: device.clone(), id: create.ctx_id })
    }

    /// Submits a batch that uses `objects`; it need not have begun when this comes back.
    pub(crate) fn submit(&self, objects: &[Placed<'_>], batch: Placed<'_>) -> Result<()> {
        self.submit_with(objects, batch, 0)
    }

    /// As [`Context::submit`], with further flags of execbuffer: among them the engine's number in
    /// the context's map.
    pub(crate) fn submit_with(
        &self,
        objects: &[Placed<'_>],
        batch: Placed<'_>,
        flags: u64,
    ) -> Result<()> {
        let mut entries: Vec<_> = objects.iter().chain([&batch]).map(Placed::entry).collect();
        let mut execbuffer = uapi::Execbuffer2 {
            buffers_ptr: entries.as_mut_ptr() as u64,
            buffer_count: entries.len() as u32,
            flags: uapi::EXEC_NO_RELOC | flags,
            rsvd1: u64::from(self.id),
            ..Default::default()
        };
        self.device.ioctl(uapi::GEM_EXECBUFFER2, &mut execbuffer)
    }

    /// The bytes of its address space.
    pub(crate) fn address_space(&self) -> Result<u64> {
        let mut get =
            ContextParam { ctx_id: self.id, param: uapi::PARAM_GTT_SIZE, ..Default::default() };
        self.device.ioctl(uapi::GEM_CONTEXT_GETPARAM, &mut get)?;
        Ok(get.value)
    }

    /// What resets it has seen.
    pub(crate) fn reset_stats(&self) -> Result<uapi::ResetStats> {
        let mut stats = uapi::ResetStats { ctx_id: self.id, ..Default::default() };
        self.device.ioctl(uapi::GET_RESET_STATS, &mut stats)?;
        Ok(stats)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut destroy = uapi::ContextDestroy { ctx_id: self.id, pad: 0 };
        if let Err(error) = self.device.ioctl(uapi::GEM_CONTEXT_DESTROY, &mut destroy) {
            eprintln!("gen8-checks: {error}");
        }
    }
}
