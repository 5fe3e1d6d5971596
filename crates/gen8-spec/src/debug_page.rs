//! The debug register page: ownership hints from the guest. **Real hardware lacks it.**
//!
//! It lies in the reserved part of BAR0 (2–8 MiB), where a real Broadwell reads 0, so a driver
//! detects it by [`SIGNATURE`] and can do without: the device's census then falls back on what the
//! engines loaded. A hint only names who owns what; nothing that the device does depends on it, and
//! what counts as leaked is computed from guest memory.
//!
//! Protocol: write the arguments ([`ARG0`] 64 bits, [`ARG1`], [`ARG2`] 32 bits each), then the
//! command to [`COMMAND`]. Arguments keep their value between commands. A guest gives a device only
//! hints that the device's [`VERSION`] has ([`Hint::version`]).

use crate::engine::EngineId;

/// Offset of the page in BAR0.
pub const BASE: u32 = 0x20_0000;
/// Read only: [`SIGNATURE_VALUE`].
pub const SIGNATURE: u32 = BASE;
/// Read only: version of this protocol, [`VERSION_VALUE`].
pub const VERSION: u32 = BASE + 0x04;
/// First argument, low half; also written as one 64-bit access.
pub const ARG0: u32 = BASE + 0x08;
/// Second argument.
pub const ARG1: u32 = BASE + 0x10;
/// Third argument.
pub const ARG2: u32 = BASE + 0x14;
/// Command; the write takes effect at once.
pub const COMMAND: u32 = BASE + 0x18;
/// "G8EM" in ASCII, little endian.
pub const SIGNATURE_VALUE: u32 = u32::from_le_bytes(*b"G8EM");
/// Value of [`VERSION`]. Version 2 tells besides of requests, bindings, objects, clients and handles.
pub const VERSION_VALUE: u32 = 2;

/// What a guest page is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum PageKind {
    /// Page table (level 1).
    Pt = 1,
    /// Page directory (level 2).
    Pd = 2,
    /// Page-directory pointer table (level 3).
    Pdp = 3,
    /// PML4 (level 4).
    Pml4 = 4,
    /// Scratch data page of an address space.
    ScratchPage = 5,
    /// Scratch table of an address space, any level.
    ScratchTable = 6,
    /// Page of a GEM object.
    Object = 7,
    /// Page of a context image.
    ContextImage = 8,
    /// Page of a ring buffer.
    Ring = 9,
    /// Hardware status page and other driver-global pages.
    Global = 10,
}

impl PageKind {
    /// Decodes a guest's value.
    pub const fn from_u32(value: u32) -> Option<Self> {
        Some(match value {
            1 => PageKind::Pt,
            2 => PageKind::Pd,
            3 => PageKind::Pdp,
            4 => PageKind::Pml4,
            5 => PageKind::ScratchPage,
            6 => PageKind::ScratchTable,
            7 => PageKind::Object,
            8 => PageKind::ContextImage,
            9 => PageKind::Ring,
            10 => PageKind::Global,
            _ => return None,
        })
    }

    /// Whether a page of this kind counts as a page-table page of its address space: the scratch
    /// page and tables included, as in the formula `pages(vm) = base + PTs + PDs (+ PDPs)`.
    pub const fn is_page_table(self) -> bool {
        (self as u32) <= PageKind::ScratchTable as u32
    }
}

/// A hint, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A driver instance starts: forget every earlier hint.
    DriverStart,
    /// The page at `page` is now used as `kind` by `owner` (a VM, object or context id by kind).
    PageOwned {
        /// Physical address of the page.
        page: u64,
        /// Use of the page.
        kind: PageKind,
        /// VM id, object id or context id.
        owner: u32,
    },
    /// The page at `page` is free.
    PageFreed {
        /// Physical address of the page.
        page: u64,
    },
    /// Address space `vm` exists; `root` is its PML4 (4 levels) or 0 (3 levels).
    VmCreated {
        /// Physical address of the PML4, or 0.
        root: u64,
        /// VM id.
        vm: u32,
        /// 3 or 4.
        levels: u32,
    },
    /// Address space `vm` was released.
    VmReleased {
        /// VM id.
        vm: u32,
    },
    /// Context `context` exists and uses `vm` (0 = none).
    ContextCreated {
        /// Context id.
        context: u32,
        /// VM id, 0 for a context without an address space of its own.
        vm: u32,
    },
    /// Context `context` was freed.
    ContextFreed {
        /// Context id.
        context: u32,
    },
    /// A VMA of `object` in `vm` exists (bound or not).
    VmaCreated {
        /// VM id.
        vm: u32,
        /// Object id.
        object: u32,
    },
    /// The VMA of `object` in `vm` is gone.
    VmaDestroyed {
        /// VM id.
        vm: u32,
        /// Object id.
        object: u32,
    },
    /// Take a census now and keep it under `label`.
    Checkpoint {
        /// Label chosen by the guest.
        label: u32,
    },
    /// The guest is about to hand a request to an engine. Since version 2.
    RequestSubmitted {
        /// Context id.
        context: u32,
        /// The engine.
        engine: EngineId,
        /// What the engine writes when it is done; never 0.
        seqno: u32,
    },
    /// The PTEs of the VMA of `object` in `vm` were written. Since version 2.
    VmaBound {
        /// First virtual address. The VMA is as long as its object.
        address: u64,
        /// VM id.
        vm: u32,
        /// Object id.
        object: u32,
    },
    /// The VMA of `object` in `vm` maps nothing any more. Since version 2.
    VmaUnbound {
        /// VM id.
        vm: u32,
        /// Object id.
        object: u32,
    },
    /// Object `object` exists. Since version 2.
    ObjectCreated {
        /// Bytes, whole pages.
        size: u64,
        /// Object id.
        object: u32,
    },
    /// Object `object` is gone. Since version 2.
    ObjectDestroyed {
        /// Object id.
        object: u32,
    },
    /// Client `client` opened the device node. Since version 2.
    ClientOpened {
        /// Client id.
        client: u32,
    },
    /// Client `client` is gone, with all that it had. Since version 2.
    ClientClosed {
        /// Client id.
        client: u32,
    },
    /// Client `client` may use context `context`. Since version 2.
    ContextOwned {
        /// Client id.
        client: u32,
        /// Context id.
        context: u32,
    },
    /// Client `client` has a handle of `object`, and with it a reference. Since version 2.
    HandleCreated {
        /// The handle.
        handle: u32,
        /// Client id.
        client: u32,
        /// Object id.
        object: u32,
    },
    /// A handle of `client` is gone. Since version 2.
    HandleDeleted {
        /// The handle.
        handle: u32,
        /// Client id.
        client: u32,
    },
}

impl Hint {
    /// The register values (arg0, arg1, arg2, command) of this hint.
    pub const fn encode(self) -> (u64, u32, u32, u32) {
        match self {
            Hint::DriverStart => (0, 0, 0, 1),
            Hint::PageOwned { page, kind, owner } => (page, owner, kind as u32, 2),
            Hint::PageFreed { page } => (page, 0, 0, 3),
            Hint::VmCreated { root, vm, levels } => (root, vm, levels, 4),
            Hint::VmReleased { vm } => (0, vm, 0, 5),
            Hint::ContextCreated { context, vm } => (0, context, vm, 6),
            Hint::ContextFreed { context } => (0, context, 0, 7),
            Hint::VmaCreated { vm, object } => (0, vm, object, 8),
            Hint::VmaDestroyed { vm, object } => (0, vm, object, 9),
            Hint::Checkpoint { label } => (0, label, 0, 10),
            Hint::RequestSubmitted { context, engine, seqno } => {
                (seqno as u64, context, engine.index() as u32, 11)
            }
            Hint::VmaBound { address, vm, object } => (address, vm, object, 12),
            Hint::VmaUnbound { vm, object } => (0, vm, object, 13),
            Hint::ObjectCreated { size, object } => (size, object, 0, 14),
            Hint::ObjectDestroyed { object } => (0, object, 0, 15),
            Hint::ClientOpened { client } => (0, client, 0, 16),
            Hint::ClientClosed { client } => (0, client, 0, 17),
            Hint::ContextOwned { client, context } => (0, client, context, 18),
            Hint::HandleCreated { handle, client, object } => (handle as u64, client, object, 19),
            Hint::HandleDeleted { handle, client } => (handle as u64, client, 0, 20),
        }
    }

    /// Decodes register values; `None` for an unknown command or page kind.
    pub const fn decode(arg0: u64, arg1: u32, arg2: u32, command: u32) -> Option<Self> {
        Some(match command {
            1 => Hint::DriverStart,
            2 => match PageKind::from_u32(arg2) {
                Some(kind) => Hint::PageOwned { page: arg0, kind, owner: arg1 },
                None => return None,
            },
            3 => Hint::PageFreed { page: arg0 },
            4 => Hint::VmCreated { root: arg0, vm: arg1, levels: arg2 },
            5 => Hint::VmReleased { vm: arg1 },
            6 => Hint::ContextCreated { context: arg1, vm: arg2 },
            7 => Hint::ContextFreed { context: arg1 },
            8 => Hint::VmaCreated { vm: arg1, object: arg2 },
            9 => Hint::VmaDestroyed { vm: arg1, object: arg2 },
            10 => Hint::Checkpoint { label: arg1 },
            11 => match EngineId::from_index(arg2 as usize) {
                Some(engine) => {
                    Hint::RequestSubmitted { context: arg1, engine, seqno: arg0 as u32 }
                }
                None => return None,
            },
            12 => Hint::VmaBound { address: arg0, vm: arg1, object: arg2 },
            13 => Hint::VmaUnbound { vm: arg1, object: arg2 },
            14 => Hint::ObjectCreated { size: arg0, object: arg1 },
            15 => Hint::ObjectDestroyed { object: arg1 },
            16 => Hint::ClientOpened { client: arg1 },
            17 => Hint::ClientClosed { client: arg1 },
            18 => Hint::ContextOwned { client: arg1, context: arg2 },
            19 => Hint::HandleCreated { handle: arg0 as u32, client: arg1, object: arg2 },
            20 => Hint::HandleDeleted { handle: arg0 as u32, client: arg1 },
            _ => return None,
        })
    }

    /// The version of the protocol since which this hint exists. A device of an older one does not
    /// know it.
    pub const fn version(self) -> u32 {
        let (_, _, _, command) = self.encode();
        if command > LAST_OF_VERSION_1 { 2 } else { 1 }
    }
}

/// The last command of version 1.
const LAST_OF_VERSION_1: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_decoded_to_what_encodes_to_it() {
        let (arg0, arg1, arg2) = (4, 2, 3);
        for command in 1..=20 {
            let hint = Hint::decode(arg0, arg1, arg2, command).unwrap();
            let (again0, again1, again2, again) = hint.encode();
            assert_eq!(again, command);
            assert_eq!(Hint::decode(again0, again1, again2, again), Some(hint));
            assert_eq!(hint.version(), if command <= 10 { 1 } else { 2 }, "{hint:?}");
        }
        for command in [0, 21, u32::MAX] {
            assert_eq!(Hint::decode(arg0, arg1, arg2, command), None);
        }
    }

    #[test]
    fn a_request_on_an_engine_that_does_not_exist_is_no_hint() {
        assert_eq!(Hint::decode(1, 1, 5, 11), None);
        assert!(Hint::decode(1, 1, 4, 11).is_some());
    }
}
