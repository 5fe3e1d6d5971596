//! What software hears about the picture: CRCs of frames, and planes without memory.

use std::sync::{Arc, Mutex};

use gen8_spec::pte::encode_ggtt_pte;
use gen8_spec::registers::{outputs as regs, planes as plane};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE, interrupts, pci};
use gpu_model::display::PlaneId;
use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, Observer};

/// Pages of RAM; those of the GGTT from [`FIRST`] on are the same.
const PAGES: u64 = 64;
const FIRST: u64 = 0x100;
/// The picture.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 16;
/// Where other surfaces begin.
const SECOND: u64 = 16;
const CURSOR: u64 = 32;
const BGRX888: u32 = plane::FORMAT_BGRX888 << plane::PLANE_FORMAT_SHIFT;

/// A GPU whose pipe A sends frames.
struct Sending {
    gpu: Gpu,
    memory: GuestRam,
    /// Planes that had no memory, and where.
    faults: Arc<Mutex<Vec<(PlaneId, u64)>>>,
}

struct Faults(Arc<Mutex<Vec<(PlaneId, u64)>>>);

impl Observer for Faults {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        if let &Event::PlaneFault { pipe: 0, plane, address, .. } = event {
            self.0.lock().unwrap().push((plane, address));
        }
    }
}

impl Sending {
    fn new() -> Sending {
        let mut config = GpuConfig::by_device_id(0x1616).unwrap();
        config.outputs = vec!["hdmi=1024x768".parse().unwrap()];
        let memory = GuestRam::anonymous(PAGES * PAGE_SIZE).unwrap();
        let mut gpu = Gpu::new(config, memory.clone());
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        let faults = Arc::default();
        gpu.set_observer(Some(Box::new(Faults(Arc::clone(&faults)))));
        let mut sending = Sending { gpu, memory, faults };
        for page in 0..PAGES {
            sending.map(page, encode_ggtt_pte(page * PAGE_SIZE));
        }
        let bank = interrupts::pipe_bank(0);
        let port_b = 1 << regs::TRANS_DDI_PORT_SHIFT;
        sending.write(&[
            (regs::WRPLL_CTL1, 0xb020_0e13),
            (regs::PORT_CLK_SEL + 4, regs::PORT_CLK_SEL_WRPLL1 << regs::PORT_CLK_SEL_SHIFT),
            (regs::HTOTAL, 1343 << 16 | 1023),
            (regs::VTOTAL, 805 << 16 | 767),
            (regs::VBLANK, 805 << 16 | 767),
            (regs::TRANS_DDI_FUNC_CTL, regs::TRANS_DDI_FUNC_ENABLE | port_b),
            (regs::PIPESRC, (WIDTH - 1) << regs::PIPESRC_WIDTH_SHIFT | (HEIGHT - 1)),
            (regs::PIPECONF, regs::PIPECONF_ENABLE),
            (bank + interrupts::IMR, 0),
            (bank + interrupts::IER, u32::MAX),
        ]);
        sending
    }

    fn write(&mut self, registers: &[(u32, u32)]) {
        for &(register, value) in registers {
            self.gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
        }
    }

    fn read(&mut self, register: u32) -> u32 {
        self.gpu.bar_read(Bar::Bar0, register.into(), 4) as u32
    }

    fn map(&mut self, page: u64, pte: u64) {
        self.gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * (FIRST + page), 8, pte);
    }

    /// Puts a pixel, counted along the rows, into a linear surface that is as wide as the picture.
    fn put(&self, page: u64, pixel: u32, color: u32) {
        let address = page * PAGE_SIZE + u64::from(4 * pixel);
        assert!(self.memory.write_bytes(address, &color.to_le_bytes()));
    }

    /// Shows the primary plane, linear in 32 bits, from a page on.
    fn show(&mut self, page: u64) {
        self.write(&[
            (plane::DSPCNTR, plane::PLANE_ENABLE | BGRX888),
            (plane::DSPSTRIDE, 4 * WIDTH),
            (plane::DSPOFFSET, 0),
            (plane::DSPSURF, surface(page)),
        ]);
    }

    /// Lets the next blanking come; the events of the pipe's bank, which are cleared.
    fn blank(&mut self) -> u32 {
        let next = self.gpu.next_event_ns().expect("something is waited for");
        self.gpu.advance_to(next);
        let iir = interrupts::pipe_bank(0) + interrupts::IIR;
        let events = self.read(iir);
        self.write(&[(iir, u32::MAX), (iir, u32::MAX)]);
        events
    }

    /// The CRC of the frame after the next blanking, when everything that was written shows.
    fn crc(&mut self, source: u32) -> u32 {
        self.write(&[(plane::PIPE_CRC_CTL, crc_of(source))]);
        self.blank();
        assert_ne!(self.blank() & regs::PIPE_CRC_DONE, 0);
        self.read(plane::PIPE_CRC_RES_1)
    }

    fn take_faults(&self) -> Vec<(PlaneId, u64)> {
        core::mem::take(&mut self.faults.lock().unwrap())
    }
}

fn surface(page: u64) -> u32 {
    ((FIRST + page) << PAGE_SHIFT) as u32
}

fn crc_of(source: u32) -> u32 {
    plane::PIPE_CRC_ENABLE | source << plane::PIPE_CRC_SOURCE_SHIFT
}

/// A color that tells the place.
fn color(pixel: u32) -> u32 {
    pixel.wrapping_mul(0x9e_3779) >> 3 & 0xff_ffff
}

#[test]
fn the_surface_of_a_plane_is_the_one_that_shows() {
    let mut sending = Sending::new();
    sending.show(0);
    sending.blank();
    let shown = sending.gpu.surface(0);
    assert_eq!(shown.as_ref().map(|surface| surface.bytes), Some(u64::from(4 * WIDTH * HEIGHT)));
    sending.write(&[(plane::DSPCNTR, 0), (plane::DSPSTRIDE, 8 * WIDTH), (plane::DSPSURF, 0)]);
    assert_eq!(sending.gpu.surface(0), shown);
    sending.blank();
    assert_eq!(sending.gpu.surface(0), None);
}

#[test]
fn every_frame_has_a_crc_as_long_as_software_asks_for_it() {
    let mut sending = Sending::new();
    sending.show(0);
    assert_eq!(sending.blank() & regs::PIPE_CRC_DONE, 0);
    sending.write(&[(plane::PIPE_CRC_CTL, crc_of(plane::PIPE_CRC_SOURCE_PF))]);
    for _ in 0..3 {
        assert_ne!(sending.blank() & regs::PIPE_CRC_DONE, 0);
        assert_ne!(sending.read(plane::PIPE_CRC_RES_1), 0);
    }
    sending.write(&[(plane::PIPE_CRC_CTL, 0)]);
    assert_eq!(sending.blank() & regs::PIPE_CRC_DONE, 0);
}

#[test]
fn who_waits_for_crcs_alone_is_woken_by_blankings_only_while_there_are_some() {
    let mut sending = Sending::new();
    let imr = interrupts::pipe_bank(0) + interrupts::IMR;
    sending.write(&[(imr, !regs::PIPE_CRC_DONE)]);
    assert_eq!(sending.gpu.next_event_ns(), None);
    sending.write(&[(plane::PIPE_CRC_CTL, crc_of(plane::PIPE_CRC_SOURCE_PF))]);
    assert!(sending.gpu.next_event_ns().is_some());
}

#[test]
fn a_crc_is_of_the_frame_that_ended_not_of_the_one_that_begins() {
    let mut sending = Sending::new();
    sending.put(SECOND, 0, 0xff_ffff);
    sending.show(0);
    let black = sending.crc(plane::PIPE_CRC_SOURCE_PF);
    sending.show(SECOND);
    sending.blank();
    assert_eq!(sending.read(plane::PIPE_CRC_RES_1), black);
    sending.blank();
    assert_ne!(sending.read(plane::PIPE_CRC_RES_1), black);
}

#[test]
fn the_same_picture_has_the_same_crc_however_it_is_made() {
    let mut sending = Sending::new();
    for pixel in 0..WIDTH * HEIGHT {
        sending.put(0, pixel, color(pixel));
        // X-tiled: 512 bytes of a row, eight rows.
        let (x, y) = (pixel % WIDTH, pixel / WIDTH);
        sending.put(SECOND + u64::from(y / 8), y % 8 * 128 + x, 0xaa00_0000 | color(pixel));
        // Five pixels to the right, three rows below, red and blue swapped.
        let swapped = color(pixel).swap_bytes() >> 8;
        sending.put(SECOND + 2, (y + 3) * 2 * WIDTH + x + 5, swapped);
    }
    sending.show(0);
    let linear = sending.crc(plane::PIPE_CRC_SOURCE_PF);
    sending.write(&[
        (plane::DSPCNTR, plane::PLANE_ENABLE | BGRX888 | plane::PLANE_X_TILED),
        (plane::DSPSTRIDE, 512),
        (plane::DSPSURF, surface(SECOND)),
    ]);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PF), linear, "tiled");
    sending.write(&[
        (plane::DSPCNTR, plane::PLANE_ENABLE | plane::FORMAT_RGBX888 << plane::PLANE_FORMAT_SHIFT),
        (plane::DSPSTRIDE, 8 * WIDTH),
        (plane::DSPOFFSET, 3 << 16 | 5),
        (plane::DSPSURF, surface(SECOND + 2)),
    ]);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PF), linear, "panned");
    sending.write(&[
        (plane::DSPCNTR, 0),
        (plane::DSPSURF, 0),
        (
            plane::SPRCTL,
            plane::PLANE_ENABLE | plane::SPRITE_FORMAT_888 << plane::SPRITE_FORMAT_SHIFT,
        ),
        (plane::SPRSTRIDE, 4 * WIDTH),
        (plane::SPRSIZE, (HEIGHT - 1) << 16 | (WIDTH - 1)),
        (plane::SPRSURF, surface(0)),
    ]);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PF), linear, "sprite");
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_SPRITE), linear, "sprite alone");
    assert_ne!(sending.crc(plane::PIPE_CRC_SOURCE_PRIMARY), linear, "no primary plane");
}

#[test]
fn a_cursor_moves_by_its_place_alone_and_all_else_waits_for_an_address() {
    let mut sending = Sending::new();
    sending.put(CURSOR, 0, 0xff12_3456);
    sending.show(0);
    show(&mut sending, PlaneId::Cursor, CURSOR);
    let first = sending.crc(plane::PIPE_CRC_SOURCE_PF);
    sending.write(&[(plane::CURPOS, 5)]);
    let moved = sending.crc(plane::PIPE_CRC_SOURCE_PF);
    assert_ne!(moved, first);
    sending.write(&[(plane::CURCNTR, 0), (plane::DSPCNTR, 0)]);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PF), moved);
    sending.write(&[(plane::CURBASE, 0)]);
    assert_ne!(sending.crc(plane::PIPE_CRC_SOURCE_PF), moved);
}

#[test]
fn asynchronous_flips_are_done_at_once_from_the_blanking_on_that_lets_them() {
    let mut sending = Sending::new();
    let iir = interrupts::pipe_bank(0) + interrupts::IIR;
    sending.show(0);
    sending.blank();
    let asynchronous = plane::PLANE_ENABLE | BGRX888 | plane::PLANE_ASYNC_FLIP;
    // The first one still waits.
    sending.write(&[(plane::DSPCNTR, asynchronous), (plane::DSPSURF, surface(SECOND))]);
    assert_eq!(sending.read(iir), 0);
    assert_eq!(sending.read(plane::DSPSURFLIVE), surface(0));
    assert_ne!(sending.blank() & regs::PIPE_PRIMARY_FLIP_DONE, 0);
    for page in [0, SECOND, 0] {
        sending.write(&[(plane::DSPSURF, surface(page))]);
        assert_eq!(sending.read(iir), regs::PIPE_PRIMARY_FLIP_DONE);
        assert_eq!(sending.read(plane::DSPSURFLIVE), surface(page));
        sending.write(&[(iir, u32::MAX)]);
        assert_eq!(sending.read(iir), 0, "once");
    }
    // Other planes wait, and the blanking has nothing more to tell.
    show(&mut sending, PlaneId::Sprite, SECOND);
    assert_eq!(sending.read(plane::SPRSURFLIVE), 0);
    let events = sending.blank();
    assert_eq!(events & regs::PIPE_PRIMARY_FLIP_DONE, 0);
    assert_ne!(events & regs::PIPE_SPRITE_FLIP_DONE, 0);
    // Without the bit the next one waits again.
    sending.write(&[(plane::DSPCNTR, plane::PLANE_ENABLE | BGRX888)]);
    sending.write(&[(plane::DSPSURF, surface(SECOND)), (iir, u32::MAX)]);
    sending.write(&[(plane::DSPSURF, surface(0))]);
    assert_eq!(sending.read(plane::DSPSURFLIVE), surface(SECOND));
}

#[test]
fn every_pixel_and_the_size_count_in_a_crc() {
    let mut sending = Sending::new();
    sending.show(0);
    let mut seen = vec![sending.crc(plane::PIPE_CRC_SOURCE_PF)];
    for pixel in [0, 1, WIDTH - 1, WIDTH, WIDTH * HEIGHT - 1] {
        sending.put(0, pixel, 1);
        seen.push(sending.crc(plane::PIPE_CRC_SOURCE_PF));
        sending.put(0, pixel, 0);
    }
    let taller = (WIDTH - 1) << regs::PIPESRC_WIDTH_SHIFT | HEIGHT;
    sending.write(&[(regs::PIPESRC, taller)]);
    seen.push(sending.crc(plane::PIPE_CRC_SOURCE_PF));
    sending.write(&[(regs::PIPESRC, 15 << 16 | (4 * HEIGHT - 1))]);
    seen.push(sending.crc(plane::PIPE_CRC_SOURCE_PF));
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn the_crc_of_a_plane_alone_has_no_other_plane_and_no_gamma_in_it() {
    let mut sending = Sending::new();
    sending.put(CURSOR, 0, 0xff12_3456);
    sending.show(0);
    let alone = sending.crc(plane::PIPE_CRC_SOURCE_PRIMARY);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PF), alone);
    sending.write(&[(plane::CURCNTR, plane::CURSOR_64_ARGB), (plane::CURBASE, surface(CURSOR))]);
    assert_ne!(sending.crc(plane::PIPE_CRC_SOURCE_PF), alone);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PRIMARY), alone);
    // The palette makes white of everything else.
    sending.write(&[
        (plane::LGC_PALETTE, 0xff_ffff),
        (plane::CURCNTR, 0),
        (plane::CURBASE, 0),
        (plane::DSPCNTR, plane::PLANE_ENABLE | BGRX888 | plane::PLANE_GAMMA_ENABLE),
        (plane::DSPSURF, surface(0)),
    ]);
    assert_ne!(sending.crc(plane::PIPE_CRC_SOURCE_PF), alone);
    assert_eq!(sending.crc(plane::PIPE_CRC_SOURCE_PRIMARY), alone);
}

/// Shows a plane from a page on: a sprite and a cursor of one page or more.
fn show(sending: &mut Sending, id: PlaneId, page: u64) {
    match id {
        PlaneId::Primary => sending.show(page),
        PlaneId::Sprite => sending.write(&[
            (
                plane::SPRCTL,
                plane::PLANE_ENABLE | plane::SPRITE_FORMAT_888 << plane::SPRITE_FORMAT_SHIFT,
            ),
            (plane::SPRSTRIDE, 4 * WIDTH),
            (plane::SPRSIZE, (HEIGHT - 1) << 16 | (WIDTH - 1)),
            (plane::SPRSURF, surface(page)),
        ]),
        PlaneId::Cursor => sending
            .write(&[(plane::CURCNTR, plane::CURSOR_64_ARGB), (plane::CURBASE, surface(page))]),
    }
}

const FAULTS: u32 = regs::PIPE_FIFO_UNDERRUN
    | regs::PIPE_PRIMARY_FAULT
    | regs::PIPE_SPRITE_FAULT
    | regs::PIPE_CURSOR_FAULT;

#[test]
fn a_plane_without_memory_is_an_underrun_and_a_fault_once_each_time_it_takes_effect() {
    for (id, fault) in [
        (PlaneId::Primary, regs::PIPE_PRIMARY_FAULT),
        (PlaneId::Sprite, regs::PIPE_SPRITE_FAULT),
        (PlaneId::Cursor, regs::PIPE_CURSOR_FAULT),
    ] {
        let mut sending = Sending::new();
        show(&mut sending, id, 0);
        assert_eq!(sending.blank() & FAULTS, 0, "{id:?}");
        // No PTE; a page that is not RAM; both only where the plane shows something.
        for (pte, wrong) in [(0, true), (encode_ggtt_pte(1 << 38), true), (0, false)] {
            let page = if wrong { SECOND } else { SECOND + 4 };
            let before = encode_ggtt_pte(page * PAGE_SIZE);
            sending.map(page, pte);
            show(&mut sending, id, SECOND);
            let (events, told) = match wrong {
                true => (fault | regs::PIPE_FIFO_UNDERRUN, vec![(id, surface(SECOND).into())]),
                false => (0, vec![]),
            };
            assert_eq!(sending.blank() & FAULTS, events, "{id:?} {pte:#x}");
            assert_eq!(sending.take_faults(), told, "{id:?} {pte:#x}");
            assert_eq!(sending.blank() & FAULTS, 0, "{id:?} {pte:#x}");
            sending.map(page, before);
        }
    }
}

#[test]
fn the_first_byte_without_memory_is_named_wherever_it_is() {
    let mut sending = Sending::new();
    let tiled = plane::PLANE_ENABLE | BGRX888 | plane::PLANE_X_TILED;
    // Rows 2 to 17 of tiles of 4 KiB: the third row of tiles is missing.
    sending.map(SECOND + 2, 0);
    sending.write(&[
        (plane::DSPCNTR, tiled),
        (plane::DSPSTRIDE, 512),
        (plane::DSPOFFSET, 2 << 16 | 1),
        (plane::DSPSURF, surface(SECOND)),
    ]);
    sending.blank();
    let row = u64::from(surface(SECOND + 2)) + 4;
    assert_eq!(sending.take_faults(), [(PlaneId::Primary, row)]);
    // Linear: rows 13 to 15 are in the second page.
    sending.map(SECOND + 1, 0);
    sending.write(&[
        (plane::DSPCNTR, plane::PLANE_ENABLE | BGRX888),
        (plane::DSPSTRIDE, 320),
        (plane::DSPOFFSET, 0),
        (plane::DSPSURF, surface(SECOND)),
    ]);
    sending.blank();
    let row = u64::from(surface(SECOND)) + 13 * 320;
    assert_eq!(sending.take_faults(), [(PlaneId::Primary, row)]);
}

#[test]
fn pitches_and_sizes_beyond_the_limits_are_faults() {
    for stride in [0, 100, plane::PLANE_STRIDE_MAX + 64] {
        let mut sending = Sending::new();
        sending.show(0);
        sending.write(&[(plane::DSPSTRIDE, stride), (plane::DSPSURF, surface(0))]);
        assert_ne!(sending.blank() & regs::PIPE_PRIMARY_FAULT, 0, "{stride}");
    }
    let mut sending = Sending::new();
    show(&mut sending, PlaneId::Sprite, 0);
    sending.write(&[(plane::SPRSIZE, 4096), (plane::SPRSURF, surface(0))]);
    assert_ne!(sending.blank() & regs::PIPE_SPRITE_FAULT, 0);
}

#[test]
fn a_plane_that_is_off_has_no_fault_and_one_that_waited_for_the_pipe_has() {
    let mut sending = Sending::new();
    sending.write(&[(plane::DSPCNTR, 0), (plane::DSPSURF, 0)]);
    assert_eq!(sending.blank() & FAULTS, 0);
    sending.write(&[(regs::PIPECONF, 0)]);
    sending.map(0, 0);
    sending.show(0);
    assert_eq!(sending.gpu.next_event_ns(), None);
    sending.write(&[(regs::PIPECONF, regs::PIPECONF_ENABLE)]);
    assert_eq!(sending.blank() & FAULTS, regs::PIPE_FIFO_UNDERRUN | regs::PIPE_PRIMARY_FAULT);
}

#[test]
fn faults_alone_wake_nobody_but_for_planes_that_take_effect() {
    let mut sending = Sending::new();
    let imr = interrupts::pipe_bank(0) + interrupts::IMR;
    sending.write(&[(imr, !FAULTS)]);
    assert_eq!(sending.gpu.next_event_ns(), None);
    sending.show(0);
    assert!(sending.gpu.next_event_ns().is_some());
    sending.blank();
    assert_eq!(sending.gpu.next_event_ns(), None);
}
