//! The memory behind a picture: not its pixels, but whose pages they are.

use gen8_spec::registers::{outputs as regs, planes};
use gen8_spec::tiling::Tiling;
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use super::scan_out::Primary;
use crate::ggtt::Ggtt;
use crate::registers::RegisterFile;

/// What the primary plane of a pipe shows, as a range of the GGTT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Surface {
    /// GGTT address of its first byte (DSPSURFLIVE), at the start of a page.
    pub address: u64,
    /// Bytes up to the end of the last row that shows.
    pub bytes: u64,
    /// Physical addresses of its pages that the GGTT maps, in their order. One that is mapped twice
    /// is there twice.
    pub pages: Vec<u64>,
}

impl Surface {
    /// The surface of `pipe`, whose primary plane shows with these registers; `None` while one of both is
    /// off.
    pub(super) fn of(
        pipe: u32,
        shown: &Primary,
        file: &RegisterFile,
        ggtt: &Ggtt,
    ) -> Option<Surface> {
        let register = |offset: u32| file.get(offset + pipe * regs::PIPE_STRIDE);
        if register(regs::PIPECONF) & regs::PIPECONF_STATE == 0
            || shown.control & planes::PLANE_ENABLE == 0
        {
            return None;
        }
        let height = u64::from(register(regs::PIPESRC) & regs::PIPESRC_MASK) + 1;
        let top = u64::from(shown.offset >> 16 & planes::PLANE_OFFSET_MASK);
        let rows = match shown.control & planes::PLANE_X_TILED {
            0 => top + height,
            _ => (top + height).next_multiple_of(Tiling::X.height()),
        };
        let stride = u64::from(shown.stride & planes::PLANE_STRIDE_MASK);
        let address = u64::from(shown.surface) & !(PAGE_SIZE - 1);
        let bytes = rows * stride;
        let page = |index: u64| ggtt.translate(address + (index << PAGE_SHIFT)).ok();
        let pages = (0..bytes.div_ceil(PAGE_SIZE)).filter_map(page).collect();
        Some(Surface { address, bytes, pages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::pte::encode_ggtt_pte;
    use gen8_spec::registers::display;

    /// 20 rows of 1536 bytes: 7.5 pages; their GGTT pages lie in memory in reverse.
    fn shown() -> (Primary, RegisterFile, Ggtt) {
        let control = planes::PLANE_ENABLE;
        let plane = Primary { control, stride: 1536, offset: 0, surface: 0x4_0000 };
        let mut file = RegisterFile::of(&[display::RULES, regs::RULES]);
        for (register, value) in [
            (regs::PIPECONF, regs::PIPECONF_ENABLE | regs::PIPECONF_STATE),
            (regs::PIPESRC, 299 << 16 | 19),
        ] {
            file.set(register, value);
        }
        let mut ggtt = Ggtt::new(3 << 6);
        for page in 0..16 {
            ggtt.write_pte(0x40 + page, encode_ggtt_pte((100 - page) << PAGE_SHIFT));
        }
        (plane, file, ggtt)
    }

    #[test]
    fn a_surface_ends_with_the_rows_that_show() {
        let (mut plane, file, ggtt) = shown();
        let pages = |plane: &Primary| Surface::of(0, plane, &file, &ggtt).unwrap().pages.len();
        let surface = Surface::of(0, &plane, &file, &ggtt).unwrap();
        assert_eq!((surface.address, surface.bytes), (0x4_0000, 20 * 1536));
        assert_eq!(surface.pages[..2], [100 << PAGE_SHIFT, 99 << PAGE_SHIFT]);
        assert_eq!(pages(&plane), 8);
        // Tiles are eight rows high.
        plane.control |= planes::PLANE_X_TILED;
        assert_eq!(pages(&plane), 9);
        plane.offset = 5 << 16;
        assert_eq!(pages(&plane), 12);
    }

    #[test]
    fn pages_that_the_ggtt_does_not_map_are_left_out() {
        let (plane, file, mut ggtt) = shown();
        ggtt.write_pte(0x41, 0);
        assert_eq!(Surface::of(0, &plane, &file, &ggtt).unwrap().pages[1], 98 << PAGE_SHIFT);
    }

    #[test]
    fn nothing_shows_while_pipe_or_plane_is_off() {
        let (plane, mut file, ggtt) = shown();
        assert_eq!(Surface::of(0, &Primary::default(), &file, &ggtt), None);
        file.set(regs::PIPECONF, 0);
        assert_eq!(Surface::of(0, &plane, &file, &ggtt), None);
    }

    #[test]
    fn a_surface_beyond_the_ggtt_has_no_pages() {
        let (plane, mut file, ggtt) = shown();
        file.set(regs::PIPESRC, u32::MAX);
        let all = u32::MAX;
        let wild = Primary { stride: all, offset: all, surface: all, ..plane };
        let surface = Surface::of(0, &wild, &file, &ggtt).unwrap();
        assert!(surface.pages.is_empty());
        assert!(surface.bytes < 1 << 30);
    }
}
