//! The vfio-user server that gives the GPU to QEMU as a PCI device.
//!
//! QEMU (10.1 or newer, `vfio-user-pci`) is the client: it connects to a Unix socket, shares the
//! guest's memory by file descriptors, and sends each access to configuration space and BARs as a
//! message. [`Server`] answers them with a [`gpu_model::Gpu`] that runs in a thread of its own, so
//! that no batch, however long, delays an answer: QEMU drops a device that is silent for five
//! seconds. Interrupts leave through the event fds that the client gave, never under the device's
//! lock. When the client goes, its memory and its fds are released, the device is reset and the next
//! client is served.
//!
//! # Why not the crate `vfio_user`
//!
//! Version 0.1.7 has a server that is good enough to try i915, but not for clients that err:
//!
//! * a `VERSION` message that is too short, or without its NUL, panics the server; the `count` of a
//!   region access is allocated as the client wishes, up to 4 GiB;
//! * an unknown command's body stays in the stream and is then read as the next message;
//! * every error but one is told as errno 0, which QEMU takes for success of a failed DMA map; an
//!   error of a posted write gets a reply that nobody waits for;
//! * its `run` cannot be ended, except by the client, and its wire types are private, so there is
//!   nothing below the server to build on;
//! * an access takes four or five system calls; here it takes two, or less than two when the client
//!   posts writes faster than they are carried out (`gen8emu bench mmio_read_rtt` compares both).
//!
//! # What a client can and cannot do
//!
//! A wrong message gets the protocol's error reply with a real errno and changes nothing; the next
//! message is found after it, whatever it holds. Nothing is allocated by a number that the client
//! chose. A client that cuts off the file behind memory that it shared has zeros there from the next
//! access on; for that the process gets a handler of `SIGBUS` with the first such memory.
//!
//! The protocol: QEMU's `docs/interop/vfio-user.rst`; the structures within messages are those of
//! Linux's `uapi/linux/vfio.h`.

mod accesses;
mod allocator;
mod dma;
mod errno;
mod interrupts;
mod receiver;
mod regions;
mod server;
mod session;
mod signals;
mod stolen;
mod truncation;
mod version;
mod waiting;
mod wire;

pub use allocator::give_back_large_blocks;
pub use regions::ApertureWrites;
pub use server::{Server, ServerError, StopHandle};
pub use signals::TerminationSignals;
