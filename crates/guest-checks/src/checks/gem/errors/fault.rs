//! A page fault of the GPU. i915 maps scratch pages everywhere, so no client's batch faults; here
//! its page tables are taken away under it, past i915.

use std::time::Duration;

use super::{
    FORGET, SELDOM, base, heartbeat, must, must_be_ended, on_engines, parameter, register,
};
use crate::error::{Result, expect_dword};
use crate::error_state::{Dump, ErrorState};
use crate::files::{self, Setting};
use crate::gpu::{Awake, Batch, Device, Endless, Engine, Node, Registers, Worker};
use crate::report::Reporter;
use crate::sys::{EmptyPage, physical_address};

/// How long start and fault may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first fault since it was cleared (`GEN8_RING_FAULT_REG`, `GEN8_FAULT_TLB_DATA0` and `1` of
/// `intel_gt_regs.h`).
const FAULT: u32 = 0x4094;
const FAULT_DATA0: u32 = 0x4b10;
const FAULT_DATA1: u32 = 0x4b14;
/// Where the walk ended, by four-level tables' topmost entry.
const PML4E: u32 = 3 << 1;
const ENGINE_SHIFT: u32 = 12;
/// Which unit of the engine it was is not documented.
const SOURCE: u32 = 0xff << 3;

/// A result for each engine. For one of them i915 writes it down.
pub(in crate::checks) fn run(reporter: &mut Reporter, most: u32) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    // Not the first one, whose state is the largest.
    let written_down = engines.iter().take(most as usize).next_back();
    let capture = parameter("error_capture")?;
    on_engines(reporter, most, |engine| {
        if written_down == Some(&engine) {
            let error_state = ErrorState::cleared()?;
            let told = fault(engine)?;
            state_is_true(&error_state.about(engine)?, engine)?;
            return Ok(format!("{told}; error state right"));
        }
        let _forgetful = Setting::set(&capture, FORGET)?;
        fault(engine)
    })
}

fn fault(engine: Engine) -> Result<String> {
    let (device, innocent) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    let (heartbeat, base) = (heartbeat(engine)?, base(engine)?);
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let (_awake, registers) = (Awake::keep()?, Registers::open()?);
    registers.write(FAULT, 0);
    let round = Batch::default().nothing(30).jump(Endless::LOOP).end();
    let endless = Endless::start_with(&device, engine, &round, PATIENCE)?;
    let tables = EmptyPage::new()?;
    let address = physical_address(&tables)?;
    registers.write(base + register::PDP0_UDW, (address >> 32) as u32);
    registers.write(base + register::PDP0_LDW, address as u32);
    files::wait_until("the fault", PATIENCE, || {
        Ok(registers.read(FAULT) & register::FAULT_VALID != 0)
    })?;

    expect_dword("FAULT_REG", registers.read(FAULT) & !SOURCE, expected(base))?;
    expect_dword("FAULT_TLB_DATA0", registers.read(FAULT_DATA0), (Endless::BATCH >> 12) as u32)?;
    expect_dword("FAULT_TLB_DATA1", registers.read(FAULT_DATA1), 0)?;
    must(endless.is_running()?, || "the batch ended in spite of the fault".into())?;
    drop(blind);
    let took = must_be_ended(&endless, engine)?;
    expect_dword("FAULT_REG after the reset", registers.read(FAULT) & register::FAULT_VALID, 0)?;
    Worker::new(&innocent)?.run(&innocent.context(engine)?, 0x0fa0_0001)?;
    Ok(format!("engine, level and address right; reset after {} ms", took.as_millis()))
}

fn expected(base: u32) -> u32 {
    register::FAULT_VALID | PML4E | fault_id(base) << ENGINE_SHIFT
}

/// i915 has written down what the registers held.
fn state_is_true(dump: &Dump, engine: Engine) -> Result<()> {
    let told = dump.stream(engine)?.register("FAULT_REG")? as u32;
    expect_dword("FAULT_REG of the error state", told & !SOURCE, expected(base(engine)?))?;
    let data = dump.numbers("FAULT_TLB_DATA")?;
    must(data == [0, Endless::BATCH >> 12], || format!("FAULT_TLB_DATA is {data:#x?}"))
}

/// How the fault register names the engine whose registers begin at `base` (PRM, volume 2c).
fn fault_id(base: u32) -> u32 {
    match base {
        0x1_2000 => 1,
        0x1_c000 => 2,
        0x1_a000 => 3,
        0x2_2000 => 4,
        _ => 0,
    }
}
