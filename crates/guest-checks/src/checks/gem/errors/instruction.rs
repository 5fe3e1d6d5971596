//! A command that no engine has: the interrupt, the registers, the reset, and what i915 keeps.

use std::thread;
use std::time::Duration;

use super::{
    FORGET, SELDOM, UNKNOWN, base, ended, heartbeat, must, must_be_ended, must_be_guilty,
    on_engines, parameter, register, unknown_command,
};
use crate::error::{Result, expect_dword};
use crate::error_state::{ErrorState, Stream};
use crate::files::{self, Setting};
use crate::gpu::{Awake, Device, Endless, Engine, Node, Registers};
use crate::report::Reporter;

/// How long the batch may take to get to the command.
const PATIENCE: Duration = Duration::from_secs(10);
/// An interrupt that is held back does not come within this.
const SILENCE: Duration = Duration::from_millis(100);
/// MI_BATCH_BUFFER_START: opcode 0x31 and how many dwords follow.
const BATCH_START: u32 = 0x31 << 23 | 1;
const OPCODE_AND_LENGTH: u32 = 0xff80_00ff;
/// RING_CTL: the ring is enabled; its pages less one.
const RING_ENABLED: u64 = 1;
const RING_PAGES: u64 = 0x1f_f000;
/// What i915 has behind a request for a second submission of it (WaIdleLiteRestore), and counts as
/// the request's own from the first one on.
const WORKAROUND: u64 = 8;
/// RING_HEAD: the offset without the count of rounds.
const HEAD_OFFSET: u64 = 0x1f_fffc;
/// RING_MI_MODE: the engine is idle.
const MODE_IDLE: u64 = 1 << 9;
/// GFX_MODE: contexts come by execlists.
const EXECLISTS: u64 = 1 << 15;
/// All units are done.
const ALL_DONE: u64 = 0xffff_ffff;

/// On each of the first `most` engines: with the interrupt, and without it.
pub(in crate::checks) fn run(reporter: &mut Reporter, most: u32) -> Result<()> {
    on_engines(reporter, most, |engine| Ok(format!("{}; {}", held_back(engine)?, told(engine)?)))
}

/// The GPU interrupts, and i915 resets the engine at once: it looks for no hang meanwhile.
fn told(engine: Engine) -> Result<String> {
    let guilty = Device::open(Node::Render)?;
    let heartbeat = heartbeat(engine)?;
    let _blind = Setting::set(&heartbeat, SELDOM)?;
    let error_state = ErrorState::cleared()?;
    let batch = Endless::start_with(&guilty, engine, &unknown_command(), PATIENCE)?;
    let took = ended(&batch)?;
    must_be_guilty(&batch)?;
    let dump = error_state.about(engine)?;
    let stream = dump.stream(engine)?;
    registers_are_true(&stream)?;
    ring_is_true(&stream)?;
    objects_are_true(&stream, &batch)?;
    Ok(format!("told at once ({} ms), error state right", took.as_millis()))
}

/// EMR holds the interrupt back. The engine stands at the command until i915 looks for a hang, and
/// all registers can be looked at.
fn held_back(engine: Engine) -> Result<String> {
    let guilty = Device::open(Node::Render)?;
    let (heartbeat, base) = (heartbeat(engine)?, base(engine)?);
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let (_awake, registers) = (Awake::keep()?, Registers::open()?);
    let read = |register| registers.read(base + register);
    registers.write(base + register::EMR, u32::MAX);
    let batch = Endless::start_with(&guilty, engine, &unknown_command(), PATIENCE)?;
    files::wait_until("coming to the command", PATIENCE, || Ok(read(register::IPEHR) == UNKNOWN))?;
    thread::sleep(SILENCE);
    must(batch.is_running()?, || "i915 was told of an error that EMR holds back".into())?;
    // Masked errors are told by ESR alone.
    expect_dword("EIR", read(register::EIR), 0)?;
    expect_dword("ESR", read(register::ESR), register::INSTRUCTION_ERROR)?;
    let head = u64::from(read(register::ACTHD_UDW)) << 32 | u64::from(read(register::ACTHD));
    must_be_at_command(head)?;
    let (head, tail) = (read(register::HEAD), read(register::TAIL));
    must(u64::from(head) & HEAD_OFFSET != u64::from(tail), || {
        format!("HEAD {head:#x} is at TAIL while a batch runs")
    })?;
    drop(blind);
    let capture = parameter("error_capture")?;
    let forgetful = Setting::set(&capture, FORGET)?;
    let took = must_be_ended(&batch, engine)?;
    drop(forgetful);
    // i915 writes EMR anew in the reset.
    expect_dword("EMR", read(register::EMR), !register::INSTRUCTION_ERROR)?;
    expect_dword("EIR", read(register::EIR), 0)?;
    expect_dword("ESR", read(register::ESR), 0)?;
    Ok(format!("masked: EIR, ESR, IPEHR, ACTHD right, hang found in {} ms", took.as_millis()))
}

/// The engine stands at the command, or just behind it.
fn must_be_at_command(acthd: u64) -> Result<()> {
    must((Endless::LOOP..=Endless::LOOP + 8).contains(&acthd), || {
        format!("ACTHD {acthd:#x} is not at the command, {:#x}", Endless::LOOP)
    })
}

fn registers_are_true(stream: &Stream<'_>) -> Result<()> {
    expect_dword("IPEHR", stream.register("IPEHR")? as u32, UNKNOWN)?;
    expect_dword("ESR", stream.register("ESR")? as u32, register::INSTRUCTION_ERROR)?;
    // i915 clears no more of an earlier fault than the bit that says that it is one.
    expect_dword("FAULT_REG", stream.register("FAULT_REG")? as u32 & register::FAULT_VALID, 0)?;
    must_be_at_command(stream.address("ACTHD")?)?;
    let batch = stream.address("BBADDR")?;
    must(batch & !0xfff == Endless::BATCH, || format!("BBADDR {batch:#x} is in no batch of ours"))?;
    let (mode, done) = (stream.register("MODE")?, stream.register("INSTDONE")?);
    must(mode & MODE_IDLE == 0, || format!("MODE {mode:#x}: the hung engine is idle"))?;
    must(done != ALL_DONE, || "INSTDONE: the hung engine has nothing to do".into())?;
    must(stream.register("GFX_MODE")? & EXECLISTS != 0, || "GFX_MODE: no execlists".into())?;
    must(stream.register("PDP0")? != 0, || "PDP0 is 0".into())
}

/// HEAD and TAIL are the request's, START and CTL those of the captured ring.
fn ring_is_true(stream: &Stream<'_>) -> Result<()> {
    let (&[head, request_head], &[tail, _, request_tail]) =
        (&stream.numbers("HEAD")?[..], &stream.numbers("TAIL")?[..])
    else {
        return must(false, || "HEAD and TAIL are not as i915 6.1 tells them".into());
    };
    must(tail == request_tail || tail + WORKAROUND == request_tail, || {
        format!("TAIL {tail:#x}, but submitted to {request_tail:#x}")
    })?;
    let head = head & HEAD_OFFSET;
    must((request_head..request_tail).contains(&head), || {
        format!("HEAD {head:#x} is not in the request, {request_head:#x}..{request_tail:#x}")
    })?;
    let (ring, start, ctl) =
        (stream.object("ring")?, stream.register("START")?, stream.register("CTL")?);
    must(ring.address == start, || format!("START {start:#x}, but the ring is elsewhere"))?;
    let bytes = (ctl & RING_PAGES) + 0x1000;
    must(ctl & RING_ENABLED != 0 && bytes == 4 * ring.dwords.len() as u64, || {
        format!("CTL {ctl:#x} for a ring of {} dwords", ring.dwords.len())
    })?;
    // i915 blanks the commands of a request that it has given up, at times before it copies them.
    let mut starts = ring.dwords.windows(3).filter(|w| w[0] & OPCODE_AND_LENGTH == BATCH_START);
    let target = |w: &[u32]| u64::from(w[2]) << 32 | u64::from(w[1]);
    match starts.next() {
        None => Ok(()),
        Some(first) => {
            let ours =
                target(first) == Endless::BATCH || starts.any(|w| target(w) == Endless::BATCH);
            must(ours, || "the ring does not start our batch".into())
        }
    }
}

/// The captured batch is ours, the whole of it.
fn objects_are_true(stream: &Stream<'_>, batch: &Endless) -> Result<()> {
    let captured = stream.object("batch")?;
    must(captured.address == Endless::BATCH, || {
        format!("the captured batch is at {:#x}", captured.address)
    })?;
    must(captured.dwords == batch.code(), || "the captured batch is not ours".into())
}
