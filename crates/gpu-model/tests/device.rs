//! The device as a machine sees it: configuration space, BARs, interrupt messages, resets.

use gen8_spec::debug_page::{self, Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::registers::power;
use gen8_spec::{masked_disable, masked_enable, pci, pte, sku};
use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, Observer, Origin};
use ppgtt::PhysicalMemory;
use std::sync::{Arc, Mutex};

const GT1: u16 = 0x1606;
const GT2: u16 = 0x1616;
const GT3: u16 = 0x1626;
const RAM: u64 = 16 << 20;

/// Keeps every event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Observer for Log {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        self.0.lock().expect("one thread").push(event.clone());
    }
}

impl Log {
    fn take(&self) -> Vec<Event> {
        core::mem::take(&mut *self.0.lock().expect("one thread"))
    }
}

fn powered_on(device_id: u16) -> (Gpu, Log) {
    let config = GpuConfig::by_device_id(device_id).expect("a Broadwell");
    let mut gpu = Gpu::new(config, GuestRam::anonymous(RAM).expect("memory"));
    let log = Log::default();
    gpu.set_observer(Some(Box::new(log.clone())));
    (gpu, log)
}

/// With decoding, bus mastering and forcewake on, as a driver has it.
fn running(device_id: u16) -> (Gpu, Log) {
    let (mut gpu, log) = powered_on(device_id);
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    write(&mut gpu, mmio::FORCEWAKE_MT, masked_enable(1));
    log.take();
    (gpu, log)
}

fn read(gpu: &mut Gpu, offset: u32) -> u32 {
    gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
}

fn write(gpu: &mut Gpu, offset: u32, value: u32) {
    gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
}

#[test]
fn config_space_identifies_the_part_and_lists_msi_then_pm() {
    let (mut gpu, _) = powered_on(GT2);
    assert_eq!(gpu.config_read(pci::CFG_ID, 4), 0x1616_8086);
    assert_eq!(gpu.config_read(pci::CFG_CLASS, 4), 0x0300_0009);
    assert_eq!(gpu.config_read(pci::CFG_COMMAND, 4), 0x0010_0000);
    assert_eq!(gpu.config_read(pci::CFG_GMCH_CTRL, 2), 0xc0);
    let first = gpu.config_read(pci::CFG_CAP_POINTER, 1) as u16;
    assert_eq!(gpu.config_read(first, 1), u32::from(pci::CAP_MSI));
    let second = gpu.config_read(first + 1, 1) as u16;
    assert_eq!(gpu.config_read(second, 1), u32::from(pci::CAP_PM));
    assert_eq!(gpu.config_read(second + 1, 1), 0);
    gpu.config_write(pci::CFG_ID, 4, 0);
    assert_eq!(gpu.config_read(pci::CFG_ID, 2), 0x8086);
    assert_eq!(gpu.config_read(0xfff0, 4), 0);
}

#[test]
fn stolen_memory_is_where_the_machine_put_it_through_resets_and_writes() {
    let (mut gpu, _) = powered_on(GT2);
    assert_eq!(gpu.config_read(pci::CFG_BDSM, 4), 0);
    gpu.place_stolen_memory(0x4000_0000);
    gpu.config_write(pci::CFG_BDSM, 4, 0x1000_0000);
    assert_eq!(gpu.config_read(pci::CFG_BDSM, 4), 0x4000_0000);
    gpu.reset();
    assert_eq!(gpu.config_read(pci::CFG_BDSM, 4), 0x4000_0000);
}

#[test]
fn bars_size_by_the_all_ones_protocol_and_keep_their_type() {
    let (mut gpu, _) = powered_on(GT2);
    let mut size = |offset| {
        gpu.config_write(offset, 4, u32::MAX);
        gpu.config_read(offset, 4)
    };
    assert_eq!(size(pci::CFG_BAR0), 0xff00_0004);
    assert_eq!(size(pci::CFG_BAR0 + 4), u32::MAX);
    assert_eq!(size(pci::CFG_BAR2), 0xf000_000c);
    assert_eq!(size(pci::CFG_BAR2 + 4), u32::MAX);
    assert_eq!(size(pci::CFG_BAR4), 0xffff_ffc1);
    assert_eq!(size(0x24), 0);
}

#[test]
fn a_function_reset_is_told_to_the_observer() {
    let (mut gpu, log) = powered_on(GT2);
    gpu.reset();
    assert_eq!(log.take()[..], [Event::FunctionReset]);
}

#[test]
fn four_gib_aperture_sizes_in_the_upper_half() {
    let mut config = GpuConfig::by_device_id(GT2).expect("a Broadwell");
    config.aperture_size = 4 << 30;
    let mut gpu = Gpu::new(config, GuestRam::anonymous(RAM).expect("memory"));
    gpu.config_write(pci::CFG_BAR2, 4, u32::MAX);
    assert_eq!(gpu.config_read(pci::CFG_BAR2, 4), 0xc);
    gpu.config_write(pci::CFG_BAR2 + 4, 4, 0x12);
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    assert_eq!(gpu.bar_base(Bar::Bar2), Some(0x12_0000_0000));
}

#[test]
fn bars_answer_only_in_d0_with_decoding_on() {
    let (mut gpu, log) = powered_on(GT2);
    assert_eq!(gpu.bar_base(Bar::Bar0), None);
    assert_eq!(gpu.bar_read(Bar::Bar0, mmio::FUSE2.into(), 2), 0xffff);
    assert!(matches!(log.take()[..], [Event::GuestError { .. }]));
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    assert_eq!(read(&mut gpu, mmio::FUSE2), 1 << 25);
    gpu.config_write(pci::CFG_PM + pci::PM_CONTROL, 2, 3);
    assert_eq!(read(&mut gpu, mmio::FUSE2), u32::MAX);
    gpu.config_write(pci::CFG_PM + pci::PM_CONTROL, 2, 0);
    assert_eq!(read(&mut gpu, mmio::FUSE2), 1 << 25);
}

#[test]
fn fuses_and_second_video_engine_follow_the_part() {
    for (id, fuse2, eu_disable, has_vcs1) in [
        (GT1, 1 << 25 | 1 << 23, 0x00ff_c0c0, false),
        (GT2, 1 << 25, 0, false),
        (GT3, 3 << 25, 0, true),
        (0x1636, 3 << 25, 0, false),
    ] {
        let (mut gpu, log) = running(id);
        assert_eq!(read(&mut gpu, mmio::FUSE2), fuse2);
        assert_eq!(read(&mut gpu, mmio::EU_DISABLE0), eu_disable);
        write(&mut gpu, mmio::FUSE2, 0);
        assert_eq!(read(&mut gpu, mmio::FUSE2), fuse2, "fuses are read-only");
        assert!(log.take().is_empty());
        let tlb = EngineId::Vcs1.tlb_invalidate_register();
        write(&mut gpu, tlb, mmio::TLB_INVALIDATE_REQUEST);
        assert_eq!(log.take().is_empty(), has_vcs1, "{id:#x}");
    }
    assert_eq!(sku::SKUS.len(), 24);
}

#[test]
fn unknown_register_reads_zero_and_is_told() {
    let (mut gpu, log) = running(GT2);
    write(&mut gpu, 0x1_f000, 7);
    assert_eq!(read(&mut gpu, 0x1_f000), 0);
    let origin = Origin::Cpu;
    assert_eq!(
        log.take(),
        [
            Event::UnknownRegister { offset: 0x1_f000, written: Some(7), origin },
            Event::UnknownRegister { offset: 0x1_f000, written: None, origin },
        ]
    );
}

#[test]
fn gt_register_without_forcewake_is_served_and_told() {
    let (mut gpu, log) = running(GT2);
    write(&mut gpu, mmio::FORCEWAKE_MT, masked_disable(1));
    assert_eq!(read(&mut gpu, mmio::FORCEWAKE_ACK_HSW), 0);
    assert!(log.take().is_empty());
    assert_eq!(read(&mut gpu, mmio::FUSE2), 1 << 25);
    assert!(matches!(log.take()[..], [Event::GuestError { .. }]));
}

#[test]
fn writing_to_an_engine_that_has_nothing_to_do_does_not_keep_the_gpu_from_rc6() {
    let (mut gpu, _) = running(GT2);
    write(&mut gpu, power::RC_CONTROL, power::RC_CONTROL_RC6_ENABLE | power::RC_CONTROL_HW_ENABLE);
    write(&mut gpu, EngineId::Rcs.mmio_base() + ring::IMR, u32::MAX);
    write(&mut gpu, mmio::FORCEWAKE_MT, masked_disable(1));
    let before = read(&mut gpu, mmio::RC6_RESIDENCY);
    gpu.advance_to(gpu.now_ns() + 1000 * power::PM_TICK_NS);
    assert_eq!(read(&mut gpu, mmio::RC6_RESIDENCY), before + 1000);
}

#[test]
fn narrow_accesses_merge_and_leave_event_bits_of_other_bytes() {
    let (mut gpu, _) = running(GT2);
    write(&mut gpu, mmio::PRIVATE_PAT_LO, 0x4433_2211);
    let at = u64::from(mmio::PRIVATE_PAT_LO);
    assert_eq!(gpu.bar_read(Bar::Bar0, at + 1, 1), 0x22);
    assert_eq!(gpu.bar_read(Bar::Bar0, at + 2, 2), 0x4433);
    gpu.bar_write(Bar::Bar0, at + 3, 1, 0xff);
    assert_eq!(read(&mut gpu, mmio::PRIVATE_PAT_LO), 0xff33_2211);
    gpu.bar_write(Bar::Bar0, at, 8, 0x8877_6655_0000_0001);
    assert_eq!(read(&mut gpu, mmio::PRIVATE_PAT_HI), 0x8877_6655);
}

#[test]
fn pte_window_takes_qwords_and_halves_and_ends_with_the_ggtt() {
    let (mut gpu, _) = running(GT2);
    let pte5 = pci::BAR0_GGTT_OFFSET + 5 * 8;
    gpu.bar_write(Bar::Bar0, pte5, 8, 0x1234_5678_9abc_d001);
    assert_eq!(gpu.bar_read(Bar::Bar0, pte5, 4), 0x9abc_d001);
    assert_eq!(gpu.bar_read(Bar::Bar0, pte5 + 4, 4), 0x1234_5678);
    gpu.bar_write(Bar::Bar0, pte5 + 4, 4, 0x7f);
    gpu.bar_write(Bar::Bar0, pte5, 4, 0x3001);
    assert_eq!(gpu.bar_read(Bar::Bar0, pte5, 8), 0x7f_0000_3001);
    let mut small = GpuConfig::by_device_id(GT2).expect("a Broadwell");
    small.gmch_ctrl = 1 << 6;
    let mut gpu = Gpu::new(small, GuestRam::anonymous(RAM).expect("memory"));
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    let beyond = pci::BAR0_GGTT_OFFSET + (2 << 20);
    gpu.bar_write(Bar::Bar0, beyond - 8, 8, 1);
    gpu.bar_write(Bar::Bar0, beyond, 8, 1);
    assert_eq!(gpu.bar_read(Bar::Bar0, beyond - 8, 8), 1);
    assert_eq!(gpu.bar_read(Bar::Bar0, beyond, 8), 0);
}

#[test]
fn aperture_reaches_ram_through_the_ggtt_and_tells_faults() {
    let (mut gpu, log) = running(GT2);
    let entry = pte::encode_ggtt_pte(0x4_2000);
    gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 3 * 8, 8, entry);
    gpu.bar_write(Bar::Bar2, 0x3010, 4, 0xdead_beef);
    assert_eq!(gpu.memory().read_u32(0x4_2010), Some(0xdead_beef));
    assert_eq!(gpu.bar_read(Bar::Bar2, 0x3012, 1), 0xad);
    assert!(log.take().is_empty());
    assert_eq!(gpu.bar_read(Bar::Bar2, 0x4000, 8), 0);
    assert!(matches!(log.take()[..], [Event::Fault(fault)] if fault.address == 0x4000));
    assert_eq!(read(&mut gpu, mmio::RING_FAULT_REG), 0, "the fault registers are the engines'");
}

#[test]
fn without_bus_mastering_no_access_reaches_memory() {
    let (mut gpu, _) = running(GT2);
    let entry = pte::encode_ggtt_pte(0x4_2000);
    gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET, 8, entry);
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    gpu.bar_write(Bar::Bar2, 0, 4, 7);
    assert_eq!(gpu.bar_read(Bar::Bar2, 0, 4), 0);
    assert_eq!(gpu.memory().read_u32(0x4_2000), Some(0));
    assert_eq!(gpu.step(100), gpu_model::StepReport::IDLE);
}

#[test]
fn io_bar_reaches_registers_by_index_and_data() {
    let (mut gpu, _) = running(GT2);
    let command = pci::COMMAND_MEMORY | pci::COMMAND_IO;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    gpu.bar_write(Bar::Bar4, pci::IO_INDEX, 4, mmio::PRIVATE_PAT_LO.into());
    gpu.bar_write(Bar::Bar4, pci::IO_DATA, 4, 0x77);
    assert_eq!(read(&mut gpu, mmio::PRIVATE_PAT_LO), 0x77);
    assert_eq!(gpu.bar_read(Bar::Bar4, pci::IO_DATA, 4), 0x77);
}

#[test]
fn accesses_of_odd_size_or_beyond_the_bar_are_refused() {
    let (mut gpu, log) = running(GT2);
    assert_eq!(gpu.bar_read(Bar::Bar0, 0x9120, 3), 0xff_ffff);
    assert_eq!(gpu.bar_read(Bar::Bar0, pci::BAR0_SIZE - 4, 8), u64::MAX);
    gpu.bar_write(Bar::Bar2, u64::MAX, 8, 0);
    gpu.bar_write(Bar::Bar0, 0, 0, 0);
    assert_eq!(log.take().len(), 4);
}

#[test]
fn debug_page_identifies_itself_and_decodes_hints() {
    let (mut gpu, log) = running(GT2);
    assert_eq!(read(&mut gpu, debug_page::SIGNATURE), debug_page::SIGNATURE_VALUE);
    assert_eq!(read(&mut gpu, debug_page::VERSION), debug_page::VERSION_VALUE);
    let hint = Hint::PageOwned { page: 0x7f_1234_5000, kind: PageKind::Pt, owner: 9 };
    let (arg0, arg1, arg2, command) = hint.encode();
    gpu.bar_write(Bar::Bar0, debug_page::ARG0.into(), 8, arg0);
    write(&mut gpu, debug_page::ARG1, arg1);
    write(&mut gpu, debug_page::ARG2, arg2);
    write(&mut gpu, debug_page::COMMAND, command);
    assert_eq!(log.take(), [Event::Hint(hint)]);
    write(&mut gpu, debug_page::COMMAND, 0xffff);
    assert!(matches!(log.take()[..], [Event::GuestError { .. }]));
}

#[test]
fn clocks_come_from_the_time_that_the_machine_gives() {
    let (mut gpu, _) = running(GT2);
    gpu.advance_to(8_000_000);
    assert_eq!(read(&mut gpu, mmio::TIMESTAMP_CTR), 8000);
    gpu.advance_to(1);
    assert_eq!(gpu.now_ns(), 8_000_000, "time never goes back");
}
