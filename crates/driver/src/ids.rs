//! Names that clients hold: plain numbers, checked at every use.

/// An open DRM file (a process that opened the device node).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u32);

/// A GEM handle, valid within one client. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub u32);

/// A global flink name. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

/// A context id within one client; [`ContextId::DEFAULT`] exists from open to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(pub u32);

impl ContextId {
    /// The client's default context.
    pub const DEFAULT: ContextId = ContextId(0);
}

/// An exported dma-buf: a file that holds one reference on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DmaBuf(pub u32);

/// Memory of a program that an object was made of (userptr). A name, not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserMemory(pub u32);

/// A frame buffer of the kernel (fbcon): holds one reference and a GGTT pin on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FbId(pub u32);
