//! What the command streamer computes, against small slow functions in another form.

use gen8_spec::commands::mi::{self, atomic, math};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gpu_model::EngineActivity;
use ppgtt::{Levels, PhysicalMemory};
use proptest::prelude::*;

use super::bench::{Bench, Context, END, Vm, load_register, start};
use super::cases::{Random, a_million};

const BCS: EngineId = EngineId::Bcs;
/// A page of data; results follow.
const DATA: u64 = 0x40_0000;
const RESULTS: u64 = gen8_spec::PAGE_SIZE;
const DATA_PAGES: u64 = 8;
const BATCH: u64 = 0x80_0000;
const BATCH_PAGES: u64 = 32;
/// Dwords that fit, less the end of the batch.
const BATCH_DWORDS: usize = (BATCH_PAGES * gen8_spec::PAGE_SIZE / 4) as usize - 2;

/// Seeds that make a million operations.
const ATOMICS: u32 = 220;
const MATHS: u32 = 255;

/// A value that is small, near a sign change, or anything: where results differ.
fn value(random: &mut Random) -> u64 {
    let near = [0, 1, 1 << 31, 1 << 32, 1 << 63, u64::MAX, u64::from(u32::MAX)];
    match random.below(3) {
        0 => near[random.below(7) as usize].wrapping_add(random.below(3)).wrapping_sub(1),
        1 => random.below(4),
        _ => random.next(),
    }
}

/// A context with a data page and room for one long batch.
struct Machine {
    bench: Bench,
    context: Context,
    batch: u64,
    data: u64,
}

impl Machine {
    fn new() -> Machine {
        let mut bench = Bench::new();
        bench.gpu.set_observer(None);
        bench.execlists(BCS);
        let vm: Vm = bench.vm(Levels::Four);
        let [data, batch] = [(DATA, DATA_PAGES), (BATCH, BATCH_PAGES)].map(|(va, count)| {
            let first = bench.pages(count);
            for at in (0..count).map(|page| page * gen8_spec::PAGE_SIZE) {
                bench.map(vm, va + at, first + at);
            }
            first
        });
        let context = bench.context(BCS, vm, 1);
        Machine { bench, context, batch, data }
    }

    /// Runs a user batch to its end.
    fn run(&mut self, commands: &[u32]) {
        assert!(commands.len() <= BATCH_DWORDS);
        self.bench.poke_all(self.batch, commands);
        self.bench.poke(self.batch + 4 * commands.len() as u64, END);
        self.bench.emit(&mut self.context, &start(BATCH, mi::BATCH_PPGTT));
        self.bench.submit(self.context, None);
        assert_eq!(self.bench.run(), EngineActivity::Idle);
    }

    fn gpr(&mut self, n: u32) -> u64 {
        let [low, high] = [0, 4].map(|half| self.bench.get(BCS, reg::GPR0 + 8 * n + half));
        u64::from(high) << 32 | u64::from(low)
    }

    fn qword(&self, at: u64) -> u64 {
        self.bench.ram.read_u64(self.data + at).expect("in RAM")
    }

    fn set_qword(&self, at: u64, value: u64) {
        assert!(self.bench.ram.write_u64(self.data + at, value));
    }
}

/// Address of a general-purpose register.
fn gpr(n: u32) -> u32 {
    BCS.mmio_base() + reg::GPR0 + 8 * n
}

/// Loads 64-bit general-purpose registers.
fn load_gprs(values: &[(u32, u64)]) -> Vec<u32> {
    let halves = |&(n, value): &(u32, u64)| {
        [load_register(gpr(n), value as u32), load_register(gpr(n) + 4, (value >> 32) as u32)]
            .concat()
    };
    values.iter().flat_map(halves).collect()
}

/// MI_STORE_REGISTER_MEM of a 64-bit general-purpose register to result `n`.
fn store_gpr(register: u32, n: usize) -> Vec<u32> {
    let half = |half: u32| {
        let address = (DATA + RESULTS) as u32 + 8 * n as u32 + half;
        [mi::header(mi::STORE_REGISTER_MEM, 2), gpr(register) + half, address, 0]
    };
    [half(0), half(4)].concat()
}

/// MI_ATOMIC at `at` in the data page; `words` are the inline operands as they lie in the command.
fn atomic_command(flags: u32, at: u64, words: &[u32]) -> Vec<u32> {
    let inline = if words.is_empty() { 0 } else { atomic::INLINE };
    let header = mi::header(mi::ATOMIC, 1 + words.len() as u32) | inline | flags;
    let mut command = vec![header, (DATA + at) as u32, 0];
    command.extend(words);
    command
}

const fn operation(code: u32) -> u32 {
    code << atomic::OPERATION_SHIFT
}

/// An operation in words of a wider type: what the manual's sentence says and nothing else.
fn slow_atomic(code: u32, bytes: u32, memory: u64, first: u64, second: u64) -> u64 {
    let modulus = 1_i128 << (8 * bytes);
    let cut = |value: u64| i128::from(value) % modulus;
    let (m, a, b) = (cut(memory), cut(first), cut(second));
    let signed = |value: i128| if value >= modulus / 2 { value - modulus } else { value };
    let bitwise = |rule: fn(bool, bool) -> bool| {
        let bit = |value: i128, n: u32| value >> n & 1 == 1;
        (0..8 * bytes).map(|n| i128::from(rule(bit(m, n), bit(a, n))) << n).sum()
    };
    let result = match code {
        1 => bitwise(|m, a| m && a),
        2 => bitwise(|m, a| m || a),
        3 => bitwise(|m, a| m != a),
        4 => a,
        5 => m + 1,
        6 | 15 => m - 1,
        7 => m + a,
        8 => m - a,
        9 => a - m,
        10 => {
            if signed(a) > signed(m) {
                a
            } else {
                m
            }
        }
        11 => {
            if signed(a) < signed(m) {
                a
            } else {
                m
            }
        }
        12 => std::cmp::max(a, m),
        13 => std::cmp::min(a, m),
        14 => {
            if m == a {
                b
            } else {
                m
            }
        }
        _ => unreachable!("the test names operations 1 to 15"),
    };
    result.rem_euclid(modulus) as u64
}

#[test]
fn a_million_atomics_of_dwords_and_qwords_agree_with_their_descriptions() {
    // Each with the value that it returns.
    a_million(ATOMICS, |seed| {
        let mut random = Random::new(seed);
        let mut machine = Machine::new();
        let mut compared = 0;
        let mut memory: Vec<u64> = (0..8).map(|_| value(&mut random)).collect();
        for (n, &value) in memory.iter().enumerate() {
            machine.set_qword(8 * n as u64, value);
        }
        for _ in 0..2 {
            let mut commands = Vec::new();
            let mut returned = Vec::new();
            while commands.len() + 16 <= BATCH_DWORDS {
                let code = 1 + random.below(15) as u32;
                let wide = random.below(2) == 1;
                let (first, second) = (value(&mut random), value(&mut random));
                let slot = random.below(8);
                let high = !wide && random.below(2) == 1;
                let words =
                    [first as u32, second as u32, (first >> 32) as u32, (second >> 32) as u32];
                let flags = if wide {
                    atomic::SIZE_QWORD | operation(code | 0x20)
                } else {
                    operation(code)
                };
                let words = if wide { &words[..] } else { &words[..2] };
                let at = 8 * slot + if high { 4 } else { 0 };
                commands.extend(atomic_command(flags | atomic::RETURN, at, words));
                let cell = &mut memory[slot as usize];
                let (bytes, shift) = (if wide { 8 } else { 4 }, if high { 32 } else { 0 });
                let mask = if wide { u64::MAX } else { u64::from(u32::MAX) };
                let old = *cell >> shift & mask;
                let new = slow_atomic(code, bytes, old, first, second);
                *cell = *cell & !(mask << shift) | new << shift;
                commands.extend(store_gpr(atomic::RETURN_GPR as u32, returned.len()));
                returned.push(if code == 15 { new } else { old });
            }
            machine.run(&commands);
            for (n, &value) in memory.iter().enumerate() {
                prop_assert_eq!(machine.qword(8 * n as u64), value, "qword {}", n);
            }
            for (n, &value) in returned.iter().enumerate() {
                prop_assert_eq!(machine.qword(RESULTS + 8 * n as u64), value, "atomic {}", n);
            }
            compared += returned.len() as u64;
        }
        Ok(compared)
    });
}

/// The ALU in words of a wider type, one instruction a call.
#[derive(Default)]
struct SlowAlu {
    registers: [u64; 16],
    a: u64,
    b: u64,
    accumulator: u64,
    zero: bool,
    carry: bool,
}

impl SlowAlu {
    fn read(&self, name: u32) -> u64 {
        match name {
            0..16 => self.registers[name as usize],
            math::SRCA => self.a,
            math::SRCB => self.b,
            math::ACCU => self.accumulator,
            math::ZF => u64::from(self.zero) * u64::MAX,
            math::CF => u64::from(self.carry) * u64::MAX,
            _ => unreachable!("the test names operands that exist"),
        }
    }

    fn run(&mut self, operation: u32, to: u32, from: u32) {
        let modulus = 1_i128 << 64;
        let (a, b) = (i128::from(self.a), i128::from(self.b));
        let result = match operation {
            math::ADD => a + b,
            math::SUB => a - b,
            math::AND => a & b,
            math::OR => a | b,
            math::XOR => a ^ b,
            _ => {
                let value = match operation {
                    math::NOOP => return,
                    math::LOAD | math::STORE => self.read(from),
                    math::LOADINV | math::STOREINV => u64::MAX - self.read(from),
                    math::LOAD0 => 0,
                    _ => u64::MAX,
                };
                match to {
                    math::SRCA => self.a = value,
                    math::SRCB => self.b = value,
                    _ => self.registers[to as usize] = value,
                }
                return;
            }
        };
        self.accumulator = result.rem_euclid(modulus) as u64;
        self.zero = result.rem_euclid(modulus) == 0;
        self.carry = !(0..modulus).contains(&result);
    }
}

/// A random ALU instruction without reserved parts.
fn alu_instruction(random: &mut Random) -> [u32; 3] {
    let sources = [math::SRCA, math::SRCB];
    let source = sources[random.below(2) as usize];
    let register = random.below(16) as u32;
    let results = [math::ACCU, math::ACCU, math::ZF, math::CF, math::SRCA, math::SRCB];
    match random.below(12) {
        0 => [math::NOOP, 0, 0],
        1..=3 => [math::LOAD, source, register],
        4 => [math::LOADINV, source, register],
        5 => [if random.below(2) == 0 { math::LOAD0 } else { math::LOAD1 }, source, 0],
        6..=8 => [math::ADD + random.below(5) as u32, 0, 0],
        9 => [math::LOAD, source, math::ACCU],
        10 => [math::STORE, register, results[random.below(6) as usize]],
        _ => [math::STOREINV, register, results[random.below(6) as usize]],
    }
}

#[test]
fn a_million_alu_instructions_agree_with_arithmetic_of_a_wider_type() {
    // All registers are looked at after every 63 at most.
    a_million(MATHS, |seed| {
        let mut random = Random::new(seed);
        let mut machine = Machine::new();
        let (mut commands, mut expected, mut compared) = (Vec::new(), Vec::new(), 0);
        while commands.len() + 16 * 14 + 64 <= BATCH_DWORDS {
            let values: Vec<_> = (0..16).map(|n| (n, value(&mut random))).collect();
            commands.extend(load_gprs(&values));
            let mut alu = SlowAlu::default();
            for (register, (_, value)) in alu.registers.iter_mut().zip(values) {
                *register = value;
            }
            let count = 1 + random.below(63) as u32;
            commands.push(mi::header(mi::MATH, count - 1));
            compared += u64::from(count);
            for _ in 0..count {
                let [operation, to, from] = alu_instruction(&mut random);
                alu.run(operation, to, from);
                let fields = [math::OPERATION_SHIFT, math::OPERAND1_SHIFT];
                commands.push(operation << fields[0] | to << fields[1] | from);
            }
            for (n, value) in alu.registers.into_iter().enumerate() {
                commands.extend(store_gpr(n as u32, expected.len()));
                expected.push(value);
            }
        }
        machine.run(&commands);
        for (n, value) in expected.into_iter().enumerate() {
            prop_assert_eq!(machine.qword(RESULTS + 8 * n as u64), value, "result {}", n);
        }
        Ok(compared)
    });
}

#[test]
fn atomic_of_a_dword_takes_two_inline_dwords_and_returns_to_register_4() {
    let mut machine = Machine::new();
    machine.set_qword(0, 0xffff_ffff_0000_000a);
    let add = atomic_command(operation(atomic::ADD) | atomic::RETURN, 0, &[5, 0]);
    machine.run(&[load_gprs(&[(4, u64::MAX), (5, 77)]), add].concat());
    assert_eq!(machine.qword(0), 0xffff_ffff_0000_000f);
    assert_eq!((machine.gpr(4), machine.gpr(5)), (10, 77));
}

#[test]
fn atomic_without_inline_operands_takes_registers_0_and_2() {
    let mut machine = Machine::new();
    machine.set_qword(8, 5);
    let registers = load_gprs(&[(0, 5), (1, 111), (2, 9), (3, 222)]);
    let code = operation(atomic::CMPWR | 0x20);
    let command = atomic_command(code | atomic::SIZE_QWORD, 8, &[]);
    machine.run(&[registers, command].concat());
    assert_eq!(machine.qword(8), 9);
}

#[test]
fn octword_is_compared_and_written_whole() {
    let mut machine = Machine::new();
    let code = operation(atomic::CMPWR | 0x40) | atomic::SIZE_OCTWORD | atomic::RETURN;
    for (high, written) in [(4, true), (5, false)] {
        machine.set_qword(32, 3);
        machine.set_qword(40, high);
        // Operand 1 is 3 and 4, operand 2 is 6 and 7, qword by qword.
        machine.run(&atomic_command(code, 32, &[3, 6, 0, 0, 4, 7, 0, 0]));
        let expected = if written { (6, 7) } else { (3, high) };
        assert_eq!((machine.qword(32), machine.qword(40)), expected);
        assert_eq!((machine.gpr(4), machine.gpr(5)), (3, high));
    }
    let registers = load_gprs(&[(0, 3), (1, 5), (2, 8), (3, 9)]);
    machine.run(&[registers, atomic_command(code, 32, &[])].concat());
    assert_eq!((machine.qword(32), machine.qword(40)), (8, 9));
}

#[test]
fn atomic_of_a_read_only_page_returns_and_writes_nothing() {
    let mut machine = Machine::new();
    let vm = machine.bench.vm(Levels::Four);
    let context = machine.bench.context(BCS, vm, 2);
    let page = machine.bench.page();
    machine.bench.poke(page, 41);
    let entry = gen8_spec::pte::encode_pte(page, gen8_spec::pte::CacheLevel::Llc, true);
    machine.bench.write_pte(vm, DATA, entry);
    machine.bench.map(vm, BATCH, machine.batch);
    machine.context = context;
    machine.run(&atomic_command(operation(atomic::INC) | atomic::RETURN, 0, &[]));
    assert_eq!((machine.bench.peek(page), machine.gpr(4)), (41, 41));
}

#[test]
fn reserved_atomics_stop_the_engine_before_memory_changes() {
    let octword_add = operation(atomic::ADD | 0x40) | atomic::SIZE_OCTWORD;
    let cases = [
        atomic_command(operation(0), 0, &[]),
        atomic_command(operation(0x10), 0, &[]),
        atomic_command(octword_add, 0, &[]),
        atomic_command(3 << 19 | operation(atomic::INC), 0, &[]),
        // Inline operands that are not all there.
        atomic_command(operation(atomic::ADD | 0x20) | atomic::SIZE_QWORD, 0, &[1, 0]),
    ];
    for command in cases {
        let mut machine = Machine::new();
        machine.set_qword(0, 7);
        machine.bench.poke_all(machine.batch, &command);
        machine.bench.emit(&mut machine.context, &start(BATCH, mi::BATCH_PPGTT));
        machine.bench.submit(machine.context, None);
        assert_eq!(machine.bench.run(), EngineActivity::Waiting, "{:#x}", command[0]);
        assert_eq!(machine.bench.get(BCS, reg::IPEHR), command[0]);
        assert_eq!(machine.qword(0), 7);
    }
}
