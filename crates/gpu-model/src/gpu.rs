//! The device: all blocks, and the calls that a machine makes.

use gen8_spec::engine::EngineId;
use gen8_spec::registers::{gt, outputs};

use crate::bus::{Bus, EngineActivity, SemaphoreSignal, StepReport};
use crate::config::GpuConfig;
use crate::debug_page::DebugPage;
use crate::display::{Display, Monitor, Output, PlugError, Port, Screen, Surface};
use crate::engine::Engine;
use crate::event::{Event, EventSink, Interests, Observer};
use crate::fault::FaultRegisters;
use crate::fences::Fences;
use crate::forcewake::Forcewake;
use crate::ggtt::Ggtt;
use crate::interrupts::Interrupts;
use crate::journal::Recording;
use crate::memory::GuestRam;
use crate::pci::{Bar, InterruptMessage, PciFunction};
use crate::power::{Load, Power};
use crate::registers::RegisterFile;

/// The whole state of the device, apart from guest memory and the observer: save it with
/// [`Gpu::state`], go back to it with [`Gpu::restore`].
#[derive(Clone, Debug, Hash)]
pub struct GpuState {
    pub(crate) pci: PciFunction,
    pub(crate) ggtt: Ggtt,
    pub(crate) interrupts: Interrupts,
    pub(crate) faults: FaultRegisters,
    pub(crate) fences: Fences,
    pub(crate) forcewake: Forcewake,
    pub(crate) power: Power,
    pub(crate) display: Display,
    pub(crate) registers: RegisterFile,
    pub(crate) debug_page: DebugPage,
    pub(crate) engines: Vec<Engine>,
    /// Signals that engines sent in the slice that runs.
    signals: Vec<SemaphoreSignal>,
    /// Index register of the I/O BAR.
    pub(crate) io_index: u32,
    now_ns: u64,
    /// Engine that goes first in the next step.
    turn: usize,
}

impl GpuState {
    /// After power-on, with these outputs.
    fn new(config: &GpuConfig, outputs: &[Output]) -> Self {
        let engines = EngineId::ALL
            .into_iter()
            .filter(|&engine| config.sku.has_engine(engine))
            .map(|engine| Engine::new(engine, config))
            .collect();
        let display = Display::new(outputs);
        let mut interrupts = Interrupts::new();
        interrupts.set_pch_levels(display.pch_levels());
        Self {
            pci: PciFunction::new(config),
            ggtt: Ggtt::new(config.gmch_ctrl),
            interrupts,
            faults: FaultRegisters::default(),
            fences: Fences::new(),
            forcewake: Forcewake::default(),
            power: Power::new(),
            display,
            registers: RegisterFile::new(gt::RULES),
            debug_page: DebugPage::default(),
            engines,
            signals: Vec::new(),
            io_index: 0,
            now_ns: 0,
            turn: 0,
        }
    }
}

/// An emulated Gen8 GPU.
///
/// ```
/// use gen8_spec::pci;
/// use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};
///
/// let memory = GuestRam::anonymous(1 << 20)?;
/// let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).expect("a Broadwell"), memory);
/// let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
/// gpu.config_write(pci::CFG_COMMAND, 2, command.into());
/// let fuse2 = gpu.bar_read(Bar::Bar0, gen8_spec::mmio::FUSE2.into(), 4);
/// assert_eq!(fuse2, 1 << 25);
/// # Ok::<(), gpu_model::memory::MemoryError>(())
/// ```
#[derive(Debug)]
pub struct Gpu {
    pub(crate) config: GpuConfig,
    pub(crate) memory: GuestRam,
    /// The same memory for others than the device, and for observers while it works: accesses of a device
    /// that is recorded are told of, and theirs are not its own.
    pub(crate) open_memory: GuestRam,
    pub(crate) observed_memory: GuestRam,
    pub(crate) events: EventSink,
    pub(crate) state: GpuState,
    pub(crate) accesses: RegisterAccesses,
    /// Who is told what goes into the device, if anybody is.
    pub(crate) recording: Option<Box<Recording>>,
}

/// How often software used BAR0 (registers and GGTT entries) since power-on. No state of the
/// device: a reset keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterAccesses {
    /// Reads of any width.
    pub reads: u64,
    /// Writes of any width.
    pub writes: u64,
}

impl Gpu {
    /// A GPU after power-on, with `memory` as the machine's RAM.
    pub fn new(config: GpuConfig, memory: GuestRam) -> Gpu {
        let state = GpuState::new(&config, config.effective_outputs());
        let (events, accesses) = Default::default();
        let (open_memory, observed_memory) = (memory.clone(), memory.clone());
        let recording = None;
        Gpu { config, memory, open_memory, observed_memory, events, state, accesses, recording }
    }

    /// Sets or removes the observer of the device's events, which there are if [`crate::TELLS`].
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>) {
        self.events.set_observer(observer, &self.observed_memory);
    }

    /// What kind of GPU this is.
    pub fn config(&self) -> &GpuConfig {
        &self.config
    }

    /// How often software used BAR0.
    pub fn register_accesses(&self) -> RegisterAccesses {
        self.accesses
    }

    /// The RAM that the device reaches.
    #[expect(clippy::misnamed_getters, reason = "only the device itself goes where it is told of")]
    pub fn memory(&self) -> &GuestRam {
        &self.open_memory
    }

    /// The RAM that the device reaches, for its observers, to be read in [`Observer::event`] only: what they
    /// read of a device with a journal is told, so that they find the same in a replay.
    pub fn observed_memory(&self) -> &GuestRam {
        &self.observed_memory
    }

    /// Has the device use this memory; the one until now comes back.
    pub(crate) fn put_memory(&mut self, memory: GuestRam) -> GuestRam {
        self.observed_memory = memory.for_observers();
        self.events.set_memory(&self.observed_memory);
        let old = core::mem::replace(&mut self.open_memory, memory.untapped());
        self.memory = memory;
        old
    }

    pub(crate) fn put_stolen_memory(&mut self, base: u32) {
        self.config.stolen_base = base;
        self.state.pci.place_stolen_memory(base);
    }

    /// Bus address of `bar`, or `None` while the function does not answer there (decoding disabled,
    /// or not in D0).
    pub fn bar_base(&self, bar: Bar) -> Option<u64> {
        self.state.pci.decodes(bar).then(|| self.state.pci.bar_base(bar))
    }

    /// Bytes of `bar`.
    pub fn bar_size(&self, bar: Bar) -> u64 {
        match bar {
            Bar::Bar0 => gen8_spec::pci::BAR0_SIZE,
            Bar::Bar2 => self.config.effective_aperture_size(),
            Bar::Bar4 => gen8_spec::pci::BAR4_SIZE,
        }
    }

    /// Device time in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.state.now_ns
    }

    pub(crate) fn pass_time(&mut self, now_ns: u64) {
        let passed = now_ns.saturating_sub(self.state.now_ns);
        self.state.now_ns += passed;
        self.events.set_time(self.state.now_ns);
        let load = match self.activity() {
            EngineActivity::Idle if self.state.forcewake.is_awake() => Load::Awake,
            EngineActivity::Idle => Load::Asleep,
            EngineActivity::Busy | EngineActivity::Waiting => Load::Working,
        };
        let power = self.state.power.advance(passed, load);
        let GpuState { display, ggtt, now_ns, .. } = &mut self.state;
        let pipes = display.advance_to(*now_ns, ggtt, &self.memory, &mut self.events);
        if power != 0 || pipes.iter().any(|&events| events != 0) {
            self.state.interrupts.raise_pm(power);
            self.state.interrupts.raise_pipes(pipes);
            self.update_interrupt_output();
        }
    }

    /// When device time must come next though nothing else happens: a pipe's blanking that somebody
    /// waits for. `None` if there is none.
    pub fn next_event_ns(&self) -> Option<u64> {
        let pipes = 0..outputs::PIPE_COUNT;
        let heard = pipes.filter(|&pipe| {
            let events = self.state.display.next_events(pipe);
            self.state.interrupts.listens_to_pipe(pipe, events)
        });
        heard.filter_map(|pipe| self.state.display.next_blanking(pipe)).min()
    }

    /// Each engine gets its share, and they take turns at being first, so that no engine waits for
    /// another's endless batch.
    pub(crate) fn run_engines(&mut self, budget: u32) -> StepReport {
        let count = self.state.engines.len();
        let first = self.state.turn;
        let mut left = budget;
        let mut report = StepReport::IDLE;
        for place in 0..count {
            let share = left.div_ceil((count - place) as u32);
            let slice = self
                .with_engine((first + place) % count, |engine, bus| engine.step(share, bus))
                .unwrap_or(StepReport::IDLE);
            left = left.saturating_sub(slice.commands);
            report = report.join(slice);
            self.deliver_signals();
        }
        // What one engine did may be what another waits for: that is worth another look at once.
        if report.acted && report.state == EngineActivity::Waiting {
            report.state = EngineActivity::Busy;
        }
        self.state.turn = (first + 1) % count.max(1);
        self.update_interrupt_output();
        report
    }

    /// What a pipe, 0 to 2, sends to its monitor; `None` while it is off.
    pub fn screen(&self, pipe: usize) -> Option<Screen> {
        self.state.display.screen(pipe, &self.state.ggtt, &self.open_memory)
    }

    /// The memory of what the primary plane of a pipe, 0 to 2, shows; `None` while either is off.
    pub fn surface(&self, pipe: usize) -> Option<Surface> {
        self.state.display.surface(pipe, &self.state.ggtt)
    }

    /// The global GTT, for those who ask what it maps.
    pub fn ggtt(&self) -> &Ggtt {
        &self.state.ggtt
    }

    /// What the engines would do in the next step, as far as can be said without one.
    pub fn activity(&self) -> EngineActivity {
        let engines = self.state.engines.iter().map(Engine::activity);
        engines.max().unwrap_or(EngineActivity::Idle)
    }

    /// Hands the signals of a slice to the engines that they name.
    fn deliver_signals(&mut self) {
        for signal in self.state.signals.drain(..) {
            let named = |engine: &&mut Engine| engine.id() == signal.target;
            if let Some(engine) = self.state.engines.iter_mut().find(named) {
                engine.receive_signal(signal.context);
            }
        }
    }

    pub(crate) fn take_message(&mut self) -> Option<InterruptMessage> {
        let message = self.state.pci.take_interrupt()?;
        self.events.emit_for(Interests::INTERRUPTS, || Event::InterruptTaken(message));
        Some(message)
    }

    /// Whether [`Gpu::take_interrupt`] would give a message.
    pub fn has_interrupt(&self) -> bool {
        self.state.pci.has_interrupt()
    }

    pub(crate) fn connect(&mut self, port: Port, monitor: Monitor) -> Result<(), PlugError> {
        self.state.display.change(port, Some(monitor))?;
        self.hear_of_the_pch();
        self.update_interrupt_output();
        Ok(())
    }

    pub(crate) fn disconnect(&mut self, port: Port) -> Result<(), PlugError> {
        self.state.display.change(port, None)?;
        self.hear_of_the_pch();
        self.update_interrupt_output();
        Ok(())
    }

    /// Takes over to the PCH's bank of interrupts what changed at the ports.
    pub(crate) fn hear_of_the_pch(&mut self) {
        if let Some(news) = self.state.display.take_pch_news() {
            self.state.interrupts.set_pch_levels(news.levels);
            self.state.interrupts.raise_pch(news.events);
        }
    }

    /// The monitors stay, and an asserted INTx is taken back.
    pub(crate) fn reset_function(&mut self) {
        let mut fresh = GpuState::new(&self.config, &self.state.display.outputs());
        fresh.now_ns = self.state.now_ns;
        fresh.pci.inherit_line(&self.state.pci);
        self.state = fresh;
        self.events.emit(|| Event::FunctionReset);
    }

    /// A copy of the device's state.
    pub fn state(&self) -> GpuState {
        self.state.clone()
    }

    pub(crate) fn go_back_to(&mut self, state: GpuState) {
        self.events.set_time(state.now_ns);
        self.state = state;
    }

    /// Calls `work` with engine `index` and the bus, if there is such an engine.
    pub(crate) fn with_engine<R>(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut Engine, &mut Bus<'_>) -> R,
    ) -> Option<R> {
        let state = &mut self.state;
        let bus_master = state.pci.bus_master();
        let engine = state.engines.get_mut(index)?;
        let mut bus = Bus {
            memory: &self.memory,
            observed_memory: &self.observed_memory,
            ggtt: &mut state.ggtt,
            interrupts: &mut state.interrupts,
            faults: &mut state.faults,
            registers: &mut state.registers,
            signals: &mut state.signals,
            events: &mut self.events,
            now_ns: state.now_ns,
            bus_master,
            config: &self.config,
        };
        Some(work(engine, &mut bus))
    }

    /// Takes the interrupt block's output over to the PCI function.
    pub(crate) fn update_interrupt_output(&mut self) {
        let output = self.state.interrupts.sample();
        self.state.pci.signal(output);
    }
}
