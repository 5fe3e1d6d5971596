//! The interpreter: the fuzzer's bytes are what a guest does, one action after the other.

use std::cell::RefCell;

use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::registers::{outputs, planes};
use gen8_spec::{PAGE_SIZE, debug_page, interrupts, pci, pte};
use gpu_model::{Bar, EngineActivity};
use ppgtt::{Levels, PhysicalMemory};

use crate::input::Input;
use crate::machine::{self, BATCH_DWORDS, BATCH_END, Machine, Submission, TABLE_PAGES, TABLES};
use crate::ram::{HIGH, MAIN, READ_ONLY, Ram};
use crate::watched::Watched;
use crate::{blits, commands as build};

/// Actions and steps of a run: enough to reach any state, and an end.
const MOST_ACTIONS: u32 = 400;
const MOST_STEPS: u32 = 100;

/// One thing that a guest does.
type Action = fn(&mut Guest, &mut Input<'_>);

/// Batches of commands, and the page tables that they run on.
const COMMANDS: [Action; 16] = [
    Guest::mi_command,
    Guest::mi_command,
    Guest::mi_command,
    Guest::mi_command,
    Guest::rectangle,
    Guest::rectangle,
    Guest::rectangle,
    Guest::rectangle,
    Guest::setup_or_text,
    Guest::wild_blit,
    Guest::render_command,
    Guest::any_dword,
    Guest::run,
    Guest::run,
    Guest::write_table,
    Guest::write_blitter_tiling,
];

/// Everything that a guest can do.
const TRAFFIC: [Action; 25] = [
    Guest::mi_command,
    Guest::mi_command,
    Guest::mi_command,
    Guest::rectangle,
    Guest::render_command,
    Guest::any_dword,
    Guest::run,
    Guest::run,
    Guest::run,
    Guest::write_table,
    Guest::write_ring_register,
    Guest::write_ring_register,
    Guest::write_ring_register,
    Guest::write_device_register,
    Guest::access_bar,
    Guest::access_aperture,
    Guest::write_image,
    Guest::write_image,
    Guest::write_memory,
    Guest::submit_list,
    Guest::step,
    Guest::advance,
    Guest::reset,
    Guest::configure,
    Guest::display,
];

/// What an observer has something to say about, and the hints of a guest that knows who owns what.
const WATCHED: [Action; 16] = [
    Guest::mi_command,
    Guest::mi_command,
    Guest::rectangle,
    Guest::run,
    Guest::run,
    Guest::run,
    Guest::write_table,
    Guest::write_table,
    Guest::write_ring_register,
    Guest::write_image,
    Guest::access_bar,
    Guest::submit_list,
    Guest::advance,
    Guest::reset,
    Guest::hint,
    Guest::hint,
];

/// Runs batches of wild commands.
pub fn commands(data: &[u8]) {
    run(data, &COMMANDS, None);
}

/// Runs wild register traffic, images and submissions among commands.
pub fn traffic(data: &[u8]) {
    run(data, &TRAFFIC, None);
}

/// Runs wild traffic and hints under every observer, and lets them tell all that they know.
pub fn observers(data: &[u8]) {
    run(data, &WATCHED, Some(Watched::new()));
}

thread_local! {
    /// Mapping it takes longer than a run.
    static RAM: RefCell<Ram> = RefCell::new(Ram::map());
}

fn run(data: &[u8], actions: &[Action], watched: Option<Watched>) {
    let mut input = Input::new(data);
    let setup = input.u8();
    let engine = EngineId::ALL[usize::from(setup & 0x0f) % EngineId::ALL.len()];
    let levels = if setup & 0x10 == 0 { Levels::Four } else { Levels::Three };
    let legacy = setup & 0xe0 == 0xe0;
    let submission = if legacy { Submission::Legacy } else { Submission::Execlists };
    let memory = RAM.with_borrow_mut(Ram::cleared);
    let mut machine = Machine::new(memory, submission, levels);
    if let Some(watched) = &watched {
        machine.watch(watched.observers());
    }
    let mut guest = Guest { machine, engine, batch: Vec::new(), steps: 0 };
    for _ in 0..MOST_ACTIONS {
        if input.is_empty() {
            break;
        }
        input.pick(actions)(&mut guest, &mut input);
    }
    if !guest.batch.is_empty() {
        guest.run(&mut input);
    }
    // Once, as the largest one takes long.
    if let Some(screen) = guest.machine.gpu.screen(0) {
        screen.picture();
    }
    if let Some(watched) = &watched {
        watched.tell(&mut guest.machine.gpu);
    }
    guest.machine.judge(guest.engine);
}

struct Guest {
    machine: Machine,
    /// What the next batch is for.
    engine: EngineId,
    batch: Vec<u32>,
    steps: u32,
}

impl Guest {
    fn mi_command(&mut self, input: &mut Input<'_>) {
        build::mi_command(input, &mut self.batch);
    }

    fn render_command(&mut self, input: &mut Input<'_>) {
        build::render_command(input, &mut self.batch);
    }

    fn rectangle(&mut self, input: &mut Input<'_>) {
        blits::rectangle(input, &mut self.batch);
    }

    fn setup_or_text(&mut self, input: &mut Input<'_>) {
        blits::setup_or_text(input, &mut self.batch);
    }

    fn wild_blit(&mut self, input: &mut Input<'_>) {
        blits::wild(input, &mut self.batch);
    }

    fn any_dword(&mut self, input: &mut Input<'_>) {
        self.batch.push(input.u32());
    }

    /// The batch so far runs: by the ring itself, or started from it with or without privilege.
    fn run(&mut self, input: &mut Input<'_>) {
        let how = input.u8();
        self.batch.truncate(BATCH_DWORDS - 1);
        if how & 0x80 == 0 {
            self.batch.push(BATCH_END);
        }
        match how & 7 {
            0 => {
                let most = PAGE_SIZE as usize / 8;
                let count = self.batch.len().min(most);
                self.machine.submit(self.engine, &self.batch[..count]);
            }
            kind => {
                let flags = if kind == 1 { 0 } else { mi::BATCH_PPGTT };
                self.machine.write_batch(self.engine, &self.batch);
                self.machine.submit(self.engine, &machine::start_batch(self.engine, flags));
            }
        }
        self.batch.clear();
        if how & 0x40 != 0 {
            self.engine = input.pick(&EngineId::ALL);
        }
        for _ in 0..=(how >> 3 & 7) {
            self.step(input);
        }
    }

    fn step(&mut self, _: &mut Input<'_>) {
        if self.steps < MOST_STEPS && self.machine.step() == EngineActivity::Busy {
            self.steps += 1;
        }
        self.machine.gpu.take_interrupt();
    }

    /// An entry of a page table becomes anything.
    fn write_table(&mut self, input: &mut Input<'_>) {
        let page = TABLES + u64::from(input.u8()) % TABLE_PAGES * PAGE_SIZE;
        let entry = match input.u8() {
            byte @ 0..=0x7f => u64::from(byte),
            _ => u64::from(input.u16() & 0x1ff),
        };
        let value = match input.u8() % 8 {
            0 => 0,
            1 => pte::encode_table(TABLES + u64::from(input.u8()) % TABLE_PAGES * PAGE_SIZE),
            2 => physical(input) & pte::ADDRESS_MASK | pte::PRESENT,
            3..=5 => physical(input) & pte::ADDRESS_MASK | u64::from(input.u16() & 0xfff),
            6 => physical(input) | u64::from(input.u16()) << 48,
            _ => input.u64(),
        };
        let done = self.machine.memory.write_u64(page + 8 * entry, value);
        assert!(done, "tables are in RAM");
        if input.u8() & 1 == 0 {
            let register = self.engine.tlb_invalidate_register();
            self.machine.set(register, mmio::TLB_INVALIDATE_REQUEST);
        }
    }

    fn write_blitter_tiling(&mut self, input: &mut Input<'_>) {
        let value = 0x000f_0000 | u32::from(input.u8() & 0x0f);
        self.machine.set(EngineId::Bcs.mmio_base() + reg::BCS_SWCTRL, value);
    }

    fn write_ring_register(&mut self, input: &mut Input<'_>) {
        let offset = build::register(input);
        let value = dword(input);
        self.machine.set(offset, value);
    }

    fn write_device_register(&mut self, input: &mut Input<'_>) {
        let offset = input.pick(&[
            mmio::GDRST,
            mmio::FORCEWAKE_MT,
            interrupts::MASTER,
            interrupts::gt_bank(0),
            interrupts::gt_bank(1),
            interrupts::gt_bank(3),
            mmio::PCODE_MAILBOX,
            mmio::RING_FAULT_REG,
            mmio::TILECTL,
            mmio::RPNSWREQ,
        ]);
        let value = dword(input);
        self.machine.set(offset + 4 * u32::from(input.u8() & 7), value);
    }

    /// A register of the display changes and is read, and its next event comes.
    fn display(&mut self, input: &mut Input<'_>) {
        let register = input.pick(&[
            outputs::PIPECONF,
            outputs::HTOTAL,
            outputs::VTOTAL,
            outputs::VBLANK,
            outputs::PIPESRC,
            planes::DSPCNTR,
            planes::DSPSURF,
            planes::SPRCTL,
            planes::SPRPOS,
            planes::SPRKEYMSK,
            planes::SPRSURF,
            planes::CURCNTR,
            planes::GAMMA_MODE,
            planes::PREC_PAL_INDEX,
            outputs::TRANS_DDI_FUNC_CTL,
            outputs::PORT_CLK_SEL,
            outputs::WRPLL_CTL1,
            outputs::GMBUS0,
            outputs::GMBUS1,
            outputs::GMBUS3,
            outputs::DDI_BUF_CTL,
            outputs::AUX_CH_CTL,
            outputs::SHOTPLUG_CTL,
            interrupts::pipe_bank(0),
        ]);
        let place = input.u8();
        let offset = register + 4 * u32::from(place & 3);
        let value = match place & 0x40 {
            0 => dword(input),
            // On: pipes, planes, ports, clocks and commands alike.
            _ => dword(input) | 1 << 31,
        };
        self.machine.set(offset, value);
        self.machine.gpu.bar_read(Bar::Bar0, offset.into(), 4);
        if let Some(event) = self.machine.gpu.next_event_ns() {
            self.machine.gpu.advance_to(event);
        }
    }

    /// Any access of any size to any place of any BAR; GGTT entries above all.
    fn access_bar(&mut self, input: &mut Input<'_>) {
        let bar = input.pick(&[Bar::Bar0, Bar::Bar0, Bar::Bar2, Bar::Bar4]);
        let offset = match input.u8() % 4 {
            0 => pci::BAR0_GGTT_OFFSET + u64::from(input.u16() & 0xfff),
            1 => u64::from(input.u32()) % pci::BAR0_REGISTERS_SIZE,
            2 => u64::from(input.u16()),
            _ => input.u64(),
        };
        let size = input.pick(&[4, 8, 1, 2, 3, 0, 4, 4]);
        match input.u8() & 3 {
            0 => drop(self.machine.gpu.bar_read(bar, offset, size)),
            1 => self.machine.gpu.bar_write(bar, offset, size, physical(input) | pte::PRESENT),
            _ => self.machine.gpu.bar_write(bar, offset, size, input.u64()),
        }
    }

    /// A fence changes, and accesses go through it.
    fn access_aperture(&mut self, input: &mut Input<'_>) {
        let fence = mmio::FENCE_LO + 8 * (u32::from(input.u8()) % mmio::FENCE_COUNT);
        let (low, high) = (input.u32(), input.u32());
        self.machine.set(fence, low);
        self.machine.set(fence + 4, high);
        for _ in 0..4 {
            let offset = physical(input);
            let size = input.pick(&[1, 2, 4, 8]);
            self.machine.gpu.bar_write(Bar::Bar2, offset, size, u64::MAX);
            self.machine.gpu.bar_read(Bar::Bar2, offset.wrapping_add(1), size);
        }
    }

    /// A dword of the context image.
    fn write_image(&mut self, input: &mut Input<'_>) {
        let at = match input.u8() {
            byte @ 0..=0xbf => 4 * u64::from(byte),
            _ => 4 * u64::from(input.u16() & 0x3ff),
        };
        let value = dword(input);
        self.machine.poke(machine::image_of(self.engine) + at, value);
    }

    fn write_memory(&mut self, input: &mut Input<'_>) {
        let (at, value) = (physical(input), dword(input));
        self.machine.poke(at, value);
    }

    /// A list of the engines' contexts, or of nothing that is one.
    fn submit_list(&mut self, input: &mut Input<'_>) {
        let engine = input.pick(&EngineId::ALL);
        let own = self.machine.descriptor(engine);
        let list = [(); 2].map(|()| match input.u8() % 6 {
            0 => ContextDescriptor(0),
            1 => self.machine.descriptor(input.pick(&EngineId::ALL)),
            2 => ContextDescriptor(own.0 ^ u64::from(input.u16() & 0xfff)),
            3 => ContextDescriptor(input.u64()),
            _ => own,
        });
        self.machine.submit_list(engine, list);
    }

    fn advance(&mut self, input: &mut Input<'_>) {
        let now = match input.u8() {
            0xff => input.u64(),
            byte => self.machine.gpu.now_ns().saturating_add(1 << (byte & 0x1f)),
        };
        self.machine.gpu.advance_to(now);
    }

    fn reset(&mut self, input: &mut Input<'_>) {
        match input.u8() {
            0 => self.machine.gpu.reset(),
            domains => self.machine.set(mmio::GDRST, domains.into()),
        }
        self.machine.answer();
    }

    /// What a driver says of its pages, address spaces and contexts; most of it is no lie about small numbers.
    fn hint(&mut self, input: &mut Input<'_>) {
        let page = match input.u8() {
            byte @ 0..=0xdf => TABLES + u64::from(byte) % TABLE_PAGES * PAGE_SIZE,
            _ => physical(input),
        };
        let number = |input: &mut Input<'_>| match input.u8() {
            0xff => input.u32(),
            byte => u32::from(byte & 7),
        };
        let arguments = [page as u32, (page >> 32) as u32, number(input), number(input)];
        let registers =
            [debug_page::ARG0, debug_page::ARG0 + 4, debug_page::ARG1, debug_page::ARG2];
        for (register, value) in registers.into_iter().zip(arguments) {
            self.machine.set(register, value);
        }
        self.machine.set(debug_page::COMMAND, u32::from(input.u8() & 0x3f));
    }

    fn configure(&mut self, input: &mut Input<'_>) {
        let (offset, value) = (u16::from(input.u8()), input.u32());
        self.machine.gpu.config_write(offset, input.pick(&[1, 2, 4, 3]), value);
        self.machine.gpu.config_read(offset, 4);
        if input.u8() & 3 != 0 {
            self.machine.answer();
        }
    }
}

/// A physical or GGTT address: in one of the regions, at their ends, or anywhere.
fn physical(input: &mut Input<'_>) -> u64 {
    match input.u8() % 8 {
        0..=3 => u64::from(input.u32()) % MAIN.len,
        4 => input.pick(&[HIGH, READ_ONLY]).base + u64::from(input.u16()),
        5 => {
            let range = input.pick(&[MAIN, HIGH, READ_ONLY]);
            range.base + range.len - 8 + u64::from(input.u8() & 0x1f)
        }
        6 => u64::from(input.u32()),
        _ => input.u64(),
    }
}

/// A value for a register: masked bits, an address, or anything.
fn dword(input: &mut Input<'_>) -> u32 {
    match input.u8() % 5 {
        0 => u32::from(input.u16()) * 0x1_0001,
        1 => physical(input) as u32,
        2 => u32::from(input.u8()),
        3 => (physical(input) & !0xfff) as u32 | 1,
        _ => input.u32(),
    }
}
