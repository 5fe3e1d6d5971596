//! The operands of a packet, one after the other. Going past its length is an instruction error.

use gen8_spec::mmio::ring as reg;
use gen8_spec::tiling::Tiling;

use super::blit::{PATTERN_SIZE, Rectangle, point};
use super::setup::Setup;
use super::surface::{Place, Surface};
use crate::bus::Bus;
use crate::engine::{Command, Engine, Space, Stop};

/// A packet that is being read.
pub(super) struct Operands<'a, 'b> {
    engine: &'a mut Engine,
    command: &'a Command,
    bus: &'a mut Bus<'b>,
    /// The next operand; the header is 0.
    next: u32,
}

impl<'a, 'b> Operands<'a, 'b> {
    pub(super) fn new(
        engine: &'a mut Engine,
        command: &'a Command,
        bus: &'a mut Bus<'b>,
    ) -> Operands<'a, 'b> {
        Operands { engine, command, bus, next: 1 }
    }

    /// The packet's first dword.
    pub(super) fn header(&self) -> u32 {
        self.command.header
    }

    /// What tells this packet from others: header and address.
    pub(super) fn packet(&self) -> (u32, u64) {
        super::packet(self.command)
    }

    /// What the setup packets left.
    pub(super) fn setup(&mut self) -> &mut Setup {
        &mut self.engine.blitter_setup
    }

    /// The address space of all operands.
    pub(super) fn space(&self) -> Space {
        self.engine.data_space(false)
    }

    /// The format of a tiled surface, by its bit in BCS_SWCTRL.
    pub(super) fn tiling(&self, bit: u32) -> Tiling {
        match self.engine.registers.get(reg::BCS_SWCTRL) & bit {
            0 => Tiling::X,
            _ => Tiling::Y,
        }
    }

    /// The next dword.
    pub(super) fn dword(&mut self) -> Result<u32, Stop> {
        if self.next >= self.command.dwords {
            return Err(Stop::Instruction);
        }
        let value = self.engine.operand(self.command, self.next, self.bus)?;
        self.next += 1;
        Ok(value)
    }

    /// An address: two dwords.
    pub(super) fn address(&mut self) -> Result<u64, Stop> {
        let (low, high) = (self.dword()?, self.dword()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// A pixel.
    pub(super) fn point(&mut self) -> Result<(i32, i32), Stop> {
        Ok(point(self.dword()?))
    }

    /// Two corners; the second one lies outside.
    pub(super) fn rectangle(&mut self) -> Result<Rectangle, Stop> {
        Ok(Rectangle::of_corners(self.dword()?, self.dword()?))
    }

    /// The eight bytes of a monochrome pattern.
    pub(super) fn pattern_bits(&mut self) -> Result<[u8; PATTERN_SIZE], Stop> {
        Ok(self.address()?.to_le_bytes())
    }

    /// So many bytes of immediate data.
    pub(super) fn data(&mut self, len: usize) -> Result<Vec<u8>, Stop> {
        let left = (self.command.dwords - self.next) as usize * size_of::<u32>();
        if len > left {
            return Err(Stop::Instruction);
        }
        let mut bytes = Vec::with_capacity(len.next_multiple_of(size_of::<u32>()));
        while bytes.len() < len {
            bytes.extend(self.dword()?.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Reads a row of a surface.
    pub(super) fn read(
        &mut self,
        from: &Surface,
        at: Place,
        buffer: &mut [u8],
    ) -> Result<(), Stop> {
        from.read(at, buffer, self.engine, self.bus)
    }
}
