//! The device at a moment as i915 writes error states (`i915_gpu_error.c`, Linux 6.1), for the decoders that
//! read those: `intel_error_decode`, Mesa's `aubinator_error_decode`.
//!
//! What hardware has is there; what only a driver knows (whose request runs, whether it hangs) is not.

mod ascii85;
mod buffers;

use std::fmt::Write as _;

use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::pci;
use gpu_model::{Engine, Gpu};

use self::buffers::{Buffer, Buffers};

/// Registers of the whole device, by the names that i915 gives them.
const GLOBAL: [(&str, u32); 3] = [
    ("FORCEWAKE", mmio::FORCEWAKE_MT),
    ("FAULT_REG", mmio::RING_FAULT_REG),
    ("GTT_CACHE_EN", mmio::HSW_GTT_CACHE_EN),
];

/// The same of an engine: its block's registers, in i915's order, widths and names; the second one is the
/// upper half.
const OF_ENGINE: [(&str, u32, Option<u32>); 20] = [
    ("CCID:  ", ring::CCID, None),
    ("START: ", ring::START, None),
    ("HEAD:  ", ring::HEAD, None),
    ("TAIL:  ", ring::TAIL, None),
    ("CTL:   ", ring::CTL, None),
    ("MODE:  ", ring::MI_MODE, None),
    ("HWS:   ", ring::HWS_PGA, None),
    ("ACTHD: ", ring::ACTHD, Some(ring::ACTHD_UDW)),
    ("IPEIR: ", ring::IPEIR, None),
    ("IPEHR: ", ring::IPEHR, None),
    ("EIR:   ", ring::EIR, None),
    ("ESR:   ", ring::ESR, None),
    ("INSTDONE: ", ring::INSTDONE, None),
    ("BBADDR: ", ring::BBADDR, Some(ring::BBADDR_UDW)),
    ("BB_STATE: ", ring::BBSTATE, None),
    ("INSTPS: ", ring::INSTPS, None),
    ("INSTPM: ", ring::INSTPM, None),
    ("FADDR: ", ring::DMA_FADD, Some(ring::DMA_FADD_UDW)),
    ("RC PSMI: ", ring::PSMI_CTL, None),
    ("GFX_MODE: ", ring::GFX_MODE, None),
];

/// The device as an error state. It takes the device to copy it, which changes nothing.
pub fn error_state(gpu: &mut Gpu) -> String {
    // To read registers can have effects, which the copy takes.
    let mut registers = gpu.copy_without_ggtt();
    let buffers = Buffers { ggtt: gpu.ggtt(), memory: gpu.memory() };
    let mut text = Text(head(gpu));
    for (name, offset) in GLOBAL {
        text.line(&format!("{name}: 0x{:08x}", register(&mut registers, offset)));
    }
    let [low, high] = [mmio::FAULT_TLB_DATA0, mmio::FAULT_TLB_DATA1];
    let data = [high, low].map(|offset| register(&mut registers, offset));
    text.line(&format!("FAULT_TLB_DATA: 0x{:08x} 0x{:08x}", data[0], data[1]));
    for n in 0..mmio::FENCE_COUNT {
        let fence = wide(&mut registers, mmio::FENCE_LO + 8 * n);
        text.line(&format!("  fence[{n}] = {fence:08x}"));
    }
    for engine in gpu.engines() {
        let batch = buffers.batch(&mut registers, engine);
        text.engine(&mut registers, engine, batch.as_ref());
        let others = buffers.others(&mut registers, engine);
        for buffer in batch.iter().chain(&others) {
            text.buffer(engine.id(), buffer);
        }
    }
    text.0
}

/// What i915 says of the machine and the moment.
fn head(gpu: &Gpu) -> String {
    let (seconds, micros) = (gpu.now_ns() / 1_000_000_000, gpu.now_ns() / 1_000 % 1_000_000);
    let sku = &gpu.config().sku;
    format!(
        "gen8emu: the device at {} ns of its time\nKernel: gen8emu {} x86_64\n\
         Uptime: {seconds} s {micros} us\nPlatform: BROADWELL\nPCI ID: 0x{:04x}\n\
         PCI Revision: 0x{:02x}\nIOMMU enabled?: 0\n",
        gpu.now_ns(),
        env!("CARGO_PKG_VERSION"),
        sku.device_id,
        pci::REVISION,
    )
}

/// A register; what is none reads 0.
fn register(registers: &mut Gpu, offset: u32) -> u32 {
    registers.register(offset).unwrap_or(0)
}

/// A register of 64 bits.
fn wide(registers: &mut Gpu, offset: u32) -> u64 {
    let low = register(registers, offset);
    u64::from(register(registers, offset + 4)) << 32 | u64::from(low)
}

/// An error state under construction.
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn engine(&mut self, registers: &mut Gpu, engine: &Engine, batch: Option<&Buffer>) {
        let base = engine.id().mmio_base();
        self.line(&format!("{} command stream:", engine.id().name()));
        for (name, low, high) in OF_ENGINE {
            let value = register(registers, base + low);
            let upper = high.map(|high| register(registers, base + high));
            match upper {
                // Written as one number, as i915 does; the others have a space.
                Some(upper) if low == ring::BBADDR => {
                    self.line(&format!("  {name}0x{upper:08x}_{value:08x}"));
                }
                Some(upper) => self.line(&format!("  {name}0x{upper:08x} {value:08x}")),
                None => self.line(&format!("  {name}0x{value:08x}")),
            }
        }
        if let Some(batch) = batch {
            let [begin, end] = [batch.address, batch.address + batch.bytes.len() as u64];
            let halves = |address: u64| format!("0x{:08x}_{:08x}", address >> 32, address as u32);
            self.line(&format!("  batch: [{}, {}]", halves(begin), halves(end)));
        }
        for n in 0..4 {
            let pdp = wide(registers, base + ring::PDP0_LDW + 8 * n);
            self.line(&format!("  PDP{n}: 0x{pdp:016x}"));
        }
        if let Some((elements, running)) = engine.running() {
            for (n, element) in elements.iter().enumerate() {
                let runs = if n == running { ", runs" } else { "" };
                self.line(&format!("  ELSP[{n}]: descriptor 0x{:016x}{runs}", element.0));
            }
        }
    }

    /// Memory, as dwords in base 85 ("~": not compressed).
    fn buffer(&mut self, engine: EngineId, buffer: &Buffer) {
        let (name, address) = (buffer.name, buffer.address);
        let high = address >> 32;
        // Writing to a String cannot fail.
        writeln!(self.0, "{} --- {name} = 0x{high:08x} {:08x}", engine.name(), address as u32).ok();
        self.0.push('~');
        ascii85::encode(&buffer.bytes, &mut self.0);
        self.0.push('\n');
    }
}
