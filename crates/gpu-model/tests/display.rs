//! The display as machine and driver see it: straps, levels, and interrupts by device time.

use gen8_spec::registers::{Rule, display, gpio, outputs as regs, planes};
use gen8_spec::{interrupts, mmio, pci};
use gpu_model::display::{Monitor, Output, PlugError, Port};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
use proptest::prelude::*;

/// Frames of pipe A take so long: 1344 pixels in 806 lines at 64 962 kHz, as i915 programs 65 MHz.
const FRAME_NS: u64 = 1344 * 806 * 1_000_000 / 64_962;

/// A GPU with so many monitors, its MSI enabled.
fn gpu(outputs: usize) -> Gpu {
    let output: Output = "hdmi=1024x768".parse().unwrap();
    let mut config = GpuConfig::by_device_id(0x1616).unwrap();
    config.outputs = vec![output; outputs];
    let mut gpu = Gpu::new(config, GuestRam::anonymous(1 << 20).unwrap());
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, pci::MSI_CONTROL_ENABLE.into());
    gpu
}

fn write(gpu: &mut Gpu, register: u32, value: u32) {
    gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
}

fn read(gpu: &mut Gpu, register: u32) -> u32 {
    gpu.bar_read(Bar::Bar0, register.into(), 4) as u32
}

/// Lets pipe A send frames, and its blankings interrupt.
fn start(gpu: &mut Gpu) {
    let bank = interrupts::pipe_bank(0);
    for (register, value) in [
        (regs::WRPLL_CTL1, 0xb020_0e13),
        (regs::PORT_CLK_SEL + 4, regs::PORT_CLK_SEL_WRPLL1 << regs::PORT_CLK_SEL_SHIFT),
        (regs::HTOTAL, 1343 << 16 | 1023),
        (regs::VTOTAL, 805 << 16 | 767),
        (regs::VBLANK, 805 << 16 | 767),
        (regs::TRANS_DDI_FUNC_CTL, regs::TRANS_DDI_FUNC_ENABLE | 1 << regs::TRANS_DDI_PORT_SHIFT),
        (regs::PIPECONF, regs::PIPECONF_ENABLE),
        (bank + interrupts::IER, regs::PIPE_VBLANK),
        (bank + interrupts::IMR, !regs::PIPE_VBLANK),
        (interrupts::MASTER, interrupts::MASTER_ENABLE),
    ] {
        write(gpu, register, value);
    }
}

#[test]
fn a_narrow_write_does_not_read_what_it_leaves_alone() {
    let mut gpu = gpu(1);
    write(&mut gpu, planes::PREC_PAL_INDEX, planes::PREC_PAL_AUTO_INCREMENT | 5);
    gpu.bar_write(Bar::Bar0, planes::PREC_PAL_DATA.into(), 1, 0x7f);
    assert_eq!(read(&mut gpu, planes::PREC_PAL_INDEX), planes::PREC_PAL_AUTO_INCREMENT | 6);
}

#[test]
fn straps_and_live_levels_name_the_ports_that_have_a_monitor() {
    for (outputs, strap, level) in [(0, 0, 0), (1, 4, 1 << 21), (3, 7, 7 << 21)] {
        let mut gpu = gpu(outputs);
        assert_eq!(read(&mut gpu, mmio::SFUSE_STRAP), strap);
        assert_eq!(read(&mut gpu, interrupts::PCH_BANK + interrupts::ISR), level);
        gpu.reset();
        gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
        assert_eq!(read(&mut gpu, interrupts::PCH_BANK + interrupts::ISR), level);
    }
}

/// Registers of the PCH's bank.
const ISR: u32 = interrupts::PCH_BANK + interrupts::ISR;
const IIR: u32 = interrupts::PCH_BANK + interrupts::IIR;

/// A GPU with a monitor at port B and none at C, whose PCH bank interrupts.
fn with_two_ports() -> Gpu {
    let mut gpu = gpu(1);
    let mut config = gpu.config().clone();
    config.outputs.push("hdmi=none".parse().unwrap());
    gpu = Gpu::new(config, GuestRam::anonymous(1 << 20).unwrap());
    gpu.config_write(pci::CFG_COMMAND, 2, (pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER).into());
    gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, pci::MSI_CONTROL_ENABLE.into());
    write(&mut gpu, interrupts::PCH_BANK + interrupts::IER, u32::MAX);
    write(&mut gpu, interrupts::PCH_BANK + interrupts::IMR, 0);
    write(&mut gpu, interrupts::MASTER, interrupts::MASTER_ENABLE);
    gpu
}

/// Whether a monitor answers at the pins of port C.
fn answers_at_c(gpu: &mut Gpu) -> bool {
    let command = regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_INDEX | regs::GMBUS_CYCLE_WAIT;
    write(gpu, regs::GMBUS0, regs::GMBUS_PIN_C);
    write(gpu, regs::GMBUS1, regs::GMBUS_SW_CLR_INT);
    write(gpu, regs::GMBUS1, command | 1 << regs::GMBUS_COUNT_SHIFT | 0xa1);
    read(gpu, regs::GMBUS2) & regs::GMBUS_HW_RDY != 0
}

#[test]
fn a_monitor_that_comes_or_goes_is_a_level_a_long_pulse_and_an_interrupt() {
    let mut gpu = with_two_ports();
    write(&mut gpu, regs::SHOTPLUG_CTL, 0x10_1010);
    let monitor = Monitor::of_size(640, 480).unwrap();
    for round in 0..4 {
        let comes = round % 2 == 0;
        assert_ne!(answers_at_c(&mut gpu), comes);
        match comes {
            true => gpu.plug(Port::C, monitor.clone()).unwrap(),
            false => gpu.unplug(Port::C).unwrap(),
        }
        assert_eq!(answers_at_c(&mut gpu), comes);
        assert!(gpu.take_interrupt().is_some());
        assert_eq!(read(&mut gpu, interrupts::MASTER) & interrupts::MASTER_PCH, 1 << 23);
        assert_eq!(read(&mut gpu, ISR), if comes { 3 << 21 } else { 1 << 21 });
        assert_eq!(read(&mut gpu, IIR), 1 << 22);
        // As i915 does: it writes back what it reads, which clears the pulse.
        assert_eq!(read(&mut gpu, regs::SHOTPLUG_CTL), 0x10_1010 | 2 << 8);
        write(&mut gpu, regs::SHOTPLUG_CTL, 0x10_1010 | 2 << 8);
        assert_eq!(read(&mut gpu, regs::SHOTPLUG_CTL), 0x10_1010);
        write(&mut gpu, IIR, 1 << 22);
        assert_eq!(read(&mut gpu, interrupts::MASTER), interrupts::MASTER_ENABLE);
    }
}

#[test]
fn nobody_is_interrupted_who_looks_out_for_no_pulses() {
    let mut gpu = with_two_ports();
    // Those of B alone.
    write(&mut gpu, regs::SHOTPLUG_CTL, regs::SHOTPLUG_ENABLE);
    gpu.plug(Port::C, Monitor::of_size(640, 480).unwrap()).unwrap();
    assert!(gpu.take_interrupt().is_none());
    assert_eq!(read(&mut gpu, regs::SHOTPLUG_CTL), regs::SHOTPLUG_ENABLE);
    assert_eq!((read(&mut gpu, ISR), read(&mut gpu, IIR)), (3 << 21, 0));
}

#[test]
fn gmbus_and_aux_interrupt_where_software_wants_it() {
    let mut gpu = with_two_ports();
    let mut events = |writes: &[(u32, u32)], reads: &[u32]| {
        for &(register, value) in writes {
            write(&mut gpu, register, value);
        }
        for &register in reads {
            read(&mut gpu, register);
        }
        let iir = read(&mut gpu, IIR);
        write(&mut gpu, IIR, iir);
        (iir, read(&mut gpu, ISR) & !(7 << 21))
    };
    let cycle = regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_WAIT | 4 << regs::GMBUS_COUNT_SHIFT | 0xa1;
    let gmbus = regs::PCH_GMBUS;
    let ready = [(regs::GMBUS0, regs::GMBUS_PIN_B), (regs::GMBUS1, cycle)];
    assert_eq!(events(&ready, &[]), (0, 0), "nothing is enabled");
    assert_eq!(events(&[(regs::GMBUS4, regs::GMBUS_HW_RDY_EN)], &[]), (gmbus, gmbus));
    assert_eq!(events(&[], &[regs::GMBUS2]), (0, gmbus), "once");
    assert_eq!(events(&[], &[regs::GMBUS3]), (0, 0), "the data are taken");
    assert_eq!(events(&[(regs::GMBUS4, regs::GMBUS_HW_WAIT_EN)], &[]), (gmbus, gmbus));
    assert_eq!(events(&[(regs::GMBUS4, 0)], &[]), (0, 0));
    let aux = regs::AUX_CH_CTL + regs::AUX_STRIDE;
    assert_eq!(events(&[(aux, regs::AUX_SEND_BUSY)], &[]), (0, 0));
    let told = regs::AUX_SEND_BUSY | regs::AUX_INTERRUPT;
    assert_eq!(events(&[(aux, told)], &[]), (regs::PCH_AUX_B << 1, 0));
}

#[test]
fn a_narrow_write_beside_a_pulse_leaves_it() {
    let mut gpu = with_two_ports();
    write(&mut gpu, regs::SHOTPLUG_CTL, 0x10_1010);
    gpu.plug(Port::C, Monitor::of_size(640, 480).unwrap()).unwrap();
    gpu.bar_write(Bar::Bar0, regs::SHOTPLUG_CTL.into(), 1, 0);
    assert_eq!(read(&mut gpu, regs::SHOTPLUG_CTL), 0x10_1000 | 2 << 8);
}

#[test]
fn ports_that_there_are_not_and_changes_that_are_none_are_refused() {
    let mut gpu = with_two_ports();
    let monitor = || Monitor::of_size(640, 480).unwrap();
    assert_eq!(gpu.plug(Port::B, monitor()), Err(PlugError::Taken(Port::B)));
    assert_eq!(gpu.unplug(Port::C), Err(PlugError::Empty(Port::C)));
    for port in Port::ALL {
        let mut without = self::gpu(0);
        assert_eq!(without.plug(port, monitor()), Err(PlugError::NoPort(port)));
    }
    assert_eq!(gpu.unplug(Port::D), Err(PlugError::NoPort(Port::D)));
    assert_eq!(read(&mut gpu, ISR), 1 << 21);
}

#[test]
fn monitors_stay_where_they_are_when_the_function_is_reset() {
    let mut gpu = with_two_ports();
    gpu.unplug(Port::B).unwrap();
    gpu.plug(Port::C, Monitor::of_size(640, 480).unwrap()).unwrap();
    gpu.reset();
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    assert_eq!(read(&mut gpu, ISR), 1 << 22);
    assert!(answers_at_c(&mut gpu));
}

#[test]
fn latencies_of_memory_are_told_where_watermarks_are_made_of_them() {
    // As i915 takes it apart: WM0 in tenths of a microsecond, the others in halves.
    let latencies = |gpu: &mut Gpu| {
        let value = gpu.bar_read(Bar::Bar0, regs::MCH_SSKPD.into(), 8);
        [(56, 8), (4, 8), (12, 8), (20, 9), (32, 9)].map(|(low, bits)| value >> low & !(!0 << bits))
    };
    assert_eq!(latencies(&mut gpu(1)), [20, 4, 36, 90, 160]);
    assert_eq!(latencies(&mut gpu(0)), [0; 5]);
}

#[test]
fn a_display_that_is_fused_off_has_no_outputs() {
    let mut config = gpu(1).config().clone();
    config.display_fused_off = true;
    let mut gpu = Gpu::new(config, GuestRam::anonymous(1 << 20).unwrap());
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    assert_eq!(read(&mut gpu, mmio::SFUSE_STRAP), mmio::SFUSE_STRAP_DISPLAY_DISABLED);
    assert_eq!(read(&mut gpu, interrupts::PCH_BANK + interrupts::ISR), 0);
}

#[test]
fn blankings_interrupt_by_device_time_as_long_as_somebody_listens() {
    let mut gpu = gpu(1);
    start(&mut gpu);
    let first = gpu.next_event_ns().expect("a blanking is waited for");
    assert!(first < FRAME_NS);
    gpu.advance_to(first - 1);
    assert!(!gpu.has_interrupt());
    for frame in 0..3 {
        assert_eq!(gpu.next_event_ns(), Some(first + frame * FRAME_NS));
        gpu.advance_to(first + frame * FRAME_NS);
        assert!(gpu.take_interrupt().is_some(), "frame {frame}");
        write(&mut gpu, interrupts::MASTER, 0);
        write(&mut gpu, interrupts::pipe_bank(0) + interrupts::IIR, regs::PIPE_VBLANK);
        write(&mut gpu, interrupts::MASTER, interrupts::MASTER_ENABLE);
        assert!(!gpu.has_interrupt());
    }
    write(&mut gpu, interrupts::pipe_bank(0) + interrupts::IMR, u32::MAX);
    assert_eq!(gpu.next_event_ns(), None);
    gpu.advance_to(first + 9 * FRAME_NS);
    assert!(!gpu.has_interrupt());
}

#[test]
fn a_reset_ends_the_frames() {
    let mut gpu = gpu(1);
    start(&mut gpu);
    gpu.reset();
    assert_eq!(gpu.next_event_ns(), None);
    gpu.advance_to(10 * FRAME_NS);
    assert!(!gpu.has_interrupt());
}

#[test]
fn a_snapshot_goes_on_with_the_same_frames() {
    let mut gpu = gpu(1);
    start(&mut gpu);
    let next = gpu.next_event_ns();
    let state = gpu.state();
    gpu.advance_to(10 * FRAME_NS);
    gpu.restore(state);
    assert_eq!(gpu.next_event_ns(), next);
}

/// A register of the display.
fn register() -> impl Strategy<Value = u32> {
    let rules: Vec<&Rule> = [regs::RULES, display::RULES].into_iter().flatten().collect();
    let timing = [regs::PIPECONF, regs::VTOTAL, regs::VBLANK, regs::WRPLL_CTL1];
    let wires = [regs::GMBUS0, regs::GMBUS1, regs::GMBUS3, regs::GMBUS4, regs::GMBUS5];
    let pins = gpio::PORT_PINS.map(|pin| gpio::GPIO_CTL + 4 * pin);
    let important = [&timing[..], &wires, &pins, &[regs::SHOTPLUG_CTL, regs::AUX_CH_CTL]].concat();
    prop_oneof![
        prop::sample::select(important),
        (prop::sample::select(rules), any::<prop::sample::Index>())
            .prop_map(|(rule, at)| rule.offset + rule.stride * at.index(rule.count as usize) as u32),
    ]
}

proptest! {
    #[test]
    fn no_values_of_any_display_registers_panic(
        actions in prop::collection::vec((register(), any::<u32>(), any::<u64>()), 1..200),
    ) {
        let mut gpu = gpu(3);
        start(&mut gpu);
        for (register, value, time) in actions {
            write(&mut gpu, register, value);
            read(&mut gpu, register);
            gpu.advance_to(gpu.now_ns().saturating_add(time >> (value % 64)));
            gpu.next_event_ns();
            read(&mut gpu, regs::PIPEDSL);
        }
    }
}
