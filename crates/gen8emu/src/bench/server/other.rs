//! The crate `vfio_user`'s server, with our device behind it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Result, bail};
use gpu_model::{Bar, InterruptMessage};
use gpu_thread::{Device, DeviceThread, InterruptSink};
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_NUM_REGIONS,
    vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend, ServerRegion};

use super::{Client, fresh_path, gpu};

/// The server in a thread of its own; it ends with its client.
pub(super) struct Theirs {
    path: PathBuf,
    thread: JoinHandle<Result<(), vfio_user::Error>>,
    device: DeviceThread,
}

impl Theirs {
    pub(super) fn start() -> Result<Theirs> {
        let path = fresh_path("theirs");
        let device = Arc::new(Device::new(gpu()?, Box::new(Nobody)));
        let thread = DeviceThread::start(Arc::clone(&device))?;
        let regions = (0..VFIO_PCI_NUM_REGIONS).map(region).collect();
        let server = vfio_user::Server::new(&path, true, Vec::new(), regions)?;
        let serve = move || server.run(&mut Backend(device));
        Ok(Theirs { path, thread: std::thread::spawn(serve), device: thread })
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::connect(&self.path)
    }

    pub(super) fn end(self) -> Result<()> {
        match self.thread.join() {
            Ok(result) => result?,
            Err(_) => bail!("the crate's server panicked"),
        }
        Ok(self.device.stop()?)
    }
}

fn region(index: u32) -> ServerRegion {
    let region_info = vfio_region_info { index, size: u64::MAX, ..Default::default() };
    ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None }
}

/// No interrupt is let out here.
struct Nobody;

impl InterruptSink for Nobody {
    fn deliver(&self, _message: InterruptMessage) {}
}

/// Does what our server does for an access of four bytes.
struct Backend(Arc<Device>);

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let size = data.len() as u8;
        let value = self.0.look(|gpu| match region {
            VFIO_PCI_BAR0_REGION_INDEX => gpu.bar_read(Bar::Bar0, offset, size),
            _ => gpu.config_read(offset as u16, size).into(),
        });
        for (place, byte) in data.iter_mut().zip(value.to_le_bytes()) {
            *place = byte;
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        let size = data.len() as u8;
        let value = data.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        self.0.touch(|gpu| match region {
            VFIO_PCI_BAR0_REGION_INDEX => gpu.bar_write(Bar::Bar0, offset, size, value),
            VFIO_PCI_CONFIG_REGION_INDEX => {
                gpu.config_write(offset as u16, size, value as u32);
            }
            _ => {}
        });
        Ok(())
    }

    fn dma_map(
        &mut self,
        _flags: DmaMapFlags,
        _offset: u64,
        _address: u64,
        _size: u64,
        _file: Option<File>,
    ) -> io::Result<()> {
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, _address: u64, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_irqs(
        &mut self,
        _index: u32,
        _flags: u32,
        _start: u32,
        _count: u32,
        _fds: Vec<File>,
    ) -> io::Result<()> {
        Ok(())
    }
}
