//! What a pipe sends: its planes, its colors, and the value that tells whether two pictures are the
//! same (i915 `i915_reg.h`, `display/{i9xx_plane,intel_cursor,intel_sprite,intel_color,intel_pipe_crc}.c`;
//! PRM Vol 2c). The rules are among [`super::outputs::RULES`]; registers of pipe B and C are
//! [`super::outputs::PIPE_STRIDE`] further unless it says otherwise.

/// CURCNTR of pipe A: the cursor's control.
pub const CURCNTR: u32 = 0x7_0080;
/// [`CURCNTR`]: the bits that say how large the cursor is, and how its pixels lie; 0 is off (i915
/// `MCURSOR_MODE_MASK`).
pub const CURSOR_MODE_MASK: u32 = 0x27;
/// [`CURCNTR`]: 64 by 64 pixels, BGRA with premultiplied alpha.
pub const CURSOR_64_ARGB: u32 = 0x27;
/// [`CURCNTR`]: 128 by 128 pixels, as [`CURSOR_64_ARGB`].
pub const CURSOR_128_ARGB: u32 = 0x22;
/// [`CURCNTR`]: 256 by 256 pixels, as [`CURSOR_64_ARGB`].
pub const CURSOR_256_ARGB: u32 = 0x23;
/// CURBASE of pipe A: GGTT address of the cursor. A write lets it take effect.
pub const CURBASE: u32 = 0x7_0084;
/// CURPOS of pipe A: row above pixel of the cursor's corner, each a magnitude with a sign.
pub const CURPOS: u32 = 0x7_0088;
/// [`CURPOS`]: sign of a half.
pub const CURPOS_SIGN: u32 = 1 << 15;
/// [`CURPOS`]: magnitude of a half.
pub const CURPOS_MASK: u32 = 0x7fff;
/// CUR_FBC_CTL of pipe A: a cursor of fewer rows.
pub const CUR_FBC_CTL: u32 = 0x7_00a0;
/// [`CUR_FBC_CTL`]: enable.
pub const CUR_FBC_ENABLE: u32 = 1 << 31;
/// [`CUR_FBC_CTL`]: field of the rows less 1, 7:0.
pub const CUR_FBC_HEIGHT_MASK: u32 = 0xff;
/// CURSURFLIVE of pipe A: the address that shows.
pub const CURSURFLIVE: u32 = 0x7_00ac;

/// DSPCNTR of pipe A: the primary plane's control.
pub const DSPCNTR: u32 = 0x7_0180;
/// A plane's control: enable. Not the cursor's.
pub const PLANE_ENABLE: u32 = 1 << 31;
/// [`DSPCNTR`]: the pipe's gamma applies. i915 sets the bit alike in all planes of a pipe, and in this
/// one for the background.
pub const PLANE_GAMMA_ENABLE: u32 = 1 << 30;
/// [`DSPCNTR`]: shift of the format (29:26).
pub const PLANE_FORMAT_SHIFT: u32 = 26;
/// [`DSPCNTR`]: field of the format, after the shift.
pub const PLANE_FORMAT_MASK: u32 = 0xf;
/// Format: 8 bits, an index of the palette (i915 `DISP_FORMAT_8BPP`).
pub const FORMAT_INDEXED: u32 = 2;
/// Format: 16 bits, red highest (i915 `DISP_FORMAT_BGRX565`, as the others below).
pub const FORMAT_BGRX565: u32 = 5;
/// Format: 32 bits, red above green above blue in 23:0.
pub const FORMAT_BGRX888: u32 = 6;
/// Format: [`FORMAT_BGRX888`] with alpha.
pub const FORMAT_BGRA888: u32 = 7;
/// Format: 32 bits, blue above green above red in 29:0.
pub const FORMAT_RGBX101010: u32 = 8;
/// Format: [`FORMAT_RGBX101010`] with alpha.
pub const FORMAT_RGBA101010: u32 = 9;
/// Format: 32 bits, red above green above blue in 29:0.
pub const FORMAT_BGRX101010: u32 = 10;
/// Format: [`FORMAT_BGRX101010`] with alpha.
pub const FORMAT_BGRA101010: u32 = 11;
/// Format: 64 bits, half floats, blue above green above red in 47:0.
pub const FORMAT_RGBX161616: u32 = 12;
/// Format: 32 bits, blue above green above red in 23:0.
pub const FORMAT_RGBX888: u32 = 14;
/// Format: [`FORMAT_RGBX888`] with alpha.
pub const FORMAT_RGBA888: u32 = 15;
/// [`DSPCNTR`]: the pipe's color conversion applies, as [`PLANE_GAMMA_ENABLE`].
pub const PLANE_CSC_ENABLE: u32 = 1 << 24;
/// A plane's control, and [`CURCNTR`]: the plane stands on its head.
pub const PLANE_ROTATE_180: u32 = 1 << 15;
/// A plane's control: the surface is X-tiled, else linear.
pub const PLANE_X_TILED: u32 = 1 << 10;
/// [`DSPCNTR`]: addresses take effect at once, no longer with a blanking (i915 `DISP_ASYNC_FLIP`).
pub const PLANE_ASYNC_FLIP: u32 = 1 << 9;
/// DSPSTRIDE of pipe A: bytes from a row to the next.
pub const DSPSTRIDE: u32 = 0x7_0188;
/// [`DSPSTRIDE`]: the bits that count.
pub const PLANE_STRIDE_MASK: u32 = 0xffc0;
/// Strides are multiples of it, those of tiled surfaces of a tile's width.
pub const PLANE_STRIDE_UNIT: u32 = 64;
/// The longest stride (i915 `hsw_primary_max_stride`, `g4x_sprite_max_stride`).
pub const PLANE_STRIDE_MAX: u32 = 32 << 10;
/// The most pixels of a row of a plane, and its most rows (i915 `intel_mode_valid_max_plane_size`).
pub const PLANE_SIZE_MAX: u32 = 4096;
/// DSPOFFSET of pipe A: row above pixel at which the picture begins.
pub const DSPOFFSET: u32 = 0x7_01a4;
/// [`DSPOFFSET`] and [`SPROFFSET`]: field of the row, after the shift by 16.
pub const PLANE_OFFSET_MASK: u32 = 0xfff;
/// [`DSPOFFSET`] and [`SPROFFSET`]: field of the pixel (i915 `i9xx_check_plane_surface`).
pub const PLANE_OFFSET_X_MASK: u32 = 0x1fff;
/// DSPSURF of pipe A: GGTT address of the primary plane. A write lets it take effect.
pub const DSPSURF: u32 = 0x7_019c;
/// DSPSURFLIVE of pipe A: the address that shows.
pub const DSPSURFLIVE: u32 = 0x7_01ac;

/// SPRCTL of pipe A: the sprite's control.
pub const SPRCTL: u32 = 0x7_0280;
/// [`SPRCTL`]: YUV covers all of 255:0, not 235:16.
pub const SPRITE_YUV_FULL_RANGE: u32 = 1 << 28;
/// [`SPRCTL`]: shift of the format (27:25).
pub const SPRITE_FORMAT_SHIFT: u32 = 25;
/// [`SPRCTL`]: field of the format, after the shift.
pub const SPRITE_FORMAT_MASK: u32 = 7;
/// [`SPRCTL`]: two pixels in 32 bits, with colors in common; see [`SPRITE_YUV_ORDER_SHIFT`].
pub const SPRITE_FORMAT_YUV422: u32 = 0;
/// [`SPRCTL`]: [`FORMAT_BGRX101010`], or the other order.
pub const SPRITE_FORMAT_101010: u32 = 1;
/// [`SPRCTL`]: [`FORMAT_BGRX888`], or the other order.
pub const SPRITE_FORMAT_888: u32 = 2;
/// [`SPRCTL`]: [`FORMAT_RGBX161616`] with red highest, or the other order.
pub const SPRITE_FORMAT_161616: u32 = 3;
/// [`SPRCTL`]: pixels that match the key do not show.
pub const SPRITE_SOURCE_KEY: u32 = 1 << 22;
/// [`SPRCTL`]: blue is highest, not red.
pub const SPRITE_ORDER_RGBX: u32 = 1 << 20;
/// [`SPRCTL`]: YUV is sent as it is, as if it were RGB.
pub const SPRITE_YUV_TO_RGB_DISABLE: u32 = 1 << 19;
/// [`SPRCTL`]: YUV is by ITU-R BT.709, not BT.601.
pub const SPRITE_YUV_BT709: u32 = 1 << 18;
/// [`SPRCTL`]: shift of the order of YUV's bytes (17:16): YUYV, UYVY, YVYU, VYUY.
pub const SPRITE_YUV_ORDER_SHIFT: u32 = 16;
/// [`SPRCTL`]: field of the order of YUV's bytes, after the shift.
pub const SPRITE_YUV_ORDER_MASK: u32 = 3;
/// [`SPRCTL`]: pixels show where those of the primary plane match the key.
pub const SPRITE_DEST_KEY: u32 = 1 << 2;
/// SPRSTRIDE of pipe A: bytes from a row to the next.
pub const SPRSTRIDE: u32 = 0x7_0288;
/// SPRPOS of pipe A: row above pixel of the sprite's corner.
pub const SPRPOS: u32 = 0x7_028c;
/// SPRSIZE of pipe A: rows less 1 above pixels of a row less 1.
pub const SPRSIZE: u32 = 0x7_0290;
/// SPRKEYVAL of pipe A: the key, or the least of its colors.
pub const SPRKEYVAL: u32 = 0x7_0294;
/// SPRKEYMSK of pipe A: what is compared; bits of a destination's colors in 23:0.
pub const SPRKEYMSK: u32 = 0x7_0298;
/// [`SPRKEYMSK`]: shift of the source's colors that are compared: red above green above blue.
pub const SPRKEYMSK_CHANNELS_SHIFT: u32 = 24;
/// SPRSURF of pipe A: GGTT address of the sprite. A write lets it take effect.
pub const SPRSURF: u32 = 0x7_029c;
/// SPRKEYMAX of pipe A: the greatest of a source key's colors.
pub const SPRKEYMAX: u32 = 0x7_02a0;
/// SPROFFSET of pipe A: row above pixel at which the sprite begins in its surface.
pub const SPROFFSET: u32 = 0x7_02a4;
/// SPRSURFLIVE of pipe A: the address that shows.
pub const SPRSURFLIVE: u32 = 0x7_02ac;

/// LGC_PALETTE of pipe A: 256 entries of eight bits a color, red highest.
pub const LGC_PALETTE: u32 = 0x4_a000;
/// Bytes from a pipe's palettes and GAMMA_MODE to the next one's.
pub const PALETTE_STRIDE: u32 = 0x800;
/// PREC_PAL_INDEX of pipe A: which entry of the palette of ten bits PREC_PAL_DATA is.
pub const PREC_PAL_INDEX: u32 = 0x4_a400;
/// [`PREC_PAL_INDEX`]: the index goes up with each access to the data.
pub const PREC_PAL_AUTO_INCREMENT: u32 = 1 << 15;
/// [`PREC_PAL_INDEX`]: field of the index, 9:0.
pub const PREC_PAL_INDEX_MASK: u32 = 0x3ff;
/// Entries of the palette of ten bits; split, the first half applies before the color conversion.
pub const PREC_PAL_ENTRIES: usize = 1024;
/// PREC_PAL_DATA of pipe A: an entry of ten bits a color, red highest.
pub const PREC_PAL_DATA: u32 = 0x4_a404;
/// GAMMA_MODE of pipe A: see [`GAMMA_MODE_8BIT`].
pub const GAMMA_MODE: u32 = 0x4_a480;
/// [`GAMMA_MODE`]: field of the mode.
pub const GAMMA_MODE_MASK: u32 = 3;
/// [`GAMMA_MODE`]: the palette of eight bits.
pub const GAMMA_MODE_8BIT: u32 = 0;
/// [`GAMMA_MODE`]: the palette of ten bits, whole.
pub const GAMMA_MODE_10BIT: u32 = 1;
/// [`GAMMA_MODE`]: the palette of ten bits, half of it before the color conversion.
pub const GAMMA_MODE_SPLIT: u32 = 3;

/// PIPE_CSC_COEFF_RY_GY of pipe A, the first of six registers of the color conversion: two
/// coefficients of a row of the matrix, and the third one alone.
pub const CSC_COEFF: u32 = 0x4_9010;
/// Bytes from a pipe's color conversion to the next one's.
pub const CSC_STRIDE: u32 = 0x100;
/// A coefficient: negative.
pub const CSC_COEFF_SIGN: u32 = 1 << 15;
/// A coefficient: shift of the exponent (14:12; i915 `ilk_csc_convert_ctm`).
pub const CSC_COEFF_EXPONENT_SHIFT: u32 = 12;
/// A coefficient: shift of the nine bits of the mantissa (11:3).
pub const CSC_COEFF_MANTISSA_SHIFT: u32 = 3;
/// PIPE_CSC_MODE of pipe A.
pub const CSC_MODE: u32 = 0x4_9028;
/// [`CSC_MODE`]: the conversion comes before the gamma.
pub const CSC_BEFORE_GAMMA: u32 = 1 << 1;
/// PIPE_CSC_PREOFF_HI of pipe A, the first of three: what is added to a color before the conversion.
pub const CSC_PREOFF: u32 = 0x4_9030;
/// PIPE_CSC_POSTOFF_HI of pipe A, the first of three: what is added to a color behind the conversion.
pub const CSC_POSTOFF: u32 = 0x4_9040;
/// [`CSC_PREOFF`] and [`CSC_POSTOFF`]: bits of a number with a sign; 12 bits of them are 1.
pub const CSC_OFFSET_BITS: u32 = 13;

/// PIPE_CRC_CTL of pipe A: a value for each frame that tells whether two pictures are the same.
pub const PIPE_CRC_CTL: u32 = 0x6_0050;
/// [`PIPE_CRC_CTL`]: enable.
pub const PIPE_CRC_ENABLE: u32 = 1 << 31;
/// [`PIPE_CRC_CTL`]: shift of what is looked at (30:29; i915 `PIPE_CRC_SOURCE_MASK_IVB`).
pub const PIPE_CRC_SOURCE_SHIFT: u32 = 29;
/// [`PIPE_CRC_CTL`]: field of what is looked at, after the shift.
pub const PIPE_CRC_SOURCE_MASK: u32 = 3;
/// [`PIPE_CRC_CTL`]: the primary plane.
pub const PIPE_CRC_SOURCE_PRIMARY: u32 = 0;
/// [`PIPE_CRC_CTL`]: the sprite.
pub const PIPE_CRC_SOURCE_SPRITE: u32 = 1;
/// [`PIPE_CRC_CTL`]: what leaves the panel fitter, which is all of the pipe.
pub const PIPE_CRC_SOURCE_PF: u32 = 2;
/// PIPE_CRC_RES_1 of pipe A: the value of the last frame. Four more follow, which i915 does not read
/// from Haswell on.
pub const PIPE_CRC_RES_1: u32 = 0x6_0064;
