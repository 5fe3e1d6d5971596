//! One client's time with the device: requests in, replies out.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use gen8_spec::pci;
use gpu_model::GuestRam;
use gpu_thread::Device;
use vfio_bindings::bindings::vfio::{
    VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, VFIO_DMA_UNMAP_FLAG_ALL, VFIO_PCI_NUM_IRQS,
    VFIO_PCI_NUM_REGIONS,
};

use crate::accesses;
use crate::dma::{DmaTable, Range};
use crate::errno::Errno;
use crate::interrupts::{Action, Index, Interrupts};
use crate::receiver::Receiver;
use crate::regions::{ApertureWrites, Region};
use crate::stolen::StolenMemory;
use crate::version;
use crate::waiting::Waiting;
use crate::wire::{Fields, Header, Reply, command};

/// Bytes of VFIO's `vfio_device_info`, `vfio_irq_info` and, without capabilities,
/// `vfio_region_info`, as far as vfio-user sends them.
const DEVICE_INFO_SIZE: u32 = 16;
const IRQ_INFO_SIZE: u32 = 16;
const REGION_INFO_SIZE: u32 = 32;

/// How sessions go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conduct {
    /// The client is asked for more without pause.
    pub(crate) polls: bool,
    pub(crate) aperture_writes: ApertureWrites,
}

/// The device, a client's memory map, and whether it said hello.
pub(crate) struct Session<'a> {
    device: &'a Device,
    interrupts: &'a Interrupts,
    conduct: Conduct,
    dma: DmaTable,
    stolen: StolenMemory,
    negotiated: bool,
}

impl<'a> Session<'a> {
    /// A session with a client that has not said anything.
    pub(crate) fn new(device: &'a Device, interrupts: &'a Interrupts, conduct: Conduct) -> Self {
        let size = device.look(|gpu| pci::stolen_bytes(gpu.config().gmch_ctrl));
        let (dma, stolen) = (DmaTable::default(), StolenMemory::new(size));
        Session { device, interrupts, conduct, dma, stolen, negotiated: false }
    }

    /// Answers the client until it goes.
    pub(crate) fn run(&mut self, mut stream: &UnixStream) -> io::Result<()> {
        let waiting = Waiting::new(self.interrupts, self.conduct.polls);
        let mut receiver = Receiver::new(stream, waiting);
        let mut reply = Reply::new();
        while let Some(message) = receiver.next()? {
            let header = message.header;
            if header.is_reply() {
                log::warn!("reply {} to a question that was not asked", header.id);
                continue;
            }
            reply.clear();
            let result =
                message.content.and_then(|(body, fds)| self.handle(&header, body, fds, &mut reply));
            if let Err(errno) = result {
                let (command, size) = (header.command, header.size);
                log::debug!("command {command} of {size} bytes refused: {errno}");
            }
            if header.wants_reply() {
                stream.write_all(reply.finish(&header, result))?;
            }
        }
        Ok(())
    }

    fn handle(
        &mut self,
        header: &Header,
        body: Fields<'_>,
        fds: Vec<OwnedFd>,
        reply: &mut Reply,
    ) -> Result<(), Errno> {
        // First comes VERSION, and only once.
        if !header.is_request() || self.negotiated == (header.command == command::VERSION) {
            return Err(Errno::INVALID);
        }
        match header.command {
            command::VERSION => {
                version::negotiate(body, reply)?;
                self.negotiated = true;
                Ok(())
            }
            command::DMA_MAP => self.dma_map(body, fds),
            command::DMA_UNMAP => self.dma_unmap(body, reply),
            command::DEVICE_GET_INFO => device_info(body, reply),
            command::DEVICE_GET_REGION_INFO => self.region_info(body, reply),
            command::DEVICE_GET_IRQ_INFO => irq_info(body, reply),
            command::DEVICE_SET_IRQS => self.set_irqs(body, fds),
            command::REGION_READ => accesses::read(self.device, body, reply),
            command::REGION_WRITE => accesses::write(self.device, body, reply),
            command::REGION_WRITE_MULTI => accesses::write_many(self.device, body, reply),
            command::DEVICE_RESET => {
                self.device.touch(gpu_model::Gpu::reset);
                Ok(())
            }
            _ => Err(Errno::UNKNOWN),
        }
    }

    fn dma_map(&mut self, mut body: Fields<'_>, mut fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let (_size, flags, offset) = (body.u32()?, body.u32()?, body.u64()?);
        let range = Range::new(body.u64()?, body.u64()?)?;
        if fds.len() > 1 {
            return Err(Errno::INVALID);
        }
        self.dma.map(range, flags, offset, fds.pop())?;
        if let Err(errno) = self.load_memory() {
            drop(self.dma.unmap(range)?);
            return Err(errno);
        }
        Ok(())
    }

    fn dma_unmap(&mut self, mut body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
        let (argument_size, flags) = (body.u32()?, body.u32()?);
        let (address, size) = (body.u64()?, body.u64()?);
        let unmapped = match flags {
            0 => self.dma.unmap(Range::new(address, size)?)?,
            VFIO_DMA_UNMAP_FLAG_ALL if address == 0 && size == 0 => self.dma.unmap_all(),
            VFIO_DMA_UNMAP_FLAG_ALL => return Err(Errno::INVALID),
            _ => return Err(Errno::UNSUPPORTED),
        };
        self.load_memory()?;
        reply.u32(argument_size).u32(flags).u64(address).u64(unmapped.size());
        Ok(())
    }

    /// Gives the device the memory that is mapped now.
    fn load_memory(&mut self) -> Result<(), Errno> {
        self.stolen.place(self.dma.top_of_low_memory());
        let memory = self.dma.ram(&self.stolen)?;
        let bdsm = self.stolen.bdsm();
        // Unmapping the old one takes time, so it is not done under the device's lock.
        let old = self.device.touch(|gpu| {
            gpu.place_stolen_memory(bdsm);
            gpu.set_memory(memory)
        });
        drop(old);
        Ok(())
    }

    fn region_info(&self, mut body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
        let (room, _flags, index) = (body.u32()?, body.u32()?, body.u32()?);
        let region = Region::new(index)?;
        let capability = region.capability(self.conduct.aperture_writes);
        let size = REGION_INFO_SIZE + capability.len() as u32;
        let at = if capability.is_empty() { 0 } else { REGION_INFO_SIZE };
        reply.u32(size).u32(region.flags(self.conduct.aperture_writes)).u32(index).u32(at);
        // The offset is for mapping, which there is none of.
        reply.u64(self.device.look(|gpu| region.size(gpu))).u64(0);
        // A client that has no room for it asks again, with the size that it was told.
        if room >= size {
            reply.bytes(&capability);
        }
        Ok(())
    }

    fn set_irqs(&self, mut body: Fields<'_>, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let (_size, flags, index) = (body.u32()?, body.u32()?, body.u32()?);
        let (start, count) = (body.u32()?, body.u32()?);
        let index = Index::new(index)?;
        let action = Action::new(index, flags, start, count, body.rest(), fds)?;
        self.interrupts.set(index, action)
    }
}

impl Drop for Session<'_> {
    /// The client is gone: nothing of it is left, and the device is as after power-on.
    fn drop(&mut self) {
        let old = self.device.touch(|gpu| {
            gpu.place_stolen_memory(0);
            gpu.reset();
            gpu.set_memory(GuestRam::empty())
        });
        drop(old);
        self.interrupts.disconnect();
    }
}

fn device_info(mut body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
    let _size = body.u32()?;
    let flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
    reply.u32(DEVICE_INFO_SIZE).u32(flags).u32(VFIO_PCI_NUM_REGIONS).u32(VFIO_PCI_NUM_IRQS);
    Ok(())
}

fn irq_info(mut body: Fields<'_>, reply: &mut Reply) -> Result<(), Errno> {
    let (_size, _flags, number) = (body.u32()?, body.u32()?, body.u32()?);
    let index = Index::new(number)?;
    reply.u32(IRQ_INFO_SIZE).u32(index.flags()).u32(number).u32(index.count());
    Ok(())
}
