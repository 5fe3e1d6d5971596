//! Rules, one by one.

use gen8_spec::commands::blt;
use gen8_spec::commands::mi::semaphore;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio;
use gen8_spec::pte;
use gen8_spec::{PAGE_SIZE, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::case::{address, packet_of, point};
use super::field::{FIELD_BYTES, FIELD_VA, Field};
use crate::bench::{Bench, load_register, wait_ggtt};

const BCS: EngineId = EngineId::Bcs;
const WRITE: u32 = blt::WRITE_ALPHA | blt::WRITE_RGB;
const COLOR: u32 = 0x1122_3344;

/// BR13 without flags.
fn control(depth: u32, rop: u32, pitch: u32) -> u32 {
    depth << blt::DEPTH_SHIFT | rop << blt::ROP_SHIFT | pitch
}

/// XY_COLOR_BLT of rows of 1024 dwords.
fn fill(offset: i64, rows: i16, color: u32) -> Vec<u32> {
    let mut operands = vec![control(blt::DEPTH_8888, blt::ROP_PATTERN, PAGE_SIZE as u32)];
    operands.extend([point(0, 0), point(1024, rows)]);
    operands.extend(address(offset));
    operands.push(color);
    packet_of(blt::XY_COLOR, WRITE, operands)
}

/// XY_SRC_COPY_BLT of a byte a pixel inside a surface at offset 0: `from` to `to`.
fn copy(rop: u32, from: (i16, i16), to: (i16, i16), size: (i16, i16)) -> Vec<u32> {
    let pitch = 8192;
    let mut operands = vec![control(blt::DEPTH_8, rop, pitch)];
    operands.extend([point(to.0, to.1), point(to.0 + size.0, to.1 + size.1)]);
    operands.extend(address(0));
    operands.extend([point(from.0, from.1), pitch]);
    operands.extend(address(0));
    packet_of(blt::XY_SRC_COPY, WRITE, operands)
}

#[test]
fn what_a_copy_covers_of_its_own_source_moves_as_it_was() {
    // Plain, and exclusive-or with what is there: both ways to draw, with rows of several runs.
    for rop in [blt::ROP_SOURCE, 0x66] {
        for (dx, dy) in [(1, 0), (-1, 0), (700, 0), (-5000, 0), (3, 1), (-3, 1), (3, -1), (0, -2)] {
            let mut field = Field::new();
            field.scramble(7);
            let before = field.bytes();
            let (from, size) = ((6000, 10), (1500, 5));
            let commands = copy(rop, from, (from.0 + dx, from.1 + dy), size);
            assert_eq!(field.run(&commands, 100), EngineActivity::Idle);
            let after = field.bytes();
            for y in 0..size.1 {
                for x in 0..size.0 {
                    let at = |x: i16, y: i16| usize::from(y as u16) * 8192 + usize::from(x as u16);
                    let source = at(from.0 + x, from.1 + y);
                    let target = at(from.0 + x + dx, from.1 + y + dy);
                    let old = if rop == 0x66 { before[target] } else { 0 };
                    assert_eq!(after[target], before[source] ^ old, "{rop:#x} {dx} {dy}: {x} {y}");
                }
            }
        }
    }
}

#[test]
fn a_step_draws_a_small_piece_of_a_large_blit() {
    let mut field = Field::new();
    let rows = (FIELD_BYTES / PAGE_SIZE) as i16;
    field.start(&fill(0, rows, COLOR));
    let mut steps = 0;
    loop {
        let report = field.bench.gpu.step(1);
        assert!(report.commands <= 1);
        if report.state != EngineActivity::Busy {
            break;
        }
        steps += 1;
    }
    assert!(steps as u64 >= FIELD_BYTES >> 18, "only {steps} steps");
    assert!(field.bytes().chunks_exact(4).all(|pixel| pixel == COLOR.to_le_bytes()));
}

#[test]
fn a_blit_goes_on_from_a_snapshot_where_it_was() {
    let mut field = Field::new();
    let rows = (FIELD_BYTES / PAGE_SIZE) as i16;
    field.start(&fill(0, rows, COLOR));
    field.bench.gpu.step(2000);
    let drawn = field.bytes().iter().filter(|&&byte| byte != 0).count();
    assert!(drawn > 0 && drawn < FIELD_BYTES as usize);
    let state = field.bench.gpu.state();
    assert_eq!(field.finish(2000), EngineActivity::Idle);
    field.put(0, &vec![0; FIELD_BYTES as usize]);
    field.bench.gpu.restore(state);
    assert_eq!(field.finish(2000), EngineActivity::Idle);
    let bytes = field.bytes();
    assert!(bytes[..drawn].iter().all(|&byte| byte == 0));
    assert!(bytes[drawn..].iter().all(|&byte| byte != 0));
}

#[test]
fn a_reset_ends_a_blit_in_the_middle() {
    let mut field = Field::new();
    field.start(&fill(0, (FIELD_BYTES / PAGE_SIZE) as i16, COLOR));
    field.bench.gpu.step(2000);
    field.bench.write_register(mmio::GDRST, BCS.reset_domain());
    let drawn = field.bytes();
    assert_eq!(field.finish(2000), EngineActivity::Idle);
    assert!(field.bytes() == drawn, "the blit went on");
    // The same packet at the same address starts anew.
    field.put(0, &[0; 16]);
    field.bench.execlists(BCS);
    field.context = {
        let vm = field.vm;
        field.bench.context(BCS, vm, 2)
    };
    field.run(&fill(0, (FIELD_BYTES / PAGE_SIZE) as i16, COLOR), 2000);
    assert!(field.bytes().iter().all(|&byte| byte != 0));
}

#[test]
fn a_page_that_is_not_mapped_stops_the_blit_with_a_fault_there() {
    let mut field = Field::new();
    let hole = FIELD_VA + 3 * PAGE_SIZE;
    let vm = field.vm;
    field.bench.write_pte(vm, hole, 0);
    assert_eq!(field.run(&fill(0, 8, COLOR), 1000), EngineActivity::Waiting);
    let fault = field.bench.read_register(mmio::RING_FAULT_REG);
    assert_eq!(fault & mmio::FAULT_VALID, mmio::FAULT_VALID);
    assert_eq!(fault >> mmio::FAULT_ENGINE_SHIFT & 7, BCS.fault_id());
    let page = field.bench.read_register(mmio::FAULT_TLB_DATA0);
    assert_eq!(page, (hole >> mmio::FAULT_DATA0_ADDRESS_SHIFT) as u32);
    let bytes = field.bytes();
    assert!(bytes[..3 * 4096].iter().all(|&byte| byte != 0));
    assert!(bytes[3 * 4096..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_read_only_page_keeps_its_bytes_and_the_rest_is_drawn() {
    for tiled in [false, true] {
        let mut field = Field::new();
        let vm = field.vm;
        let at = field.bench.write_pte(vm, FIELD_VA + PAGE_SIZE, 0);
        let page = field.page(1);
        let entry = pte::encode_pte(page, pte::CacheLevel::Llc, true);
        assert!(ppgtt::PhysicalMemory::write_u64(&field.bench.ram, at, entry));
        let mut packet = fill(0, 8, COLOR);
        if tiled {
            packet[0] |= blt::DESTINATION_TILED;
            packet[1] = control(blt::DEPTH_8888, blt::ROP_PATTERN, PAGE_SIZE as u32 / 4);
        }
        assert_eq!(field.run(&packet, 1000), EngineActivity::Idle);
        let bytes = field.bytes();
        for (page, bytes) in bytes.chunks_exact(4096).enumerate() {
            let drawn = page != 1 && page < 8;
            assert!(bytes.iter().all(|&byte| (byte != 0) == drawn), "page {page}");
        }
    }
}

#[test]
fn operands_that_the_raster_operation_ignores_are_not_read() {
    let mut field = Field::new();
    let mut operands = vec![control(blt::DEPTH_8888, 0xff, 4096), point(0, 0), point(4, 4)];
    operands.extend(address(0));
    operands.extend([point(0, 0), 4096, 0, 0x7000]);
    // XY_FULL_BLT with source and pattern where nothing is mapped.
    operands.extend([0, 0x7000]);
    let packet = packet_of(0x55, WRITE, operands);
    assert_eq!(field.run(&packet, 1000), EngineActivity::Idle);
    assert_eq!(field.bytes()[..16], [0xff; 16]);
}

#[test]
fn blits_use_translations_that_nobody_invalidated() {
    let mut field = Field::new();
    assert_eq!(field.run(&fill(0, 1, COLOR), 1000), EngineActivity::Idle);
    let other = field.bench.page();
    let vm = field.vm;
    field.bench.map(vm, FIELD_VA, other);
    assert_eq!(field.run(&fill(0, 1, 1), 1000), EngineActivity::Idle);
    assert_eq!(field.bench.peek(other), 0, "the new page before the invalidation");
    field.bench.write_register(BCS.tlb_invalidate_register(), mmio::TLB_INVALIDATE_REQUEST);
    assert_eq!(field.run(&fill(0, 1, 2), 1000), EngineActivity::Idle);
    assert_eq!(field.bench.peek(other), 2);
}

#[test]
fn a_setup_does_not_outlive_its_context() {
    let mut field = Field::new();
    let mut setup = vec![control(blt::DEPTH_8888, blt::ROP_PATTERN, 4096) | blt::SOLID_PATTERN];
    setup.extend([0, 0]);
    setup.extend(address(0));
    setup.extend([COLOR, 0, 0, 0]);
    let setup = packet_of(blt::XY_SETUP_MONO_PATTERN_SL, WRITE, setup);
    let pixel = packet_of(blt::XY_PIXEL, 0, [point(1, 0)]);
    assert_eq!(field.run(&[setup.clone(), pixel.clone()].concat(), 1000), EngineActivity::Idle);
    assert_eq!(field.bytes()[4..8], COLOR.to_le_bytes());
    field.put(0, &[0; 8]);
    field.context = {
        let vm = field.vm;
        field.bench.context(BCS, vm, 2)
    };
    field.run(&pixel, 1000);
    assert_eq!(field.bytes()[..8], [0; 8]);
}

/// A setup packet with a clip rectangle, and scan lines that it clips.
fn setup_and_scanlines(opcode: u32, seed: u32) -> [Vec<u32>; 2] {
    let mut setup = vec![control(blt::DEPTH_8888, blt::ROP_PATTERN, 4096) | blt::CLIP];
    setup.extend([point(3, 1), point(20, 6)]);
    setup.extend(address(4 * i64::from(seed)));
    setup.extend([COLOR + seed, !COLOR + seed]);
    // Bits, or the address of pixels.
    setup.extend(address(PAGE_SIZE as i64 * 64));
    let scanlines = packet_of(blt::XY_SCANLINES, 0, [point(0, 0), point(30, 8)]);
    [packet_of(opcode, WRITE, setup), scanlines]
}

#[test]
fn a_setup_comes_back_after_a_preemption_by_a_context_with_its_own() {
    for opcode in [blt::XY_SETUP, blt::XY_SETUP_MONO_PATTERN_SL] {
        let draw = |preempted: bool| {
            let mut field = Field::new();
            field.put(64 * PAGE_SIZE, &std::array::from_fn::<u8, 256, _>(|n| n as u8));
            let Field { bench, vm, .. } = &mut field;
            let gate = bench.page();
            let [setup, scanlines] = setup_and_scanlines(opcode, 0);
            let mut low = bench.context(BCS, *vm, 2);
            let wait = wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1);
            bench.emit(&mut low, &[&setup[..], &wait, &scanlines].concat());
            bench.submit(low, None);
            assert_eq!(bench.run(), EngineActivity::Waiting);
            if preempted {
                let mut high = bench.context(BCS, *vm, 3);
                bench.emit(&mut high, &setup_and_scanlines(opcode, 1)[0]);
                bench.submit(high, None);
                assert_eq!(bench.run(), EngineActivity::Idle);
                bench.submit(low, None);
            }
            bench.poke(gate, 1);
            assert_eq!(bench.run(), EngineActivity::Idle);
            field.bytes()
        };
        let whole = draw(false);
        assert!(whole[4096 + 12..][..4] != [0; 4], "{opcode:#x} drew nothing");
        assert!(draw(true) == whole, "{opcode:#x}");
    }
}

#[test]
fn a_ring_without_ppgtt_blits_in_the_global_gtt() {
    let mut bench = Bench::new();
    let target = bench.page();
    let mut context = {
        let vm = bench.vm(Levels::Four);
        bench.context(BCS, vm, 1)
    };
    context.descriptor.0 &= !gen8_spec::execlists::ContextDescriptor::PPGTT;
    bench.execlists(BCS);
    let mut operands = vec![control(blt::DEPTH_8888, blt::ROP_PATTERN, 4096)];
    operands.extend([point(0, 0), point(2, 1), target as u32, 0, COLOR]);
    bench.emit(&mut context, &load_register(BCS.mmio_base() + mmio::ring::BCS_SWCTRL, 0));
    bench.emit(&mut context, &packet_of(blt::XY_COLOR, WRITE, operands));
    bench.submit(context, None);
    assert_eq!(bench.run(), EngineActivity::Idle);
    assert_eq!(
        [bench.peek(target), bench.peek(target + 4), bench.peek(target + 8)],
        [COLOR, COLOR, 0]
    );
}

#[test]
fn rows_and_columns_of_32767_pixels_are_drawn_whole() {
    // One row as wide as coordinates go, from the most negative one on; it ends with the field.
    let mut field = Field::new();
    let mut operands = vec![control(blt::DEPTH_8, blt::ROP_PATTERN, 0)];
    operands.extend([point(i16::MIN, 0), point(i16::MAX, 1)]);
    operands.extend(address(1 << 15));
    operands.push(0xab);
    assert_eq!(field.run(&packet_of(blt::XY_COLOR, 0, operands), 1), EngineActivity::Idle);
    let bytes = field.bytes();
    assert!(bytes[..0xffff].iter().all(|&byte| byte == 0xab));
    assert_eq!(bytes[0xffff], 0);
}

#[test]
fn masked_formats_are_told_apart() {
    let mut field = Field::new();
    let swctrl = BCS.mmio_base() + mmio::ring::BCS_SWCTRL;
    let mut packet = fill(0, 1, COLOR);
    packet[0] |= blt::DESTINATION_TILED;
    packet[1] = control(blt::DEPTH_8888, blt::ROP_PATTERN, 1024);
    packet[3] = point(8, 1);
    let y = load_register(swctrl, masked_enable(mmio::ring::BCS_DESTINATION_Y));
    assert_eq!(field.run(&[&y[..], &packet].concat(), 100), EngineActivity::Idle);
    let bytes = field.bytes();
    assert!(bytes[..16].iter().chain(&bytes[512..528]).all(|&byte| byte != 0));
    assert!(bytes[16..512].iter().all(|&byte| byte == 0));
}

/// All packets with a monochrome pattern: PRM Vol 10, BR13 "Solid Pattern Select".
#[test]
fn a_solid_pattern_is_its_background_whatever_its_bits() {
    const FOREGROUND: u32 = 0x5566_7788;
    for opcode in [0x52, 0x57, 0x58, 0x59] {
        let mut field = Field::new();
        let solid = control(blt::DEPTH_8888, blt::ROP_PATTERN, 64) | blt::SOLID_PATTERN;
        let mut operands = vec![solid, point(0, 0), point(16, 8)];
        operands.extend(address(0));
        match opcode {
            0x57 => operands.extend([&[point(0, 0), 64][..], &address(0)].concat()),
            0x58 => operands.extend([&address(0)[..], &[0, 0]].concat()),
            _ => {}
        }
        operands.extend([COLOR, FOREGROUND, 0xa5a5_a5a5, 0x5a5a_5a5a]);
        // One of the fixed patterns is in the header.
        if opcode == 0x59 {
            operands.truncate(operands.len() - 2);
        }
        let packet = packet_of(opcode, WRITE, operands);
        assert_eq!(field.run(&packet, 1000), EngineActivity::Idle);
        let bytes = field.bytes();
        assert!(bytes[..512].chunks(4).all(|pixel| pixel == COLOR.to_le_bytes()), "{opcode:#x}");
    }
}
