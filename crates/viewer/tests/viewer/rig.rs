//! A GPU with a picture on pipe A, and a server that shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gen8_spec::registers::{outputs as regs, planes};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE, pci, pte};
use gpu_model::display::Picture;
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam, InterruptMessage};
use gpu_thread::{Device, InterruptSink};
use viewer::Settings;

/// The surface's first GGTT page; its memory is from 0 on.
const SURFACE: u64 = 0x100;
/// Room for the largest picture.
const MEMORY: u64 = 16 << 20;
/// Bytes of a pixel in memory.
const PIXEL: u32 = 4;

struct NoInterrupts;

impl InterruptSink for NoInterrupts {
    fn deliver(&self, _: InterruptMessage) {}
}

pub(crate) struct Rig {
    pub(crate) device: Arc<Device>,
    pub(crate) address: SocketAddr,
    memory: GuestRam,
}

impl Rig {
    /// A screen of this size.
    pub(crate) fn new(size: (u32, u32)) -> Rig {
        Rig::patient(size, Duration::from_secs(10))
    }

    /// The same, with viewers that may take so long.
    pub(crate) fn patient(size: (u32, u32), patience: Duration) -> Rig {
        let mut config = GpuConfig::by_device_id(0x1616).unwrap();
        config.outputs = vec!["hdmi=1024x768".parse().unwrap()];
        let memory = GuestRam::anonymous(MEMORY).unwrap();
        let gpu = Gpu::new(config, memory.clone());
        let device = Arc::new(Device::new(gpu, Box::new(NoInterrupts)));
        let address = "0".parse().unwrap();
        let settings = Settings { patience, ..Settings::new(address) };
        let address = viewer::listen(Arc::clone(&device), &settings).unwrap();
        device.touch(|gpu| gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into()));
        let rig = Rig { device, address, memory };
        rig.map_surface();
        rig.set_size(size);
        rig.switch(true);
        rig
    }

    fn map_surface(&self) {
        for page in 0..MEMORY >> PAGE_SHIFT {
            let entry = pci::BAR0_GGTT_OFFSET + 8 * (SURFACE + page);
            let pte = pte::encode_ggtt_pte(page * PAGE_SIZE);
            self.device.touch(|gpu| gpu.bar_write(Bar::Bar0, entry, 8, pte));
        }
        let format = planes::FORMAT_BGRX888 << planes::PLANE_FORMAT_SHIFT;
        self.write(planes::DSPCNTR, planes::PLANE_ENABLE | format);
    }

    fn write(&self, register: u32, value: u32) {
        self.device.touch(|gpu| gpu.bar_write(Bar::Bar0, register.into(), 4, value.into()));
    }

    /// The picture gets this size; a multiple of 16 wide.
    pub(crate) fn set_size(&self, (width, height): (u32, u32)) {
        self.write(regs::PIPESRC, (width - 1) << regs::PIPESRC_WIDTH_SHIFT | (height - 1));
        self.write(planes::DSPSTRIDE, width * PIXEL);
        // What was written of the plane takes effect with its address.
        self.write(planes::DSPSURF, (SURFACE << PAGE_SHIFT) as u32);
    }

    /// The pipe goes on or off.
    pub(crate) fn switch(&self, on: bool) {
        self.write(regs::PIPECONF, if on { regs::PIPECONF_ENABLE } else { 0 });
    }

    /// Colours pixels, each 0x00RRGGBB; `at` counts along the rows.
    pub(crate) fn draw(&self, at: usize, pixels: &[u32]) {
        let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        assert!(self.memory.write_bytes((at * PIXEL as usize) as u64, &bytes));
    }

    /// What a screenshot would show now.
    pub(crate) fn screenshot(&self) -> Picture {
        self.device.look(|gpu| gpu.screen(0)).expect("the pipe is on").picture()
    }
}
