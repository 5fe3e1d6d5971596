//! The CPU's thread: runs the guest, answers its exits, and can be stopped from outside.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvm_ioctls::{VcpuExit, VcpuFd};
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

use super::error::KvmError;

/// How often a CPU that must stop is signalled again, in case a signal came just before KVM_RUN.
const KICK_INTERVAL: Duration = Duration::from_millis(2);

/// Messages that wait for the caller's thread; a guest that sends more has to wait for it.
const MESSAGES_MAX: usize = 256;

/// Most bytes that an exit for memory that is not RAM carries (`kvm_run::mmio::data`).
const MMIO_BYTES: usize = 8;

/// What lies behind the CPU's exits. Reads that nobody answers give all ones, as on a PC.
pub(super) trait Bus {
    /// An `in`; `data` holds the bytes to fill, one access or a string of them.
    fn port_read(&mut self, port: u16, data: &mut [u8]);
    /// An `out`; breaks with a status when the guest ends the machine.
    fn port_write(&mut self, port: u16, data: &[u8]) -> ControlFlow<u8>;
    /// A load from memory that is not RAM.
    fn mmio_read(&mut self, address: u64, data: &mut [u8]);
    /// A store to memory that is not RAM, with the CPU's instruction pointer if
    /// [`Bus::wants_instruction`]. It is behind the store: KVM has finished the instruction by then.
    fn mmio_write(&mut self, address: u64, data: &[u8], instruction: Option<u64>);
    /// Whether stores come with the instruction pointer, which costs a system call each.
    fn wants_instruction(&self) -> bool {
        false
    }
}

/// How the guest ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It wrote this to the exit port.
    Exit(u8),
    /// It was stopped for its silence, here (0: unknown).
    Stopped {
        /// Guest instruction pointer.
        rip: u64,
    },
}

enum Message<M> {
    FromBus(M),
    End(Result<End, KvmError>),
}

/// A sender for the bus, whose messages reach `run`'s callback.
pub(super) struct Progress<M>(SyncSender<Message<M>>);

impl<M> Progress<M> {
    /// Sends a message. After the machine's end it is dropped.
    pub(super) fn send(&self, message: M) {
        let _ = self.0.send(Message::FromBus(message));
    }
}

/// Runs the guest in a thread until it ends the machine.
///
/// `make_bus` gets the sender of messages; `on_message` is called for each in the caller's thread,
/// and says whether it is progress. A guest that makes none for `limit` is stopped.
pub(super) fn run<B, M>(
    vcpu: VcpuFd,
    make_bus: impl FnOnce(Progress<M>) -> B,
    limit: Duration,
    mut on_message: impl FnMut(M) -> bool,
) -> Result<End, KvmError>
where
    B: Bus + Send + 'static,
    M: Send + 'static,
{
    let kick_signal = SIGRTMIN();
    register_signal_handler(kick_signal, on_kick).map_err(KvmError::host("install a signal"))?;
    let (sender, messages) = sync_channel(MESSAGES_MAX);
    let bus = make_bus(Progress(sender.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let thread = spawn(vcpu, bus, Arc::clone(&stop), sender)?;

    let mut deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            stop.store(true, Ordering::Release);
            thread.kill(kick_signal).map_err(KvmError::host("signal the vCPU thread"))?;
        }
        match messages.recv_timeout(left.max(KICK_INTERVAL)) {
            Ok(Message::FromBus(message)) => {
                if on_message(message) {
                    deadline = Instant::now() + limit;
                }
            }
            Ok(Message::End(end)) => {
                thread.join().map_err(|_| KvmError::Thread("vCPU"))?;
                return end;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(KvmError::Thread("vCPU")),
        }
    }
}

/// Interrupts KVM_RUN, which then returns EINTR; there is nothing else to do.
extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

fn spawn<B, M>(
    mut vcpu: VcpuFd,
    mut bus: B,
    stop: Arc<AtomicBool>,
    sender: SyncSender<Message<M>>,
) -> Result<JoinHandle<()>, KvmError>
where
    B: Bus + Send + 'static,
    M: Send + 'static,
{
    std::thread::Builder::new()
        .name("vcpu0".into())
        .spawn(move || {
            let end = run_until_end(&mut vcpu, &mut bus, &stop);
            // The bus goes first, so that its messages are in the queue before the end.
            drop(bus);
            let _ = sender.send(Message::End(end));
        })
        .map_err(KvmError::host("start the vCPU thread"))
}

fn run_until_end(
    vcpu: &mut VcpuFd,
    bus: &mut impl Bus,
    stop: &AtomicBool,
) -> Result<End, KvmError> {
    while !stop.load(Ordering::Acquire) {
        match run_once(vcpu, bus) {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(end) => return end,
        }
    }
    Ok(End::Stopped { rip: rip(vcpu) })
}

/// Runs the guest up to one exit and answers it.
fn run_once(vcpu: &mut VcpuFd, bus: &mut impl Bus) -> ControlFlow<Result<End, KvmError>> {
    let reason = match vcpu.run() {
        Ok(VcpuExit::IoOut(port, data)) => {
            return bus.port_write(port, data).map_break(|status| Ok(End::Exit(status)));
        }
        Ok(VcpuExit::IoIn(port, data)) => {
            bus.port_read(port, data);
            return ControlFlow::Continue(());
        }
        Ok(VcpuExit::MmioRead(address, data)) => {
            bus.mmio_read(address, data);
            return ControlFlow::Continue(());
        }
        Ok(VcpuExit::MmioWrite(address, data)) => {
            // Asking for registers needs the CPU, and with it what the exit lent.
            let (mut store, len) = ([0; MMIO_BYTES], data.len().min(MMIO_BYTES));
            store[..len].copy_from_slice(&data[..len]);
            let instruction = bus.wants_instruction().then(|| rip(vcpu));
            bus.mmio_write(address, &store[..len], instruction);
            return ControlFlow::Continue(());
        }
        // With the in-kernel controllers KVM waits in the kernel on HLT; this is for completeness.
        Ok(VcpuExit::Hlt | VcpuExit::Intr | VcpuExit::IrqWindowOpen | VcpuExit::IoapicEoi(_)) => {
            return ControlFlow::Continue(());
        }
        Ok(exit) => describe(&exit),
        Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {
            return ControlFlow::Continue(());
        }
        Err(error) => format!("KVM_RUN failed: {error}"),
    };
    ControlFlow::Break(Err(KvmError::UnexpectedExit { reason, rip: rip(vcpu) }))
}

fn rip(vcpu: &VcpuFd) -> u64 {
    vcpu.get_regs().map_or(0, |regs| regs.rip)
}

fn describe(exit: &VcpuExit<'_>) -> String {
    match exit {
        VcpuExit::InternalError => {
            "KVM internal error (its emulator cannot execute the instruction there)".into()
        }
        VcpuExit::Shutdown => "triple fault".into(),
        VcpuExit::FailEntry(reason, _) => format!("KVM could not enter the guest: {reason:#x}"),
        other => format!("{other:?}"),
    }
}
