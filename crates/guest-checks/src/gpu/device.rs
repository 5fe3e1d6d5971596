//! An open device.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Context, Node, Object};
use crate::error::{Error, Result};
use crate::sys::{self, Mapping};
use crate::{files, uapi};

/// A client: one open file of the device. Clones are the same client.
#[derive(Clone)]
pub(crate) struct Device {
    file: Rc<File>,
}

impl Device {
    /// Opens a node.
    pub(crate) fn open(node: Node) -> Result<Device> {
        let path = node.path()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| Error::file(&path, error))?;
        Ok(Device { file: Rc::new(file) })
    }

    /// An ioctl on this client.
    pub(crate) fn ioctl<T: Copy>(&self, request: uapi::Ioctl<T>, argument: &mut T) -> Result<()> {
        sys::ioctl(self.file.as_raw_fd(), request, argument)
    }

    /// The file: objects are mapped from it, events read.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// A new object of `bytes` (a multiple of the page size), all zero.
    pub(crate) fn object(&self, bytes: usize) -> Result<Object> {
        Object::create(self, bytes)
    }

    /// The object of a global name.
    pub(crate) fn open_by_name(&self, name: u32) -> Result<Object> {
        let mut open = uapi::GemOpen { name, ..Default::default() };
        self.ioctl(uapi::GEM_OPEN, &mut open)?;
        let bytes = usize::try_from(open.size)
            .map_err(|_| Error::Wrong(format!("an object of {} bytes", open.size)))?;
        Ok(Object::owned(self, open.handle, bytes))
    }

    /// The object of a dma-buf that another client exported.
    pub(crate) fn import(&self, file: &File) -> Result<Object> {
        let bytes = (&*file)
            .seek(SeekFrom::End(0))
            .map_err(|error| Error::Call { call: "lseek of a dma-buf", error })?;
        let mut prime = uapi::PrimeHandle { fd: file.as_raw_fd(), ..Default::default() };
        self.ioctl(uapi::PRIME_FD_TO_HANDLE, &mut prime)?;
        let bytes = usize::try_from(bytes)
            .map_err(|_| Error::Wrong(format!("an object of {bytes} bytes")))?;
        Ok(Object::owned(self, prime.handle, bytes))
    }

    /// The number behind `key` in what the kernel tells of this client (`/proc/self/fdinfo`);
    /// `None` where it does not.
    pub(crate) fn figure(&self, key: &str) -> Result<Option<u64>> {
        let path = format!("/proc/self/fdinfo/{}", self.file.as_raw_fd());
        let text = files::read(Path::new(&path))?;
        let words = text.lines().find_map(|line| line.strip_prefix(key));
        let number = words.and_then(|words| words.split_whitespace().next());
        Ok(number.and_then(|number| number.parse().ok()))
    }

    /// A new context with an address space of its own, for batches on `engine`.
    pub(crate) fn context(&self, engine: Engine) -> Result<Context> {
        self.context_on(&[engine])
    }

    /// A new context with one address space for batches on all of `engines`.
    pub(crate) fn context_on(&self, engines: &[Engine]) -> Result<Context> {
        Context::create(self, engines)
    }

    /// An object of the pages of `memory` that the GPU can only read; `memory` must outlive it.
    pub(crate) fn read_only(&self, memory: &Mapping) -> Result<Object> {
        let bytes = memory.len() * size_of::<u32>();
        let mut userptr = uapi::GemUserptr {
            user_ptr: memory.address(),
            user_size: bytes as u64,
            flags: uapi::USERPTR_READ_ONLY,
            handle: 0,
        };
        self.ioctl(uapi::GEM_USERPTR, &mut userptr)?;
        Ok(Object::owned(self, userptr.handle, bytes))
    }

    /// Every engine that the kernel offers, in its order.
    pub(crate) fn engines(&self) -> Result<Vec<Engine>> {
        let mut answer = self.query(uapi::QUERY_ENGINE_INFO)?;
        let engines = answer.split_off(uapi::ENGINE_INFO_HEAD.min(answer.len()));
        let engines: Vec<Engine> =
            engines.chunks_exact(uapi::ENGINE_INFO).filter_map(Engine::decode).collect();
        if engines.is_empty() {
            return Err(Error::Wrong("the kernel offers no engine".into()));
        }
        Ok(engines)
    }

    /// Asks twice, as the interface wants it: for the length, then for the data.
    fn query(&self, query_id: u64) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        for _ in 0..2 {
            let data_ptr = if data.is_empty() { 0 } else { data.as_mut_ptr() as u64 };
            let length = i32::try_from(data.len()).unwrap_or(i32::MAX);
            let mut item = uapi::QueryItem { query_id, length, flags: 0, data_ptr };
            let items_ptr = std::ptr::from_mut(&mut item) as u64;
            self.ioctl(uapi::QUERY, &mut uapi::Query { num_items: 1, flags: 0, items_ptr })?;
            // A negative length is the item's errno.
            let length = usize::try_from(item.length)
                .map_err(|_| Error::Wrong(format!("QUERY {query_id}: errno {}", -item.length)))?;
            data.resize(length, 0);
        }
        Ok(data)
    }
}

/// One of the GPU's engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Engine(pub(super) uapi::EngineClassInstance);

impl Engine {
    /// By class and instance, for tests.
    #[cfg(test)]
    pub(crate) fn named(engine_class: u16, engine_instance: u16) -> Engine {
        Engine(uapi::EngineClassInstance { engine_class, engine_instance })
    }

    /// From `struct drm_i915_engine_info`.
    fn decode(info: &[u8]) -> Option<Engine> {
        let class = u16::from_ne_bytes(info.get(0..2)?.try_into().ok()?);
        let instance = u16::from_ne_bytes(info.get(2..4)?.try_into().ok()?);
        Some(Engine(uapi::EngineClassInstance { engine_class: class, engine_instance: instance }))
    }

    /// The engine of this name, for tests.
    #[cfg(test)]
    pub(crate) fn by_name(name: &str) -> Engine {
        let classes = (0..4).flat_map(|class| [(class, 0), (class, 1)]);
        let mut engines = classes.map(|(engine_class, engine_instance)| {
            Engine(uapi::EngineClassInstance { engine_class, engine_instance })
        });
        engines.find(|engine| engine.to_string() == name).unwrap()
    }

    /// Where the kernel keeps its settings.
    pub(crate) fn sysfs(self) -> Result<PathBuf> {
        Ok(Node::Card.sysfs()?.join("engine").join(self.to_string()))
    }

    /// The name of its class, as the kernel tells it of clients (`i915_drm_client.c`).
    pub(crate) fn class_name(self) -> &'static str {
        match self.0.engine_class {
            0 => "render",
            1 => "copy",
            2 => "video",
            3 => "video-enhance",
            _ => "compute",
        }
    }

    /// Whether it is a render engine (`I915_ENGINE_CLASS_RENDER`).
    pub(crate) fn is_render(self) -> bool {
        self.0.engine_class == 0
    }

    /// Whether it is a blitter (`I915_ENGINE_CLASS_COPY`).
    pub(crate) fn is_copy(self) -> bool {
        self.0.engine_class == 1
    }

    /// Its number in MI_SEMAPHORE_SIGNAL (PRM volume 2a).
    pub(crate) fn semaphore_target(self) -> Result<u32> {
        match (self.0.engine_class, self.0.engine_instance) {
            (0, 0) => Ok(0),
            (2, 0) => Ok(1),
            (1, 0) => Ok(2),
            (3, 0) => Ok(3),
            (2, 1) => Ok(4),
            _ => Err(Error::Wrong(format!("no semaphore names {self}"))),
        }
    }

    /// As [`Engine::register_base`]; an engine that Broadwell does not have is a failure.
    pub(crate) fn base(self) -> Result<u32> {
        let unknown = || Error::Wrong(format!("Broadwell has no engine {self}"));
        self.register_base().ok_or_else(unknown)
    }

    /// Where its registers begin (`i915_reg.h`: RENDER_RING_BASE, BLT_RING_BASE, GEN6_BSD_RING_BASE,
    /// GEN8_BSD2_RING_BASE, VEBOX_RING_BASE).
    pub(crate) fn register_base(self) -> Option<u32> {
        match (self.0.engine_class, self.0.engine_instance) {
            (0, 0) => Some(0x2000),
            (1, 0) => Some(0x2_2000),
            (2, 0) => Some(0x1_2000),
            (2, 1) => Some(0x1_c000),
            (3, 0) => Some(0x1_a000),
            _ => None,
        }
    }
}

/// The name that the kernel gives it: `rcs0`.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.0.engine_class {
            0 => "rcs",
            1 => "bcs",
            2 => "vcs",
            3 => "vecs",
            other => return write!(f, "class{other}-{}", self.0.engine_instance),
        };
        write!(f, "{class}{}", self.0.engine_instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_decoded_and_named_as_the_kernel_does() {
        let mut info = [0; uapi::ENGINE_INFO];
        info[..4].copy_from_slice(&[2, 0, 1, 0]);
        let engine = Engine::decode(&info).unwrap();
        assert_eq!(engine.to_string(), "vcs1");
        assert_eq!(engine.register_base(), Some(0x1_c000));
        assert_eq!(Engine::decode(&[0; 3]), None);
    }
}
