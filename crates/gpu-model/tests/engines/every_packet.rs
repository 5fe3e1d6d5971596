//! Every opcode of every class, with every length, and with every bit that it does not use: on every
//! engine it does what its rule says, or it is an instruction error that registers and an event tell of,
//! and a reset brings the engine back.

use gen8_spec::commands::length::command_dwords;
use gen8_spec::commands::mi::{self, atomic, flush_dw, semaphore};
use gen8_spec::commands::{blt, pipe_control};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring as reg};
use gpu_model::Event;

use super::bench::Bench;

/// Bytes of the ring: the longest command and what follows it.
const RING_BYTES: u32 = 0x2000;
/// Pages that the operands of a command name, all of them 0.
const OPERAND_PAGES: u64 = 2;
/// Where MI_UPDATE_GTT may write: no RAM of the bench is mapped there.
const SPARE_GGTT: u32 = 0x8000_0000;

/// What becomes of a packet whose operands are all 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Done: the engine goes on behind it.
    Next,
    /// The engine goes elsewhere, or stays: a batch starts, a semaphore waits.
    Elsewhere,
    /// An instruction error.
    Error,
}

/// Fewest dwords of each MI command that there is, from 0x10 on (PRM Vol 2a). Below, all are one dword.
const LONG_MI: [(u32, u32); 25] = [
    (mi::LOAD_SCAN_LINES_INCL, 2),
    (mi::LOAD_SCAN_LINES_EXCL, 2),
    (mi::DISPLAY_FLIP, 3),
    (mi::SET_CONTEXT, 2),
    (mi::URB_CLEAR, 2),
    (mi::MATH, 2),
    (mi::SEMAPHORE_SIGNAL, 2),
    (mi::SEMAPHORE_WAIT, 4),
    (mi::STORE_DATA_IMM, 4),
    (mi::STORE_DATA_INDEX, 3),
    (mi::LOAD_REGISTER_IMM, 3),
    (mi::UPDATE_GTT, 4),
    (mi::STORE_REGISTER_MEM, 4),
    (mi::FLUSH_DW, 3),
    (mi::CLFLUSH, 3),
    (mi::REPORT_PERF_COUNT, 4),
    (mi::LOAD_REGISTER_MEM, 4),
    (mi::LOAD_REGISTER_REG, 3),
    (mi::RS_STORE_DATA_IMM, 4),
    (mi::LOAD_URB_MEM, 4),
    (mi::STORE_URB_MEM, 4),
    (mi::COPY_MEM_MEM, 5),
    (mi::ATOMIC, 3),
    (mi::BATCH_BUFFER_START, 3),
    (mi::CONDITIONAL_BATCH_BUFFER_END, 4),
];

/// The fate of any packet.
fn fate(engine: EngineId, header: u32) -> Fate {
    let Some(dwords) = command_dwords(engine, header) else {
        return Fate::Error;
    };
    match header >> 29 {
        0 => mi_fate(engine, header, dwords),
        blt::CLASS if engine == EngineId::Bcs => blit_fate(header, dwords),
        3 if engine == EngineId::Bcs => Fate::Error,
        3 if header >> 16 == pipe_control::OPCODE && engine == EngineId::Rcs => {
            error_if(dwords < pipe_control::DWORDS)
        }
        3 => Fate::Next,
        _ => Fate::Error,
    }
}

fn error_if(error: bool) -> Fate {
    if error { Fate::Error } else { Fate::Next }
}

fn mi_fate(engine: EngineId, header: u32, dwords: u32) -> Fate {
    let opcode = mi::opcode(header);
    if opcode < mi::FIRST_LONG_OPCODE {
        return Fate::Next;
    }
    match LONG_MI.iter().find(|(known, _)| *known == opcode) {
        None => return Fate::Error,
        Some(&(_, least)) if dwords < least => return Fate::Error,
        Some(_) => {}
    }
    match opcode {
        mi::STORE_DATA_IMM => error_if(header & mi::STORE_QWORD != 0 && dwords < 5),
        mi::FLUSH_DW => match header & flush_dw::POST_SYNC_MASK {
            0 | flush_dw::TIMESTAMP_WRITE => Fate::Next,
            flush_dw::POST_SYNC_WRITE => error_if(dwords < 4),
            _ => Fate::Error,
        },
        mi::ATOMIC => error_if(!is_sound_atomic(header, dwords)),
        mi::SEMAPHORE_WAIT => match header >> semaphore::COMPARE_SHIFT & 7 {
            // 0 is compared with 0.
            semaphore::SAD_GTE_SDD | semaphore::SAD_LTE_SDD | semaphore::SAD_EQ_SDD => Fate::Next,
            semaphore::SAD_GT_SDD | semaphore::SAD_LT_SDD | semaphore::SAD_NEQ_SDD => {
                Fate::Elsewhere
            }
            _ => Fate::Error,
        },
        // The predicate of the render engine is not set.
        mi::BATCH_BUFFER_START if engine == EngineId::Rcs && header & mi::BATCH_PREDICATED != 0 => {
            Fate::Next
        }
        mi::BATCH_BUFFER_START => Fate::Elsewhere,
        _ => Fate::Next,
    }
}

fn is_sound_atomic(header: u32, dwords: u32) -> bool {
    let words = match header & atomic::SIZE_MASK {
        atomic::SIZE_DWORD => 1,
        atomic::SIZE_QWORD => 2,
        atomic::SIZE_OCTWORD => 4,
        _ => return false,
    };
    let operation = header >> atomic::OPERATION_SHIFT & atomic::OPERATION_MASK;
    let known = match words {
        4 => operation == atomic::CMPWR,
        _ => (atomic::AND..=atomic::PREDEC).contains(&operation),
    };
    let inline = header & atomic::INLINE != 0;
    known && (!inline || dwords >= atomic::INLINE_FIRST + 2 * words)
}

/// Of a rectangle of no size, in 8 bits a pixel.
fn blit_fate(header: u32, dwords: u32) -> Fate {
    let least = match blt::opcode(header) {
        blt::XY_SETUP => 10,
        blt::XY_SETUP_MONO_PATTERN_SL => 10,
        blt::XY_SETUP_CLIP | blt::XY_SCANLINES | blt::XY_TEXT_IMMEDIATE => 3,
        blt::XY_PIXEL => 2,
        blt::XY_TEXT => 5,
        blt::COLOR => 6,
        blt::SRC_COPY => 8,
        opcode => match blt::xy_packet(opcode) {
            Some(packet) => {
                let fixed = packet.pattern == blt::PatternOperand::Fixed;
                let number = (header >> blt::FIXED_PATTERN_SHIFT & 0xf) as usize;
                if fixed && number >= blt::FIXED_PATTERNS.len() {
                    return Fate::Error;
                }
                rectangle_dwords(packet)
            }
            None => return Fate::Error,
        },
    };
    error_if(dwords < least)
}

fn rectangle_dwords(packet: blt::XyPacket) -> u32 {
    use blt::{PatternOperand as Pattern, SourceOperand as Source};
    let source = match packet.source {
        Source::None => 0,
        Source::Color | Source::Mono => 4,
        Source::MonoImmediate => 2,
    };
    let pattern = match packet.pattern {
        Pattern::None => 0,
        Pattern::Solid => 1,
        Pattern::Color | Pattern::Fixed => 2,
        Pattern::Mono => 4,
        Pattern::Immediate => 64 / 4,
    };
    6 + source + pattern + if packet.chroma { 2 } else { 0 }
}

/// A device whose engines run packets from a ring, one packet after a reset each.
struct Runner {
    bench: Bench,
    ring: u64,
    operands: u64,
    packets: u32,
    errors: u32,
}

impl Runner {
    fn new() -> Runner {
        let mut bench = Bench::new();
        let ring = bench.pages(u64::from(RING_BYTES / 0x1000));
        let operands = bench.pages(OPERAND_PAGES);
        for page in (0..OPERAND_PAGES).map(|n| n * 0x1000) {
            bench.map_ggtt(page, operands + page);
        }
        Runner { bench, ring, operands, packets: 0, errors: 0 }
    }

    /// Runs a packet whose operands are 0 and compares with its fate.
    fn check(&mut self, engine: EngineId, header: u32) {
        let expected = fate(engine, header);
        let dwords = command_dwords(engine, header).unwrap_or(1);
        let padding = (dwords + 1) % 2;
        let tail = 4 * (dwords + 1 + padding);
        if tail >= RING_BYTES {
            // The longest media and 3D packets do not fit into the ring; their length is no rule
            // of its own.
            return;
        }
        self.packets += 1;
        self.start(engine, header, tail);
        let mut commands = 0;
        for _ in 0..4 {
            commands += self.bench.gpu.step(20).commands;
        }
        let errors = self.bench.events().into_iter().filter_map(|event| match event {
            Event::InstructionError { engine, header, address, .. } => {
                Some((engine, header, address))
            }
            _ => None,
        });
        let told: Vec<_> = errors.collect();
        let eir = self.bench.get(engine, reg::EIR);
        let head = self.bench.get(engine, reg::HEAD);
        let what = format_args!("{} {header:#010x}: {expected:?}", engine.name());
        match expected {
            Fate::Error => {
                self.errors += 1;
                assert_eq!(told, [(engine, header, 0)], "{what}: told");
                assert_eq!(eir, reg::EIR_INSTRUCTION, "{what}: EIR");
                assert_eq!(self.bench.get(engine, reg::IPEHR), header, "{what}: IPEHR");
                assert_eq!((head, commands), (0, 0), "{what}: the engine stays");
            }
            Fate::Next => {
                assert_eq!((told.len(), eir, head), (0, 0, tail), "{what}: no error");
                assert_eq!(commands, 2 + padding, "{what}: its length is {dwords}");
            }
            Fate::Elsewhere => assert_eq!((told.len(), eir), (0, 0), "{what}: no error"),
        }
    }

    /// The engine after a reset, with the packet in its ring and a NOOP behind it. What earlier
    /// packets wrote is gone.
    fn start(&mut self, engine: EngineId, header: u32, tail: u32) {
        self.bench.write_register(mmio::GDRST, engine.reset_domain());
        for at in (0..0x100).step_by(4) {
            self.bench.poke(self.operands + at, 0);
        }
        let update_gtt = header >> 29 == 0 && mi::opcode(header) == mi::UPDATE_GTT;
        self.bench.poke(self.ring, header);
        self.bench.poke(self.ring + 4, if update_gtt { SPARE_GGTT } else { 0 });
        self.bench.events();
        for (register, value) in [
            (reg::EMR, 0),
            (reg::START, self.ring as u32),
            (reg::CTL, (RING_BYTES - 0x1000) | reg::CTL_VALID),
            (reg::TAIL, tail),
        ] {
            self.bench.set(engine, register, value);
        }
    }
}

#[test]
fn every_mi_command_of_every_length_is_done_or_an_instruction_error() {
    let mut runner = Runner::new();
    for engine in EngineId::ALL {
        for opcode in 0..64 {
            for length in 0..0x400 {
                runner.check(engine, mi::header(opcode, length));
            }
        }
    }
    println!("{} packets", runner.packets);
    assert!(runner.packets == 5 * 64 * 0x400 && runner.errors > 100_000, "{}", runner.errors);
}

#[test]
fn every_bit_of_every_mi_command_is_a_field_with_its_rule_or_ignored() {
    let mut runner = Runner::new();
    for engine in EngineId::ALL {
        for opcode in 0..64 {
            let longest = LONG_MI.iter().find(|known| known.0 == opcode).map_or(0, |known| known.1);
            // Short and long enough, with one bit, with all but one, and with all.
            for length in [longest.saturating_sub(2), 12] {
                let flags = (6..23).map(|bit| 1 << bit);
                let flags: Vec<u32> = flags.collect();
                let all = 0x007f_ffc0;
                for bits in flags.iter().copied().chain(flags.iter().map(|bit| all & !bit)) {
                    runner.check(engine, mi::header(opcode, bits | length));
                }
                // Every value of the fields that name operations.
                for field in 0..0x800 {
                    runner.check(engine, mi::header(opcode, field << 10 | length));
                }
            }
        }
    }
    println!("{} packets", runner.packets);
    assert!(runner.packets > 500_000 && runner.errors > 10_000, "{} packets", runner.packets);
}

#[test]
fn every_2d_packet_of_every_length_is_drawn_or_an_instruction_error() {
    let mut runner = Runner::new();
    for opcode in 0..0x80 {
        for dwords in 2..=0x101 {
            let header = blt::header(opcode, dwords);
            runner.check(EngineId::Bcs, header);
            // Bits between opcode and length, one at a time and all.
            for bits in (8..22).map(|bit| 1 << bit).chain([0x003f_ff00]) {
                runner.check(EngineId::Bcs, header | bits);
            }
        }
        for engine in EngineId::ALL {
            runner.check(engine, blt::header(opcode, 8));
        }
    }
    println!("{} packets", runner.packets);
    assert!(runner.packets > 500_000 && runner.errors > 100_000, "{} packets", runner.packets);
}

#[test]
fn every_packet_of_the_other_classes_is_skipped_by_its_length_or_an_instruction_error() {
    let mut runner = Runner::new();
    for engine in EngineId::ALL {
        for class in [1, 3, 4, 5, 6, 7] {
            // Subtype, opcode and subopcode; then length and flags.
            for opcode in 0..0x2000 {
                for low in [0, 4, 0xff, 0x1ff, 0xff00] {
                    runner.check(engine, class << 29 | opcode << 16 | low);
                }
            }
        }
    }
    println!("{} packets", runner.packets);
    assert!(runner.packets > 500_000 && runner.errors > 400_000, "{} packets", runner.packets);
}
