//! The primary plane: as large as the picture, below everything else.

use gen8_spec::registers::planes as regs;

use super::format::Format;
use super::image::{Description, Image};
use super::planes;
use crate::ggtt::Ggtt;

/// The plane of a pipe with a picture of this size; `None` while it is off, or in a format that it has
/// not.
pub(super) fn image(registers: &planes::Primary, size: (u32, u32), ggtt: &Ggtt) -> Option<Image> {
    let control = registers.control;
    if control & regs::PLANE_ENABLE == 0 {
        return None;
    }
    let description = Description {
        format: Format::of_primary(control)?,
        tiled: control & regs::PLANE_X_TILED != 0,
        rotated: control & regs::PLANE_ROTATE_180 != 0,
        address: registers.surface,
        stride: registers.stride,
        origin: registers.offset,
        size,
    };
    Some(Image::new(&description, ggtt))
}
