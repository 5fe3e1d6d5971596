//! Length of a command in dwords, from its header (PRM Vol 2a; genxml; GVT `cmd_parser.c`).
//!
//! The same header bits mean different commands on different engines, so decoding takes the engine.

use super::mi;
use crate::engine::EngineId;

/// Total dwords of the command with this header on `engine`; `None` for a reserved class, which
/// is an instruction error.
pub fn command_dwords(engine: EngineId, header: u32) -> Option<u32> {
    match header >> 29 {
        0 => Some(mi_dwords(header)),
        2 => Some((header & 0xff) + 2),
        3 => Some(render_media_dwords(engine, header)),
        _ => None,
    }
}

fn mi_dwords(header: u32) -> u32 {
    let opcode = mi::opcode(header);
    if opcode < 0x10 {
        return 1;
    }
    let mask = match opcode {
        // Bit 7 of MI_FLUSH_DW is "invalidate BSD": an 8-bit length would run off into the ring.
        mi::FLUSH_DW | mi::REPORT_PERF_COUNT | mi::MATH | 0x12 | 0x13 => 0x3f,
        mi::STORE_DATA_IMM | mi::UPDATE_GTT | 0x27 => 0x3ff,
        _ => 0xff,
    };
    (header & mask) + 2
}

fn render_media_dwords(engine: EngineId, header: u32) -> u32 {
    let subtype = (header >> 27) & 3;
    let opcode = (header >> 24) & 7;
    match (engine, subtype) {
        (EngineId::Vcs | EngineId::Vcs1, 1) => 1,
        (EngineId::Vcs | EngineId::Vcs1 | EngineId::Vecs, 2) => (header & 0xfff) + 2,
        (_, 1) => 1,
        (_, 0) if header >> 16 == 0x6904 => 1,
        (_, 2) => match (opcode, (header >> 16) & 0xff) {
            (0, _) | (1, 0x00 | 0x02 | 0x03 | 0x06) => (header & 0xffff) + 2,
            _ => (header & 0xff) + 2,
        },
        // 3DSTATE_SO_DECL_LIST and the BINDING_TABLE_EDIT family have nine length bits.
        (_, 3) if matches!(header >> 16, 0x7917 | 0x7843..=0x7847) => (header & 0x1ff) + 2,
        _ => (header & 0xff) + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_known_headers() {
        let rcs = |h| command_dwords(EngineId::Rcs, h);
        assert_eq!(rcs(0), Some(1));
        assert_eq!(rcs(mi::header(mi::STORE_DATA_IMM, 2)), Some(4));
        assert_eq!(rcs(0x7a00_0004), Some(6));
        assert_eq!(rcs(0x7917_0101), Some(259));
        assert_eq!(rcs(0x680b_0001), Some(1));
        assert_eq!(rcs(0x6904_0000), Some(1));
        assert_eq!(rcs(0x7b00_0505), Some(7));
        assert_eq!(command_dwords(EngineId::Vcs, 0x1324_4082), Some(4));
        assert_eq!(rcs(0xdead_beef), None);
    }
}
