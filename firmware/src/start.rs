//! The program after boot.

use alloc::string::String;

use board::{BOOT_INFO_SIZE, BootInfo};
use driver::DmaPages;

use crate::arch::tsc::Clock;
use crate::heap::HEAP_END;
use crate::memory::DmaMemory;
use crate::platform::BareMetal;
use crate::{arch, cases, console, pci};

/// Qwords at the start of a freed page that are poisoned: stores are slow where KVM emulates them.
const POISONED_QWORDS: usize = 64;

/// What is kept of the boot info, which the stack may overwrite later.
struct Boot {
    ram_size: u64,
    tsc_khz: u64,
    log_level: u64,
    command_line: String,
}

/// Entry from `arch::boot`: long mode, interrupts off.
pub(crate) extern "C" fn main() -> ! {
    let Some(boot) = read_boot_info() else { give_up("no boot info of this version") };
    console::init_log(boot.log_level);
    arch::init();
    log::info!("{} MiB RAM, TSC {} kHz", boot.ram_size >> 20, boot.tsc_khz);

    let gpu = match pci::find_gpu() {
        Ok(gpu) => gpu,
        Err(error) => give_up(&alloc::format!("{error}")),
    };
    log::info!("GPU: BAR0 at {:#x}, BAR2 at {:#x}", gpu.registers.base, gpu.aperture.base);
    let dma_end = boot.ram_size.min(arch::MAPPED_RAM);
    if dma_end <= HEAP_END {
        give_up("too little RAM for DMA pages");
    }
    // SAFETY: RAM above the heap's end holds nothing of the program; it is mapped.
    let memory = unsafe { DmaMemory::new(HEAP_END..dma_end) };
    // RAM above the image is zero, as `board` promises.
    let pages = DmaPages::new(memory, HEAP_END..dma_end).with_poison(POISONED_QWORDS);
    let mut machine = BareMetal::new(gpu, pages, Clock::start(boot.tsc_khz));
    cases::run_all(&mut machine, &boot.command_line);
    arch::exit(board::EXIT_OK)
}

fn read_boot_info() -> Option<Boot> {
    // SAFETY: the page is RAM that the VMM filled before it started the CPU, and nobody writes it
    // while it is copied: the stack starts far above.
    let page = unsafe { (board::BOOT_INFO as *const [u8; BOOT_INFO_SIZE]).read() };
    let info = BootInfo::decode(&page)?;
    Some(Boot {
        ram_size: info.ram_size,
        tsc_khz: info.tsc_khz,
        log_level: info.log_level,
        command_line: info.command_line.into(),
    })
}

fn give_up(reason: &str) -> ! {
    console::emergency(format_args!("{reason}"));
    arch::exit(board::EXIT_BAD_MACHINE)
}
