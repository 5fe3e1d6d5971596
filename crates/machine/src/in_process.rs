//! The in-process machine: driver and device in one thread, with virtual time.
//!
//! Nothing happens behind the driver's back: the device runs only inside
//! [`Platform::relax`], for a bounded number of commands, and time moves
//! only there. The same calls give the same result in every run.

use driver::{DmaPages, Platform};
use gen8_spec::pci::{
    CFG_BAR0, CFG_BAR2, CFG_BAR4, CFG_COMMAND, CFG_MSI, COMMAND_BUS_MASTER, COMMAND_MEMORY,
    MSI_ADDRESS, MSI_CONTROL, MSI_CONTROL_ENABLE, MSI_DATA,
};
use gpu_model::bus::EngineActivity;
use gpu_model::memory::MemoryError;
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam, InterruptMessage, Journal, Observer};

use crate::cpu_ram::{CpuRam, CpuWrite};

/// RAM of the machine unless told otherwise.
pub const RAM_SIZE: u64 = 256 << 20;
/// DMA pages start here; what is below stays free, so that a null pointer meets nobody's page.
const DMA_BASE: u64 = 1 << 20;
/// Commands that the device may run in one [`Platform::relax`].
const COMMANDS_PER_RELAX: u32 = 256;
/// Time that a busy device takes for them.
const BUSY_NS: u64 = 20_000;
/// How far time jumps when nothing can move but time itself.
const IDLE_NS: u64 = 100_000;
/// Turns without a register write after which time runs twice as fast, again and again: a driver
/// that only waits for a limit of seconds gets there without a billion commands of an endless batch.
const TURNS_TO_DOUBLE: u32 = 256;
/// How often it doubles.
const DOUBLINGS: u32 = 8;
/// Where the function's BARs are put.
const BARS: [(u16, u32); 5] = [
    (CFG_BAR0, 0xe000_0000),
    (CFG_BAR0 + 4, 0),
    (CFG_BAR2, 0xc000_0000),
    (CFG_BAR2 + 4, 0),
    (CFG_BAR4, 0x2000),
];
/// Address and data of the MSI: the first CPU's local APIC, any vector.
const MSI_TARGET: (u32, u32) = (0xfee0_0000, 0x40);

/// A computer with the GPU in it and nothing else.
pub struct InProcess {
    gpu: Gpu,
    pages: DmaPages<CpuRam>,
    now_ns: u64,
    /// Turns of the device since the driver last wrote to it.
    turns: u32,
    /// Level of the interrupt pin, for a driver without MSI.
    intx: bool,
}

impl InProcess {
    /// A machine with `ram` bytes of memory, its firmware's work done: BARs assigned, MSI set up.
    ///
    /// # Errors
    /// The host has no memory for it.
    pub fn new(
        config: GpuConfig,
        ram: u64,
        observer: impl FnOnce(&GuestRam) -> Option<Box<dyn Observer>>,
    ) -> Result<Self, MemoryError> {
        Self::with_journal(config, ram, None, observer)
    }

    /// As [`InProcess::new`], with a journal of all that goes into the device from power-on.
    ///
    /// # Errors
    /// The host has no memory for it.
    pub fn with_journal(
        config: GpuConfig,
        ram: u64,
        journal: Option<Box<dyn Journal>>,
        observer: impl FnOnce(&GuestRam) -> Option<Box<dyn Observer>>,
    ) -> Result<Self, MemoryError> {
        let memory = GuestRam::anonymous(ram)?;
        let mut gpu = Gpu::new(config, memory.clone());
        gpu.set_journal(journal);
        // What observers read gets into the journal, so that those of a replay can read it.
        let observer = observer(gpu.observed_memory());
        gpu.set_observer(observer);
        assign_resources(&mut gpu);
        let pages = DmaPages::new(CpuRam::new(memory), DMA_BASE..ram);
        Ok(InProcess { gpu, pages, now_ns: 0, turns: 0, intx: false })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The device, for what no driver does: mutations of a test, snapshots.
    pub fn gpu_mut(&mut self) -> &mut Gpu {
        &mut self.gpu
    }

    /// Tells every write of the CPU to memory from here on; `false` if somebody is told already.
    pub fn tell_cpu_writes(&self, told: impl Fn(CpuWrite) + Send + Sync + 'static) -> bool {
        self.pages.memory().listen(Box::new(told))
    }

    /// DMA pages that are allocated now.
    pub fn pages_in_use(&self) -> usize {
        self.pages.used()
    }

    /// Frees of pages that were not allocated: each is a bug of the driver.
    pub fn wrong_frees(&self) -> usize {
        self.pages.wrong_frees()
    }
}

/// What firmware does with a PCI function.
fn assign_resources(gpu: &mut Gpu) {
    for (register, value) in BARS {
        gpu.config_write(register, 4, value);
    }
    gpu.config_write(CFG_MSI + MSI_ADDRESS, 4, MSI_TARGET.0);
    gpu.config_write(CFG_MSI + MSI_DATA, 4, MSI_TARGET.1);
    gpu.config_write(CFG_MSI + MSI_CONTROL, 2, MSI_CONTROL_ENABLE.into());
    gpu.config_write(CFG_COMMAND, 2, (COMMAND_MEMORY | COMMAND_BUS_MASTER).into());
}

impl Platform for InProcess {
    type Memory = CpuRam;

    fn memory(&self) -> &CpuRam {
        self.pages.memory()
    }

    fn alloc_page(&mut self) -> Option<u64> {
        self.pages.alloc()
    }

    fn free_page(&mut self, page: u64) {
        self.pages.free(page);
    }

    fn config_read32(&mut self, offset: u16) -> u32 {
        self.gpu.config_read(offset, 4)
    }

    fn config_write32(&mut self, offset: u16, value: u32) {
        self.gpu.config_write(offset, 4, value);
    }

    fn mmio_read32(&mut self, offset: u32) -> u32 {
        self.gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
    }

    fn mmio_write32(&mut self, offset: u32, value: u32) {
        self.turns = 0;
        self.gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
    }

    fn mmio_write64(&mut self, offset: u32, value: u64) {
        self.gpu.bar_write(Bar::Bar0, offset.into(), 8, value);
    }

    fn aperture_read32(&mut self, offset: u64) -> u32 {
        self.gpu.bar_read(Bar::Bar2, offset, 4) as u32
    }

    fn aperture_write32(&mut self, offset: u64, value: u32) {
        self.gpu.bar_write(Bar::Bar2, offset, 4, value.into());
    }

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn relax(&mut self) {
        let report = self.gpu.step(COMMANDS_PER_RELAX);
        let turn = match report.state {
            EngineActivity::Busy => BUSY_NS,
            EngineActivity::Idle | EngineActivity::Waiting => IDLE_NS,
        };
        self.now_ns += turn << (self.turns / TURNS_TO_DOUBLE).min(DOUBLINGS);
        self.turns = self.turns.saturating_add(1);
        self.gpu.advance_to(self.now_ns);
        self.pages.memory().set_time(self.now_ns);
    }

    fn take_interrupt(&mut self) -> bool {
        let mut delivered = false;
        while let Some(message) = self.gpu.take_interrupt() {
            match message {
                InterruptMessage::Msi { .. } => delivered = true,
                InterruptMessage::IntxAssert => self.intx = true,
                InterruptMessage::IntxDeassert => self.intx = false,
            }
        }
        delivered || self.intx
    }
}

#[cfg(test)]
mod tests {
    use gen8_spec::PAGE_SIZE;
    use ppgtt::PhysicalMemory;

    use super::*;

    /// What a freed page holds.
    const POISON: u64 = 0xdead_beee_dead_beee;

    fn machine() -> InProcess {
        let config = GpuConfig::by_device_id(0x1616).unwrap();
        InProcess::new(config, 8 << 20, |_| None).unwrap()
    }

    #[test]
    fn pages_come_zeroed_and_are_poisoned_when_freed() {
        let mut machine = machine();
        let page = machine.alloc_page().unwrap();
        assert_eq!(machine.memory().read_u64(page + 4088), Some(0));
        machine.free_page(page);
        assert_eq!(machine.memory().read_u64(page), Some(POISON));
        assert_eq!(machine.memory().read_u64(page + 4088), Some(POISON));
        assert_eq!(machine.pages_in_use(), 0);
    }

    #[test]
    fn every_write_of_the_cpu_is_told_with_its_time_to_one_listener() {
        let mut machine = machine();
        let page = machine.alloc_page().unwrap();
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let list = std::sync::Arc::clone(&told);
        assert!(machine.tell_cpu_writes(move |write| list.lock().unwrap().push(write)));
        assert!(!machine.tell_cpu_writes(|_| {}));
        machine.relax();
        let now_ns = machine.now_ns();
        let memory = machine.memory();
        assert!(memory.write_u64(page, 1) && memory.write_u32(page + 8, 2));
        assert!(memory.write_u64s(page + 16, &[3, 4]) && memory.fill_u64(page + 32, 5, 2));
        assert!(!memory.write_u64(1 << 40, 6));
        let write = |at, len, value| CpuWrite { now_ns, address: page + at, len, value };
        let expected = [
            write(0, 8, 1),
            write(8, 4, 2),
            write(16, 8, 3),
            write(24, 8, 4),
            write(32, 8, 5),
            write(40, 8, 5),
        ];
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[test]
    fn a_freed_page_is_reused_last_and_comes_zeroed() {
        let mut machine = machine();
        let first = machine.alloc_page().unwrap();
        machine.free_page(first);
        let mut last = None;
        while let Some(page) = machine.alloc_page() {
            last = Some(page);
        }
        assert_eq!(last, Some(first));
        assert_eq!(machine.memory().read_u64(first), Some(0));
        assert_eq!(machine.pages_in_use(), (7 << 20) / 4096);
    }

    #[test]
    fn wrong_frees_are_counted_and_change_nothing() {
        let mut machine = machine();
        let page = machine.alloc_page().unwrap();
        for wrong in [0, page + 8, page + PAGE_SIZE, 1 << 40] {
            machine.free_page(wrong);
        }
        machine.free_page(page);
        machine.free_page(page);
        assert_eq!((machine.wrong_frees(), machine.pages_in_use()), (5, 0));
    }

    #[test]
    fn time_moves_with_every_relax() {
        let mut machine = machine();
        let before = machine.now_ns();
        machine.relax();
        assert_eq!(machine.now_ns() - before, IDLE_NS);
        assert_eq!(machine.gpu().now_ns(), machine.now_ns());
    }

    #[test]
    fn waiting_for_long_gets_faster_until_the_driver_writes() {
        let mut machine = machine();
        let turn = |machine: &mut InProcess| {
            let before = machine.now_ns();
            machine.relax();
            machine.now_ns() - before
        };
        assert_eq!(turn(&mut machine), IDLE_NS);
        (0..10_000).for_each(|_| machine.relax());
        assert_eq!(turn(&mut machine), IDLE_NS << DOUBLINGS);
        machine.mmio_write32(gen8_spec::mmio::TILECTL, 0);
        assert_eq!(turn(&mut machine), IDLE_NS);
    }
}
