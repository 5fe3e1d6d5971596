//! A PCI function that is the device model, with its engines in a thread, where the kernel's VFIO
//! would be. BARs are reached by call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gen8_spec::pci;
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam, InterruptMessage};
use gpu_thread::{Device, DeviceThread, InterruptSink};
use observe::{Census, CensusLog};
use vfio_platform::{Error, Mapping, PciFunction, Region};
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap, MmapRegion};
use vmm_sys_util::eventfd::EventFd;

/// What firmware would have given the BARs.
const BARS: [(u16, u32); 2] = [(pci::CFG_BAR0, 0xe000_0000), (pci::CFG_BAR2, 0xc000_0000)];

/// What a test sees of a function, also after its end.
#[derive(Default)]
pub(crate) struct Watch {
    event: Mutex<Option<EventFd>>,
    /// Messages delivered.
    pub(crate) interrupts: AtomicUsize,
    /// DMA ranges mapped now.
    pub(crate) mapped: AtomicUsize,
    /// Resets asked for.
    pub(crate) resets: AtomicUsize,
    /// Whether it was bus master after the last write to it.
    pub(crate) bus_master: AtomicBool,
    /// Whether to have no MSI.
    pub(crate) refuse_msi: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Arc<Watch> {
        Arc::new(Watch::default())
    }

    /// Signals the event fd as VFIO does for an MSI.
    pub(crate) fn interrupt(&self) {
        if let Some(event) = &*self.event() {
            self.interrupts.fetch_add(1, Ordering::Relaxed);
            event.write(1).expect("the counter has room");
        }
    }

    /// Whether somebody listens for MSIs.
    pub(crate) fn has_msi(&self) -> bool {
        self.event().is_some()
    }

    fn event(&self) -> std::sync::MutexGuard<'_, Option<EventFd>> {
        self.event.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sink(Arc<Watch>);

impl InterruptSink for Sink {
    fn deliver(&self, message: InterruptMessage) {
        assert!(matches!(message, InterruptMessage::Msi { .. }), "{message:?} without MSI");
        self.0.interrupt();
    }
}

/// The function.
pub(crate) struct EmulatedFunction {
    device: Arc<Device>,
    _thread: DeviceThread,
    watch: Arc<Watch>,
    log: CensusLog,
}

impl EmulatedFunction {
    /// A function without DMA and MSI, as vfio-pci gives it out; the census writes to `log`.
    pub(crate) fn new(watch: Arc<Watch>, log: &CensusLog) -> EmulatedFunction {
        let config = GpuConfig::by_device_id(0x1616).expect("a part of the table");
        let mut gpu = Gpu::new(config, GuestRam::empty());
        for (register, base) in BARS {
            gpu.config_write(register, 4, base);
        }
        gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
        let device = Arc::new(Device::new(gpu, Box::new(Sink(watch.clone()))));
        let _thread = DeviceThread::start(device.clone()).expect("a thread");
        EmulatedFunction { device, _thread, watch, log: log.clone() }
    }

    fn set_msi(&self, enable: u16) {
        self.device
            .touch(|gpu| gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, enable.into()));
    }
}

fn bar(region: Region) -> Option<Bar> {
    match region {
        Region::Registers => Some(Bar::Bar0),
        Region::Aperture => Some(Bar::Bar2),
        Region::Config => None,
    }
}

impl PciFunction for EmulatedFunction {
    fn size(&self, region: Region) -> u64 {
        match bar(region) {
            Some(bar) => self.device.look(|gpu| gpu.bar_size(bar)),
            None => 256,
        }
    }

    fn map(&self, _region: Region) -> Option<Mapping> {
        None
    }

    fn read(&self, region: Region, offset: u64, bytes: &mut [u8]) {
        let size = bytes.len() as u8;
        if offset + u64::from(size) > self.size(region) {
            return;
        }
        let value = self.device.look(|gpu| match bar(region) {
            Some(bar) => gpu.bar_read(bar, offset, size),
            None => gpu.config_read(offset as u16, size).into(),
        });
        bytes.copy_from_slice(&value.to_le_bytes()[..bytes.len()]);
    }

    fn write(&self, region: Region, offset: u64, bytes: &[u8]) {
        let size = bytes.len() as u8;
        let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let command = self.device.touch(|gpu| {
            match bar(region) {
                Some(bar) => gpu.bar_write(bar, offset, size, value),
                None => gpu.config_write(offset as u16, size, value as u32),
            }
            gpu.config_read(pci::CFG_COMMAND, 2) as u16
        });
        self.watch.bus_master.store(command & pci::COMMAND_BUS_MASTER != 0, Ordering::Relaxed);
    }

    /// # Safety
    ///
    /// As the trait says: the memory stays until `unmap_dma`.
    unsafe fn map_dma(&mut self, iova: u64, memory: *mut u8, size: usize) -> Result<(), Error> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the caller keeps the memory until `unmap_dma`, which takes it out of the device.
        let region = unsafe {
            MmapRegion::build_raw(memory, size, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)
        };
        let region = GuestRegionMmap::new(region.unwrap(), GuestAddress(iova)).unwrap();
        let memory = GuestMemoryMmap::from_regions(vec![region]).unwrap();
        let memory = GuestRam::new(memory).unwrap();
        self.device.touch(|gpu| {
            gpu.set_observer(Some(Box::new(Census::new(memory.clone(), self.log.clone()))));
            gpu.set_memory(memory)
        });
        self.watch.mapped.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn unmap_dma(&mut self, _iova: u64, _size: usize) {
        self.device.touch(|gpu| {
            gpu.set_observer(None);
            gpu.set_memory(GuestRam::empty())
        });
        self.watch.mapped.fetch_sub(1, Ordering::Relaxed);
    }

    fn enable_msi(&mut self, event: &EventFd) -> Result<(), Error> {
        if self.watch.refuse_msi.load(Ordering::Relaxed) {
            return Err(Error::NoMsi);
        }
        *self.watch.event() = Some(event.try_clone().expect("an fd"));
        self.set_msi(pci::MSI_CONTROL_ENABLE);
        Ok(())
    }

    fn disable_msi(&mut self) {
        self.set_msi(0);
        *self.watch.event() = None;
    }

    fn reset(&mut self) {
        self.watch.resets.fetch_add(1, Ordering::Relaxed);
        // The kernel restores configuration space after a reset.
        self.device.touch(|gpu| {
            let saved = BARS.map(|(register, _)| (register, gpu.config_read(register, 4)));
            let command = gpu.config_read(pci::CFG_COMMAND, 2);
            gpu.reset();
            for (register, base) in saved {
                gpu.config_write(register, 4, base);
            }
            gpu.config_write(pci::CFG_COMMAND, 2, command);
        });
    }
}
