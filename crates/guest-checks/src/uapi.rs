//! The part of the kernel's user interface that is used here: `include/uapi/drm/drm.h` and
//! `include/uapi/drm/i915_drm.h`. Field and constant names are the headers', shortened by prefix.

pub(crate) mod kms;

use std::marker::PhantomData;

/// An ioctl's number and name, bound to the type of its argument.
pub(crate) struct Ioctl<T> {
    number: u32,
    name: &'static str,
    argument: PhantomData<fn(T)>,
}

impl<T> Clone for Ioctl<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ioctl<T> {}

impl<T> Ioctl<T> {
    /// Number as the kernel wants it.
    pub(crate) fn number(self) -> u32 {
        self.number
    }

    /// The name in the header.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// `_IOW('d', …)`
    pub(crate) const fn write(number: u32, name: &'static str) -> Ioctl<T> {
        Ioctl::new(1, number, name)
    }

    /// `_IOWR('d', …)`
    pub(crate) const fn both(number: u32, name: &'static str) -> Ioctl<T> {
        Ioctl::new(3, number, name)
    }

    /// A number from before there were rules for numbers.
    pub(crate) const fn old(number: u32, name: &'static str) -> Ioctl<T> {
        Ioctl { number, name, argument: PhantomData }
    }

    /// `include/uapi/asm-generic/ioctl.h`: direction 31:30, size 29:16, type 15:8, number 7:0.
    const fn new(direction: u32, number: u32, name: &'static str) -> Ioctl<T> {
        let size = size_of::<T>() as u32;
        let number = direction << 30 | size << 16 | (b'd' as u32) << 8 | number;
        Ioctl { number, name, argument: PhantomData }
    }
}

/// `DRM_COMMAND_BASE`: the driver's own ioctls begin here.
const COMMAND_BASE: u32 = 0x40;

/// Closes a handle.
pub(crate) const GEM_CLOSE: Ioctl<GemClose> = Ioctl::write(0x09, "GEM_CLOSE");
/// Gives an object a global name.
pub(crate) const GEM_FLINK: Ioctl<GemFlink> = Ioctl::both(0x0a, "GEM_FLINK");
/// Opens an object by its global name.
pub(crate) const GEM_OPEN: Ioctl<GemOpen> = Ioctl::both(0x0b, "GEM_OPEN");
/// Exports an object as a dma-buf.
pub(crate) const PRIME_HANDLE_TO_FD: Ioctl<PrimeHandle> = Ioctl::both(0x2d, "PRIME_HANDLE_TO_FD");
/// Imports a dma-buf.
pub(crate) const PRIME_FD_TO_HANDLE: Ioctl<PrimeHandle> = Ioctl::both(0x2e, "PRIME_FD_TO_HANDLE");
/// Makes an object.
pub(crate) const GEM_CREATE: Ioctl<GemCreate> = Ioctl::both(COMMAND_BASE + 0x1b, "GEM_CREATE");
/// Asks for an offset to map an object at.
pub(crate) const GEM_MMAP_OFFSET: Ioctl<GemMmapOffset> =
    Ioctl::both(COMMAND_BASE + 0x24, "GEM_MMAP_OFFSET");
/// Tells who reads and writes an object next.
pub(crate) const GEM_SET_DOMAIN: Ioctl<GemSetDomain> =
    Ioctl::write(COMMAND_BASE + 0x1f, "GEM_SET_DOMAIN");
/// Says how an object is tiled, for the CPU's sight through the aperture.
pub(crate) const GEM_SET_TILING: Ioctl<GemSetTiling> =
    Ioctl::both(COMMAND_BASE + 0x21, "GEM_SET_TILING");
/// Asks how an object is tiled.
pub(crate) const GEM_GET_TILING: Ioctl<GemGetTiling> =
    Ioctl::both(COMMAND_BASE + 0x22, "GEM_GET_TILING");
/// Submits a batch.
pub(crate) const GEM_EXECBUFFER2: Ioctl<Execbuffer2> =
    Ioctl::write(COMMAND_BASE + 0x29, "GEM_EXECBUFFER2");
/// Waits until an object is idle.
pub(crate) const GEM_WAIT: Ioctl<GemWait> = Ioctl::both(COMMAND_BASE + 0x2c, "GEM_WAIT");
/// Makes a context, with settings.
pub(crate) const GEM_CONTEXT_CREATE_EXT: Ioctl<ContextCreate> =
    Ioctl::both(COMMAND_BASE + 0x2d, "GEM_CONTEXT_CREATE_EXT");
/// Destroys a context.
pub(crate) const GEM_CONTEXT_DESTROY: Ioctl<ContextDestroy> =
    Ioctl::write(COMMAND_BASE + 0x2e, "GEM_CONTEXT_DESTROY");
/// What resets a context has seen.
pub(crate) const GET_RESET_STATS: Ioctl<ResetStats> =
    Ioctl::both(COMMAND_BASE + 0x32, "GET_RESET_STATS");
/// Reads a setting of a context.
pub(crate) const GEM_CONTEXT_GETPARAM: Ioctl<ContextParam> =
    Ioctl::both(COMMAND_BASE + 0x34, "GEM_CONTEXT_GETPARAM");
/// Makes an object of memory of the caller's.
pub(crate) const GEM_USERPTR: Ioctl<GemUserptr> = Ioctl::both(COMMAND_BASE + 0x33, "GEM_USERPTR");
/// Asks for facts about the GPU.
pub(crate) const QUERY: Ioctl<Query> = Ioctl::both(COMMAND_BASE + 0x39, "QUERY");

/// `struct drm_gem_close`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemClose {
    pub(crate) handle: u32,
    pub(crate) pad: u32,
}

/// `struct drm_gem_flink`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemFlink {
    pub(crate) handle: u32,
    pub(crate) name: u32,
}

/// `struct drm_gem_open`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemOpen {
    pub(crate) name: u32,
    pub(crate) handle: u32,
    pub(crate) size: u64,
}

/// `struct drm_prime_handle`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct PrimeHandle {
    pub(crate) handle: u32,
    pub(crate) flags: u32,
    pub(crate) fd: i32,
}

/// `DRM_CLOEXEC`
pub(crate) const PRIME_CLOEXEC: u32 = 0x8_0000;

/// `struct drm_i915_gem_create`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemCreate {
    pub(crate) size: u64,
    pub(crate) handle: u32,
    pub(crate) pad: u32,
}

/// `struct drm_i915_gem_mmap_offset`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemMmapOffset {
    pub(crate) handle: u32,
    pub(crate) pad: u32,
    pub(crate) offset: u64,
    pub(crate) flags: u64,
    pub(crate) extensions: u64,
}

/// `struct drm_i915_gem_set_domain`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemSetDomain {
    pub(crate) handle: u32,
    pub(crate) read_domains: u32,
    pub(crate) write_domain: u32,
}

/// `I915_GEM_DOMAIN_CPU`
pub(crate) const DOMAIN_CPU: u32 = 0x01;
/// `I915_GEM_DOMAIN_GTT`
pub(crate) const DOMAIN_GTT: u32 = 0x40;

/// `struct drm_i915_gem_set_tiling`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemSetTiling {
    pub(crate) handle: u32,
    pub(crate) tiling_mode: u32,
    pub(crate) stride: u32,
    pub(crate) swizzle_mode: u32,
}

/// `struct drm_i915_gem_get_tiling`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemGetTiling {
    pub(crate) handle: u32,
    pub(crate) tiling_mode: u32,
    pub(crate) swizzle_mode: u32,
    pub(crate) phys_swizzle_mode: u32,
}

/// `struct drm_i915_gem_exec_object2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ExecObject2 {
    pub(crate) handle: u32,
    pub(crate) relocation_count: u32,
    pub(crate) relocs_ptr: u64,
    pub(crate) alignment: u64,
    pub(crate) offset: u64,
    pub(crate) flags: u64,
    pub(crate) rsvd1: u64,
    pub(crate) rsvd2: u64,
}

/// `EXEC_OBJECT_WRITE`
pub(crate) const OBJECT_WRITE: u64 = 1 << 2;
/// `EXEC_OBJECT_SUPPORTS_48B_ADDRESS`
pub(crate) const OBJECT_48B: u64 = 1 << 3;
/// `EXEC_OBJECT_PINNED`
pub(crate) const OBJECT_PINNED: u64 = 1 << 4;

/// `struct drm_i915_gem_execbuffer2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Execbuffer2 {
    pub(crate) buffers_ptr: u64,
    pub(crate) buffer_count: u32,
    pub(crate) batch_start_offset: u32,
    pub(crate) batch_len: u32,
    pub(crate) dr1: u32,
    pub(crate) dr4: u32,
    pub(crate) num_cliprects: u32,
    pub(crate) cliprects_ptr: u64,
    pub(crate) flags: u64,
    pub(crate) rsvd1: u64,
    pub(crate) rsvd2: u64,
}

/// `I915_EXEC_SECURE`
pub(crate) const EXEC_SECURE: u64 = 1 << 9;
/// `I915_EXEC_NO_RELOC`
pub(crate) const EXEC_NO_RELOC: u64 = 1 << 11;

/// `struct drm_i915_gem_wait`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemWait {
    pub(crate) bo_handle: u32,
    pub(crate) flags: u32,
    pub(crate) timeout_ns: i64,
}

/// `struct drm_i915_gem_context_create_ext`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ContextCreate {
    pub(crate) ctx_id: u32,
    pub(crate) flags: u32,
    pub(crate) extensions: u64,
}

/// `I915_CONTEXT_CREATE_FLAGS_USE_EXTENSIONS`
pub(crate) const CONTEXT_USE_EXTENSIONS: u32 = 1;

/// `struct drm_i915_gem_context_destroy`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ContextDestroy {
    pub(crate) ctx_id: u32,
    pub(crate) pad: u32,
}

/// `struct drm_i915_gem_context_param`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ContextParam {
    pub(crate) ctx_id: u32,
    pub(crate) size: u32,
    pub(crate) param: u64,
    pub(crate) value: u64,
}

/// `I915_CONTEXT_PARAM_GTT_SIZE`
pub(crate) const PARAM_GTT_SIZE: u64 = 0x3;
/// `I915_CONTEXT_PARAM_ENGINES`
pub(crate) const PARAM_ENGINES: u64 = 0xa;

/// `struct drm_i915_gem_userptr`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GemUserptr {
    pub(crate) user_ptr: u64,
    pub(crate) user_size: u64,
    pub(crate) flags: u32,
    pub(crate) handle: u32,
}

/// `I915_USERPTR_READ_ONLY`
pub(crate) const USERPTR_READ_ONLY: u32 = 1;

/// `struct i915_user_extension` at the head of `struct drm_i915_gem_context_create_ext_setparam`
/// (extension name 0).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ContextSetparamExtension {
    pub(crate) next_extension: u64,
    pub(crate) name: u32,
    pub(crate) flags: u32,
    pub(crate) rsvd: [u32; 4],
    pub(crate) param: ContextParam,
}

/// `struct i915_engine_class_instance`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct EngineClassInstance {
    pub(crate) engine_class: u16,
    pub(crate) engine_instance: u16,
}

/// `struct i915_context_param_engines` with more room than Broadwell has engines.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ContextEngines {
    pub(crate) extensions: u64,
    pub(crate) engines: [EngineClassInstance; 6],
}

/// `struct drm_i915_reset_stats`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ResetStats {
    pub(crate) ctx_id: u32,
    pub(crate) flags: u32,
    pub(crate) reset_count: u32,
    pub(crate) batch_active: u32,
    pub(crate) batch_pending: u32,
    pub(crate) pad: u32,
}

/// `struct drm_i915_query`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Query {
    pub(crate) num_items: u32,
    pub(crate) flags: u32,
    pub(crate) items_ptr: u64,
}

/// `struct drm_i915_query_item`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct QueryItem {
    pub(crate) query_id: u64,
    pub(crate) length: i32,
    pub(crate) flags: u32,
    pub(crate) data_ptr: u64,
}

/// `DRM_I915_QUERY_ENGINE_INFO`
pub(crate) const QUERY_ENGINE_INFO: u64 = 2;
/// Bytes of `struct drm_i915_query_engine_info` ahead of its engines.
pub(crate) const ENGINE_INFO_HEAD: usize = 16;
/// Bytes of one `struct drm_i915_engine_info`; class and instance are its first two words.
pub(crate) const ENGINE_INFO: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers as they stand in recorded system calls (strace's table of ioctls).
    #[test]
    fn ioctls_have_the_numbers_of_the_header() {
        assert_eq!(GEM_CLOSE.number(), 0x4008_6409);
        assert_eq!(GEM_FLINK.number(), 0xc008_640a);
        assert_eq!(GEM_OPEN.number(), 0xc010_640b);
        assert_eq!(PRIME_HANDLE_TO_FD.number(), 0xc00c_642d);
        assert_eq!(PRIME_FD_TO_HANDLE.number(), 0xc00c_642e);
        assert_eq!(GEM_CREATE.number(), 0xc010_645b);
        assert_eq!(GEM_MMAP_OFFSET.number(), 0xc020_6464);
        assert_eq!(GEM_SET_DOMAIN.number(), 0x400c_645f);
        assert_eq!(GEM_SET_TILING.number(), 0xc010_6461);
        assert_eq!(GEM_GET_TILING.number(), 0xc010_6462);
        assert_eq!(GEM_EXECBUFFER2.number(), 0x4040_6469);
        assert_eq!(GEM_WAIT.number(), 0xc010_646c);
        assert_eq!(GEM_CONTEXT_CREATE_EXT.number(), 0xc010_646d);
        assert_eq!(GEM_CONTEXT_DESTROY.number(), 0x4008_646e);
        assert_eq!(GET_RESET_STATS.number(), 0xc018_6472);
        assert_eq!(GEM_CONTEXT_GETPARAM.number(), 0xc018_6474);
        assert_eq!(GEM_USERPTR.number(), 0xc018_6473);
        assert_eq!(QUERY.number(), 0xc010_6479);
    }

    #[test]
    fn structures_without_an_ioctl_of_their_own_have_the_size_of_the_header() {
        assert_eq!(size_of::<ExecObject2>(), 56);
        assert_eq!(size_of::<ContextSetparamExtension>(), 56);
        assert_eq!(size_of::<QueryItem>(), 24);
        assert_eq!(std::mem::offset_of!(ContextEngines, engines), 8);
        assert_eq!(size_of::<EngineClassInstance>(), 4);
        assert_eq!(size_of::<GemUserptr>(), 24);
    }
}
