//! Plain arguments and results of the client's calls.

use alloc::vec::Vec;

use gen8_spec::engine::EngineId;

use crate::ids::{ClientId, ContextId, Handle};

/// A pointer in an object that the driver must patch if its target moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Byte offset of the pointer (a qword) in the object that carries this relocation.
    pub offset: u64,
    /// Object pointed at; must be in the same execbuffer.
    pub target: Handle,
    /// Added to the target's address.
    pub delta: u64,
    /// Where the client believes the target to be; patched only if wrong.
    pub presumed_offset: u64,
}

/// An object that a batch uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecObject {
    /// The client's handle.
    pub handle: Handle,
    /// Wanted address (canonical form) with `pinned`, else a guess.
    pub offset: u64,
    /// `EXEC_OBJECT_PINNED`: bind exactly at `offset`.
    pub pinned: bool,
    /// `EXEC_OBJECT_WRITE`: the batch writes the object.
    pub write: bool,
    /// Pointers in this object.
    pub relocations: Vec<Relocation>,
}

impl ExecObject {
    /// An object that is only read, placed anywhere.
    pub fn new(handle: Handle) -> Self {
        ExecObject { handle, offset: 0, pinned: false, write: false, relocations: Vec::new() }
    }

    /// The same object, softpinned at `offset`.
    pub fn pinned_at(mut self, offset: u64) -> Self {
        (self.offset, self.pinned) = (offset, true);
        self
    }

    /// The same object, written by the batch.
    pub fn written(mut self) -> Self {
        self.write = true;
        self
    }

    /// The same object with its relocations.
    pub fn with_relocations(mut self, relocations: Vec<Relocation>) -> Self {
        self.relocations = relocations;
        self
    }
}

/// One submission. The last object is the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecBuffer {
    /// Context to run in.
    pub context: ContextId,
    /// Engine to run on.
    pub engine: EngineId,
    /// Objects used; the last one holds the batch.
    pub objects: Vec<ExecObject>,
    /// Byte offset of the batch in the last object.
    pub batch_offset: u64,
}

/// What the driver wrote back.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ExecResult {
    /// Address of each object, canonical, in the order of the call.
    pub offsets: Vec<u64>,
}

/// Domain of `set_domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The CPU reads (and, with `write`, writes).
    Cpu,
    /// Through the aperture.
    Gtt,
}

/// `i915_gem_drop_caches` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DropCaches(pub u32);

impl DropCaches {
    /// Shrink unbound objects.
    pub const UNBOUND: DropCaches = DropCaches(0x01);
    /// Shrink bound objects that are not active.
    pub const BOUND: DropCaches = DropCaches(0x02);
    /// Retire completed requests.
    pub const RETIRE: DropCaches = DropCaches(0x04);
    /// Wait until the GPU is idle with struct_mutex held, then retire.
    pub const ACTIVE: DropCaches = DropCaches(0x08);
    /// Shrink everything, active objects too: unbind waits for them.
    pub const SHRINK_ALL: DropCaches = DropCaches(0x20);
    /// Wait until the GT is idle and parked.
    pub const IDLE: DropCaches = DropCaches(0x40);

    /// Whether any bit of `other` is set.
    pub const fn contains(self, other: DropCaches) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for DropCaches {
    type Output = DropCaches;
    fn bitor(self, other: DropCaches) -> DropCaches {
        DropCaches(self.0 | other.0)
    }
}

/// What another client's pending CPU action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOp {
    /// Stores a dword into an object, without waiting for the GPU: through a CPU mmap (no lock),
    /// or by an ioctl (lock).
    WriteDword {
        /// The client that acts.
        client: ClientId,
        /// Its handle.
        handle: Handle,
        /// Byte offset, dword aligned.
        offset: u64,
        /// Value.
        value: u32,
    },
    /// Destroys a context, at the same time as somebody else does: it runs when that call has begun
    /// and before it has the lock.
    DestroyContext {
        /// The client that acts.
        client: ClientId,
        /// Its context.
        context: ContextId,
    },
}

/// An action that another client's thread is about to do. It runs when somebody waits for the GPU
/// and the GPU is quiescent, or in `settle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuAction {
    /// What a report calls it.
    pub label: &'static str,
    /// Whether it goes through an ioctl that takes struct_mutex.
    pub needs_struct_mutex: bool,
    /// What it does.
    pub op: CpuOp,
}

/// A failure to be injected once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultInjection {
    /// The next insertion of a VMA into a PPGTT's address space fails with `ENOSPC`, after the
    /// VMA was created by the look-up.
    ExecbufVaSpace,
    /// The next page-table allocation of a bind fails with `ENOMEM`.
    PageTableAlloc,
    /// Memory gets short during the next bind: the allocation of each page table but the first runs
    /// the shrinker.
    LowMemory,
}
