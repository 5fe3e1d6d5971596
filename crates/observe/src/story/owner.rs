//! What somebody who knows the driver says of it: the seam between a story and its sources. Hints of
//! a guest are one source, a kernel's tracepoints another; without any, a story tells what the
//! device saw.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use ppgtt::PageTableRoot;

/// Something that began or ended in a driver. Numbers are the owner's own, unique among the living of
/// their kind; address space 0 is the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerEvent {
    /// A driver starts: whatever was said before is over, and another story begins.
    DriverStarts,
    /// A client opened the device.
    ClientBegins {
        /// Client.
        client: u64,
    },
    /// A client is gone, with its handles.
    ClientEnds {
        /// Client.
        client: u64,
    },
    /// An address space exists.
    SpaceBegins {
        /// Address space.
        space: u64,
    },
    /// The tables of an address space are these.
    SpaceRoot {
        /// Address space.
        space: u64,
        /// Where its tables begin.
        root: PageTableRoot,
    },
    /// An address space was released.
    SpaceEnds {
        /// Address space.
        space: u64,
    },
    /// A context exists.
    ContextBegins {
        /// Context.
        context: u64,
        /// The id in its descriptor, if that is known.
        hardware: Option<u32>,
        /// Its address space, if it has one.
        space: Option<u64>,
    },
    /// A context is a client's.
    ContextOwned {
        /// Context.
        context: u64,
        /// Client.
        client: u64,
    },
    /// A context was freed.
    ContextEnds {
        /// Context.
        context: u64,
    },
    /// An object exists.
    ObjectBegins {
        /// Object.
        object: u64,
        /// Bytes.
        size: u64,
    },
    /// An object is gone.
    ObjectEnds {
        /// Object.
        object: u64,
    },
    /// A client has a handle, which holds an object.
    HandleBegins {
        /// Client.
        client: u64,
        /// Handle, the client's.
        handle: u64,
        /// Object.
        object: u64,
    },
    /// A handle is gone.
    HandleEnds {
        /// Client.
        client: u64,
        /// Handle.
        handle: u64,
    },
    /// A VMA exists, bound or not.
    VmaBegins {
        /// Address space.
        space: u64,
        /// Object.
        object: u64,
    },
    /// A VMA is gone.
    VmaEnds {
        /// Address space.
        space: u64,
        /// Object.
        object: u64,
    },
    /// The PTEs of an object were written.
    Bound {
        /// Address space.
        space: u64,
        /// Object.
        object: u64,
        /// First address.
        va: u64,
        /// Bytes; `None` for the object's size.
        len: Option<u64>,
    },
    /// An object is unbound.
    Unbound {
        /// Address space.
        space: u64,
        /// Object.
        object: u64,
    },
    /// A request is about to be handed to an engine.
    Submitted {
        /// Context.
        context: u64,
        /// Engine.
        engine: EngineId,
        /// What the engine writes when it is done.
        seqno: u32,
    },
    /// Requests are retired and workers have run: what is left over now stays.
    Settled {
        /// A label for the moment.
        label: u32,
    },
}

impl OwnerEvent {
    /// What a hint of a guest says; `None` for the use of a page, and for page tables, whose roots are
    /// found by other means.
    pub(super) fn of_hint(hint: Hint) -> Option<OwnerEvent> {
        Some(match hint {
            Hint::PageOwned { .. } | Hint::PageFreed { .. } => return None,
            Hint::DriverStart => OwnerEvent::DriverStarts,
            Hint::VmCreated { vm, .. } => OwnerEvent::SpaceBegins { space: vm.into() },
            Hint::VmReleased { vm } => OwnerEvent::SpaceEnds { space: vm.into() },
            Hint::ContextCreated { context, vm } => OwnerEvent::ContextBegins {
                context: context.into(),
                hardware: Some(context),
                space: (vm != 0).then_some(vm.into()),
            },
            Hint::ContextFreed { context } => OwnerEvent::ContextEnds { context: context.into() },
            Hint::VmaCreated { vm, object } => {
                OwnerEvent::VmaBegins { space: vm.into(), object: object.into() }
            }
            Hint::VmaDestroyed { vm, object } => {
                OwnerEvent::VmaEnds { space: vm.into(), object: object.into() }
            }
            Hint::Checkpoint { label } => OwnerEvent::Settled { label },
            Hint::RequestSubmitted { context, engine, seqno } => {
                OwnerEvent::Submitted { context: context.into(), engine, seqno }
            }
            Hint::VmaBound { address, vm, object } => OwnerEvent::Bound {
                space: vm.into(),
                object: object.into(),
                va: address,
                len: None,
            },
            Hint::VmaUnbound { vm, object } => {
                OwnerEvent::Unbound { space: vm.into(), object: object.into() }
            }
            Hint::ObjectCreated { size, object } => {
                OwnerEvent::ObjectBegins { object: object.into(), size }
            }
            Hint::ObjectDestroyed { object } => OwnerEvent::ObjectEnds { object: object.into() },
            Hint::ClientOpened { client } => OwnerEvent::ClientBegins { client: client.into() },
            Hint::ClientClosed { client } => OwnerEvent::ClientEnds { client: client.into() },
            Hint::ContextOwned { client, context } => {
                OwnerEvent::ContextOwned { context: context.into(), client: client.into() }
            }
            Hint::HandleCreated { handle, client, object } => OwnerEvent::HandleBegins {
                client: client.into(),
                handle: handle.into(),
                object: object.into(),
            },
            Hint::HandleDeleted { handle, client } => {
                OwnerEvent::HandleEnds { client: client.into(), handle: handle.into() }
            }
        })
    }
}
