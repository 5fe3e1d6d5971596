//! Engines inside the device: an interrupt's way out, resets, clocks, the second video engine.

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::registers::power;
use gen8_spec::{PAGE_SIZE, context_image, interrupts, masked_disable, masked_enable, pci, pte};
use gpu_model::{Bar, EngineActivity, Gpu, GpuConfig, GuestRam, InterruptMessage, StepReport};
use ppgtt::PhysicalMemory;

const GT2: u16 = 0x1616;
const GT3: u16 = 0x1626;
const RAM: u64 = 16 << 20;
const MSI: InterruptMessage = InterruptMessage::Msi { address: 0xfee0_1000, data: 0x41 };

/// GGTT page `n` maps physical page `n`, so the addresses below are both.
const HWSP: u32 = 0x1_0000;
const RING: u32 = 0x1_1000;
const IMAGE: u32 = 0x2_0000;
/// GGTT pages that are mapped.
const MAPPED: u64 = 64;
/// What i915 6.1 writes for a context with four levels, besides the LRCA.
const DESCRIPTOR: u32 = 0x139;

fn read(gpu: &mut Gpu, offset: u32) -> u32 {
    gpu.bar_read(Bar::Bar0, offset.into(), 4) as u32
}

fn write(gpu: &mut Gpu, offset: u32, value: u32) {
    gpu.bar_write(Bar::Bar0, offset.into(), 4, value.into());
}

/// A device as a driver has it before the first submission, all interrupts of `engine` let through.
fn running(device_id: u16, engine: EngineId) -> Gpu {
    let config = GpuConfig::by_device_id(device_id).expect("a Broadwell");
    let mut gpu = Gpu::new(config, GuestRam::anonymous(RAM).expect("memory"));
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    write(&mut gpu, mmio::FORCEWAKE_MT, masked_enable(1));
    for page in 0..MAPPED {
        let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
        gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
    }
    let base = engine.mmio_base();
    write(&mut gpu, base + ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS));
    write(&mut gpu, base + ring::HWS_PGA, HWSP);
    write(&mut gpu, base + ring::CSB_PTR, 0xffff_0505);
    write(&mut gpu, base + ring::IMR, 0);
    let bank = interrupts::gt_bank(engine.interrupt_bank());
    write(&mut gpu, bank + interrupts::IMR, 0);
    write(&mut gpu, bank + interrupts::IER, u32::MAX);
    write(&mut gpu, interrupts::MASTER, interrupts::MASTER_ENABLE);
    gpu
}

fn enable_msi(gpu: &mut Gpu) {
    gpu.config_write(pci::CFG_MSI + pci::MSI_ADDRESS, 4, 0xfee0_1000);
    gpu.config_write(pci::CFG_MSI + pci::MSI_DATA, 2, 0x41);
    gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, pci::MSI_CONTROL_ENABLE.into());
}

/// Submits a context whose ring holds `commands` (a multiple of two dwords).
fn submit(gpu: &mut Gpu, engine: EngineId, commands: &[u32]) {
    let memory = gpu.memory().clone();
    for (n, &command) in commands.iter().enumerate() {
        assert!(memory.write_u32(u64::from(RING) + 4 * n as u64, command));
    }
    let state = u64::from(IMAGE) + context_image::STATE_PAGE * PAGE_SIZE;
    for (register, value) in [
        (context_image::CONTEXT_CONTROL, masked_enable(context_image::control::RESTORE_INHIBIT)),
        (context_image::RING_HEAD, 0),
        (context_image::RING_TAIL, 4 * commands.len() as u32),
        (context_image::RING_START, RING),
        (context_image::RING_CTL, ring::CTL_VALID),
    ] {
        assert!(memory.write_u32(state + 4 * (register as u64 + 1), value));
    }
    for dword in [0, 0, 0x20, IMAGE | DESCRIPTOR] {
        write(gpu, engine.mmio_base() + ring::ELSP, dword);
    }
}

fn run(gpu: &mut Gpu) {
    for _ in 0..100 {
        if gpu.step(100).state == EngineActivity::Idle {
            return;
        }
    }
    panic!("the engine did not come to rest");
}

fn user_interrupt() -> [u32; 2] {
    [mi::header(mi::USER_INTERRUPT, 0), mi::header(mi::NOOP, 0)]
}

#[test]
fn submission_of_each_engine_ends_in_one_msi_and_its_status_bit() {
    for engine in EngineId::ALL {
        let mut gpu = running(GT3, engine);
        enable_msi(&mut gpu);
        assert_eq!(gpu.take_interrupt(), None);
        submit(&mut gpu, engine, &user_interrupt());
        run(&mut gpu);
        assert_eq!(gpu.take_interrupt(), Some(MSI), "{}", engine.name());
        assert_eq!(gpu.take_interrupt(), None);
        write(&mut gpu, interrupts::MASTER, 0);
        assert_eq!(read(&mut gpu, interrupts::MASTER), engine.master_bit());
        let bank = interrupts::gt_bank(engine.interrupt_bank());
        let expected = interrupts::USER_INTERRUPT | interrupts::CONTEXT_SWITCH;
        let identity = read(&mut gpu, bank + interrupts::IIR);
        assert_eq!(identity, expected << engine.interrupt_shift(), "{}", engine.name());
    }
}

#[test]
fn second_context_switch_event_sends_another_msi_after_the_handler() {
    let mut gpu = running(GT2, EngineId::Bcs);
    enable_msi(&mut gpu);
    submit(&mut gpu, EngineId::Bcs, &user_interrupt());
    run(&mut gpu);
    assert_eq!(gpu.take_interrupt(), Some(MSI));
    let iir = interrupts::gt_bank(0) + interrupts::IIR;
    for more in [true, false] {
        write(&mut gpu, interrupts::MASTER, 0);
        write(&mut gpu, iir, u32::MAX);
        write(&mut gpu, interrupts::MASTER, interrupts::MASTER_ENABLE);
        assert_eq!(gpu.take_interrupt(), more.then_some(MSI));
    }
    assert_eq!(read(&mut gpu, iir), 0);
}

#[test]
fn without_msi_the_pin_is_asserted_until_the_cause_is_cleared() {
    let mut gpu = running(GT2, EngineId::Vecs);
    submit(&mut gpu, EngineId::Vecs, &user_interrupt());
    run(&mut gpu);
    assert_eq!(gpu.take_interrupt(), Some(InterruptMessage::IntxAssert));
    write(&mut gpu, interrupts::MASTER, 0);
    assert_eq!(gpu.take_interrupt(), Some(InterruptMessage::IntxDeassert));
}

#[test]
fn function_reset_takes_an_asserted_pin_back() {
    let mut gpu = running(GT2, EngineId::Vecs);
    submit(&mut gpu, EngineId::Vecs, &user_interrupt());
    run(&mut gpu);
    assert_eq!(gpu.take_interrupt(), Some(InterruptMessage::IntxAssert));
    gpu.reset();
    assert_eq!(gpu.take_interrupt(), Some(InterruptMessage::IntxDeassert));
    assert_eq!(gpu.config_read(pci::CFG_COMMAND, 2), 0);
}

#[test]
fn domain_reset_clears_its_engine_and_leaves_the_others_and_shared_registers() {
    let mut gpu = running(GT2, EngineId::Rcs);
    let (rcs, bcs) = (EngineId::Rcs.mmio_base(), EngineId::Bcs.mmio_base());
    write(&mut gpu, mmio::PRIVATE_PAT_LO, mmio::PRIVATE_PAT_LO_I915);
    write(&mut gpu, bcs + ring::START, 0x5000);
    write(&mut gpu, rcs + ring::START, 0x6000);
    write(&mut gpu, rcs + ring::MI_MODE, masked_enable(ring::MI_MODE_STOP_RING));
    write(&mut gpu, rcs + ring::RESET_CTL, masked_enable(ring::RESET_CTL_REQUEST));
    let ready = ring::RESET_CTL_REQUEST | ring::RESET_CTL_READY;
    assert_eq!(read(&mut gpu, rcs + ring::RESET_CTL), ready);
    for _ in 0..2 {
        write(&mut gpu, mmio::GDRST, EngineId::Rcs.reset_domain());
        assert_eq!(read(&mut gpu, mmio::GDRST), 0);
    }
    write(&mut gpu, rcs + ring::RESET_CTL, masked_disable(ring::RESET_CTL_REQUEST));
    assert_eq!(read(&mut gpu, rcs + ring::RESET_CTL), 0);
    assert_eq!(read(&mut gpu, rcs + ring::START), 0);
    assert_eq!(read(&mut gpu, rcs + ring::MI_MODE), ring::MI_MODE_IDLE);
    assert_eq!(read(&mut gpu, bcs + ring::START), 0x5000);
    assert_eq!(read(&mut gpu, mmio::PRIVATE_PAT_LO), mmio::PRIVATE_PAT_LO_I915);
    write(&mut gpu, mmio::GDRST, mmio::GDRST_FULL);
    assert_eq!(read(&mut gpu, bcs + ring::START), 0);
}

#[test]
fn cancelled_reset_request_is_no_longer_ready() {
    let mut gpu = running(GT2, EngineId::Vcs);
    let control = EngineId::Vcs.mmio_base() + ring::RESET_CTL;
    write(&mut gpu, control, masked_enable(ring::RESET_CTL_REQUEST));
    write(&mut gpu, control, masked_disable(ring::RESET_CTL_REQUEST));
    assert_eq!(read(&mut gpu, control), 0);
}

#[test]
fn second_video_engine_answers_on_gt3_only() {
    let start = EngineId::Vcs1.mmio_base() + ring::START;
    for (id, expected) in [(GT2, 0), (0x1636, 0), (GT3, 0x1000)] {
        let mut gpu = running(id, EngineId::Rcs);
        write(&mut gpu, start, 0x1000);
        assert_eq!(read(&mut gpu, start), expected, "{id:#x}");
    }
}

#[test]
fn ring_timestamp_ticks_every_80_ns_of_the_machines_time() {
    let mut gpu = running(GT2, EngineId::Rcs);
    gpu.advance_to(8_000_000);
    assert_eq!(read(&mut gpu, EngineId::Rcs.mmio_base() + ring::TIMESTAMP), 100_000);
}

/// A device whose render engine runs an endless batch, and whose blitter has a short submission.
fn endless_render_and_short_blit() -> Gpu {
    let (rcs, bcs) = (EngineId::Rcs, EngineId::Bcs);
    let mut gpu = running(GT2, rcs);
    // A batch in the GGTT that starts itself over and over.
    let batch = 0x3_0000;
    let start = [mi::header(mi::BATCH_BUFFER_START, 1), batch, 0];
    for (n, dword) in start.into_iter().enumerate() {
        assert!(gpu.memory().write_u32(u64::from(batch) + 4 * n as u64, dword));
    }
    submit(&mut gpu, rcs, &[start[0], batch, 0, mi::header(mi::NOOP, 0)]);
    assert_eq!(gpu.step(100).state, EngineActivity::Busy);
    // The render engine is in its batch for good: image and ring are free for the blitter.
    for (register, value) in [
        (ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS)),
        (ring::HWS_PGA, HWSP + 0x5000),
        (ring::IMR, 0),
    ] {
        write(&mut gpu, bcs.mmio_base() + register, value);
    }
    submit(&mut gpu, bcs, &user_interrupt());
    gpu
}

fn blit_is_done(gpu: &mut Gpu) -> bool {
    let identity = read(gpu, interrupts::gt_bank(0) + interrupts::IIR);
    identity & (interrupts::USER_INTERRUPT << EngineId::Bcs.interrupt_shift()) != 0
}

#[test]
fn one_step_serves_every_engine_whoever_goes_first() {
    for earlier_steps in 0..4 {
        let mut gpu = endless_render_and_short_blit();
        for _ in 0..earlier_steps {
            gpu.step(0);
        }
        let report = gpu.step(1000);
        assert_eq!(report.state, EngineActivity::Busy, "the endless batch still runs");
        assert!(report.commands <= 1000);
        assert!(blit_is_done(&mut gpu), "after {earlier_steps} steps");
    }
}

#[test]
fn engines_take_turns_when_a_step_is_one_command() {
    let mut gpu = endless_render_and_short_blit();
    for _ in 0..100 {
        assert!(gpu.step(1).commands <= 1);
    }
    assert!(blit_is_done(&mut gpu));
}

#[test]
fn engines_rest_while_bus_mastering_is_off() {
    let mut gpu = running(GT2, EngineId::Bcs);
    submit(&mut gpu, EngineId::Bcs, &user_interrupt());
    gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
    let waiting = StepReport { state: EngineActivity::Waiting, ..StepReport::IDLE };
    assert_eq!(gpu.step(100), waiting);
    assert!(!blit_is_done(&mut gpu));
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    gpu.config_write(pci::CFG_COMMAND, 2, command.into());
    run(&mut gpu);
    assert!(blit_is_done(&mut gpu));
}

#[test]
fn narrow_write_of_an_identity_register_clears_only_its_bytes() {
    let mut gpu = running(GT2, EngineId::Bcs);
    let iir = interrupts::gt_bank(0) + interrupts::IIR;
    submit(&mut gpu, EngineId::Bcs, &user_interrupt());
    run(&mut gpu);
    write(&mut gpu, iir, interrupts::CONTEXT_SWITCH << 16);
    let both = interrupts::USER_INTERRUPT | interrupts::CONTEXT_SWITCH;
    assert_eq!(read(&mut gpu, iir), both << 16);
    gpu.bar_write(Bar::Bar0, u64::from(iir) + 2, 1, interrupts::USER_INTERRUPT.into());
    assert_eq!(read(&mut gpu, iir), interrupts::CONTEXT_SWITCH << 16);
}

/// Page tables of one page: table of the level above, and the page that its first entry names.
const TABLES: [u64; 4] = [0x5_0000, 0x5_1000, 0x5_2000, 0x5_3000];

#[test]
fn tlb_register_makes_the_next_access_walk_again() {
    for invalidated in [false, true] {
        let engine = EngineId::Bcs;
        let mut gpu = running(GT2, engine);
        let memory = gpu.memory().clone();
        for pair in TABLES.windows(2) {
            assert!(memory.write_u64(pair[0], pte::encode_table(pair[1])));
        }
        // The batch at VA 0 writes to VA 0x1000, which is moved from one page to another.
        let (batch, first, second) = (0x6_0000, 0x7_0000, 0x7_1000);
        let entry = |page| pte::encode_pte(page, pte::CacheLevel::Llc, false);
        assert!(memory.write_u64(TABLES[3], entry(batch)));
        for (n, dword) in
            [mi::header(mi::STORE_DATA_IMM, 2), 0x1000, 0, 7, mi::header(mi::BATCH_BUFFER_END, 0)]
                .into_iter()
                .enumerate()
        {
            assert!(memory.write_u32(batch + 4 * n as u64, dword));
        }
        let state = u64::from(IMAGE) + context_image::STATE_PAGE * PAGE_SIZE;
        let pml4 = state + 4 * (context_image::pdp_ldw(0) as u64 + 1);
        assert!(memory.write_u32(pml4, TABLES[0] as u32));
        for page in [first, second] {
            assert!(memory.write_u64(TABLES[3] + 8, entry(page)));
            if invalidated {
                let register = engine.tlb_invalidate_register();
                write(&mut gpu, register, mmio::TLB_INVALIDATE_REQUEST);
                assert_eq!(read(&mut gpu, register), 0);
            }
            let start = mi::header(mi::BATCH_BUFFER_START, 1) | mi::BATCH_PPGTT;
            submit(&mut gpu, engine, &[start, 0, 0, mi::header(mi::NOOP, 0)]);
            run(&mut gpu);
        }
        assert_eq!(memory.read_u32(first), Some(7));
        assert_eq!(memory.read_u32(second), Some(if invalidated { 7 } else { 0 }));
    }
}

#[test]
fn restored_device_and_memory_run_a_submission_again() {
    let mut gpu = running(GT2, EngineId::Rcs);
    enable_msi(&mut gpu);
    submit(&mut gpu, EngineId::Rcs, &user_interrupt());
    let (saved, mut bytes) = (gpu.state(), vec![0; RAM as usize]);
    assert!(gpu.memory().read_bytes(0, &mut bytes));
    run(&mut gpu);
    assert_eq!(gpu.take_interrupt(), Some(MSI));
    let after = format!("{:?}", gpu.state());
    gpu.restore(saved);
    assert!(gpu.memory().write_bytes(0, &bytes));
    run(&mut gpu);
    assert_eq!(gpu.take_interrupt(), Some(MSI));
    assert!(format!("{:?}", gpu.state()) == after, "the second run ended in another state");
}

#[test]
fn a_gpu_that_is_busy_for_an_interval_asks_for_a_higher_frequency_by_interrupt() {
    let mut gpu = running(GT2, EngineId::Rcs);
    enable_msi(&mut gpu);
    let bank = interrupts::gt_bank(2);
    write(&mut gpu, bank + interrupts::IMR, !power::PM_UP_THRESHOLD);
    write(&mut gpu, bank + interrupts::IER, power::PM_UP_THRESHOLD);
    write(&mut gpu, power::RP_UP_EI, 1000);
    write(&mut gpu, power::RP_UP_THRESHOLD, 950);
    write(&mut gpu, power::RP_INTERRUPT_LIMITS, 19 << power::RP_LIMIT_UP_SHIFT);
    write(&mut gpu, mmio::RPNSWREQ, 6 << power::RPNSWREQ_RATIO_SHIFT);
    let control = power::RP_CONTROL_ENABLE | power::RP_CONTROL_UP_BUSY_AVG;
    write(&mut gpu, power::RP_CONTROL, control);

    assert_eq!(gpu.step(1).state, EngineActivity::Idle);
    gpu.advance_to(5000 * power::PM_TICK_NS);
    assert_eq!(gpu.take_interrupt(), None, "idle");
    let jump = mi::header(mi::BATCH_BUFFER_START, 1);
    submit(&mut gpu, EngineId::Rcs, &[jump, RING, 0, 0]);
    assert_eq!(gpu.step(1000).state, EngineActivity::Busy);
    while gpu.take_interrupt().is_some() {}
    write(&mut gpu, interrupts::gt_bank(0) + interrupts::IER, 0);
    gpu.advance_to(7000 * power::PM_TICK_NS);
    assert_eq!(gpu.take_interrupt(), Some(MSI));
    assert_eq!(
        read(&mut gpu, interrupts::MASTER),
        interrupts::MASTER_ENABLE | interrupts::MASTER_PM
    );
    assert_eq!(read(&mut gpu, bank + interrupts::IIR), power::PM_UP_THRESHOLD);
}
