//! Post-sync operations of PIPE_CONTROL, which the render engine has, and of MI_FLUSH_DW, which the
//! others have.

use crate::checks::gem::{Work, on_render};
use crate::error::{Error, Result};
use crate::gpu::mi::pipe;
use crate::gpu::{Batch, Device, Engine, Trial, mi};

pub(super) const WORKS: &[Work] = &[
    Work { name: "post-sync", on: on_render, run: pipe_control },
    Work { name: "post-sync privilege", on: on_render, run: pipe_control_privilege },
    Work { name: "post-sync", on: on_others, run: flush_dw },
    Work { name: "post-sync privilege", on: on_others, run: flush_dw_privilege },
];

const TIMESTAMP: u32 = 0x358;
const GPR: u32 = 0x600;
const NEVER: u32 = 0x0bad_0bad;
const VALUE: [u32; 2] = [0x1122_3344, 0x5566_7788];
/// Slots: the clock ahead and behind, and what is written.
const AHEAD: usize = 0;
const BEHIND: usize = 2;
const IMMEDIATE: usize = 4;
const TIME: usize = 8;
const DWORD: usize = 12;
const TARGET: usize = 20;

fn on_others(engine: Engine) -> bool {
    !on_render(engine)
}

/// PIPE_CONTROL with its flags, address and data.
fn pipe_command(batch: Batch, flags: u32, address: u64, data: [u32; 2]) -> Batch {
    let operands = [flags, mi::low(address), mi::high(address), data[0], data[1]];
    batch.command(mi::PIPE_CONTROL, &operands)
}

fn pipe_control(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let clock = trial.register(TIMESTAMP)?;
    let batch = Batch::default().store_registers(trial.slot(AHEAD), clock, 2);
    let batch = pipe_command(batch, pipe::CS_STALL | pipe::WRITE, trial.slot(IMMEDIATE), VALUE);
    let batch = pipe_command(batch, pipe::CS_STALL | pipe::TIMESTAMP, trial.slot(TIME), [NEVER; 2]);
    trial.run(&batch.store_registers(trial.slot(BEHIND), clock, 2).end())?;
    trial.expect("the immediate write, low", IMMEDIATE, VALUE[0])?;
    trial.expect("the immediate write, high", IMMEDIATE + 1, VALUE[1])?;
    time_between(&trial)
}

/// Without privilege there is no write to the GGTT or to a status page, and no load of a register.
fn pipe_control_privilege(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let (target, gpr) = (trial.slot(TARGET), trial.register(GPR)?);
    let mode = trial.register(MI_MODE)?;
    let stall = pipe::CS_STALL | pipe::WRITE;
    let batch = Batch::default().store_register(trial.slot(0), mode);
    let batch = pipe_command(batch, stall | pipe::GGTT, target, [NEVER; 2]);
    let batch = pipe_command(batch, stall | pipe::STORE_INDEX, 0xfc0, [NEVER; 2]);
    let load = pipe::CS_STALL | pipe::LOAD_REGISTER;
    let batch = pipe_command(batch, load, mode.into(), [0x0100_0100, 0]);
    let batch = batch.store_register(trial.slot(1), mode).load_registers(&[(gpr, 1)]);
    trial.run(&batch.store(trial.slot(2), 3).end())?;
    trial.expect("memory at the GGTT's address", TARGET, 0)?;
    trial.expect("MI_MODE behind the load", 1, trial.get(0))?;
    trial.expect("what follows", 2, 3)?;
    Ok("GGTT, status page and register".into())
}

/// A register that only privileged commands write.
const MI_MODE: u32 = 0x9c;

fn flush_dw(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let clock = trial.register(TIMESTAMP)?;
    let pair = |slot| [mi::low(trial.slot(slot)), mi::high(trial.slot(slot))];
    let batch = Batch::default()
        .store_registers(trial.slot(AHEAD), clock, 2)
        .command(mi::FLUSH_DW | mi::FLUSH_WRITE, &[&pair(IMMEDIATE)[..], &VALUE].concat())
        .command(mi::FLUSH_DW | mi::FLUSH_WRITE, &[&pair(DWORD)[..], &VALUE[..1]].concat())
        .command(mi::FLUSH_DW | mi::FLUSH_TIMESTAMP, &[&pair(TIME)[..], &[NEVER; 2]].concat())
        .command(mi::FLUSH_DW, &[0, 0, NEVER, NEVER])
        .store_registers(trial.slot(BEHIND), clock, 2);
    trial.run(&batch.end())?;
    trial.expect("the write of a qword, low", IMMEDIATE, VALUE[0])?;
    trial.expect("the write of a qword, high", IMMEDIATE + 1, VALUE[1])?;
    trial.expect("the write of a dword", DWORD, VALUE[0])?;
    time_between(&trial)
}

fn flush_dw_privilege(device: &Device, engine: Engine) -> Result<String> {
    let trial = Trial::new(device, engine)?;
    let target = trial.slot(TARGET);
    let header = mi::FLUSH_DW | mi::FLUSH_WRITE;
    let batch = Batch::default()
        .command(header, &[mi::low(target) | mi::FLUSH_GGTT, mi::high(target), NEVER, NEVER])
        .command(header | mi::BIT_21, &[0xfc0, 0, NEVER, NEVER])
        .store(trial.slot(2), 3);
    trial.run(&batch.end())?;
    trial.expect("memory at the GGTT's address", TARGET, 0)?;
    trial.expect("what follows", 2, 3)?;
    Ok("GGTT and status page".into())
}

/// The time that was written is one between the two that the register showed.
fn time_between(trial: &Trial) -> Result<String> {
    let (ahead, time, behind) =
        (trial.get_qword(AHEAD), trial.get_qword(TIME), trial.get_qword(BEHIND));
    if ahead == 0 || !(ahead..=behind).contains(&time) {
        return Err(Error::Wrong(format!("time {time} written between {ahead} and {behind}")));
    }
    Ok("immediate data and time".into())
}
