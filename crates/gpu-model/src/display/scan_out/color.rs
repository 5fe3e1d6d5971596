//! What a pipe does to the colors of all of its planes: gamma and color conversion, and what the
//! monitor does about a limited range.

use core::array;

use gen8_spec::registers::outputs::{self, PIPE_STRIDE};
use gen8_spec::registers::planes as regs;

use super::format::{Palette, eight_bits};
use super::picture::Pixel;
use crate::display::palette;
use crate::registers::RegisterFile;

/// Steps between 0 and 1 with which colors leave the conversion.
const STEPS: usize = 4096;

/// What becomes of a color by itself: red, green and blue, each 0 to 1.
type Curve = Box<dyn Fn(usize, f32) -> f32>;

/// What becomes of colors; one that changes nothing is no `Color` at all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Color {
    /// Each by itself: red, green and blue.
    Each(Box<[[u8; 256]; 3]>),
    /// Each by itself, then mixed, then each by itself.
    Mixed(Box<Mixed>),
}

/// See [`Color::Mixed`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mixed {
    before: [[f32; 256]; 3],
    conversion: Conversion,
    behind: [Vec<u8>; 3],
}

/// Offsets and matrix of the color conversion, by rows: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Conversion {
    before: [f32; 3],
    matrix: [[f32; 3]; 3],
    behind: [f32; 3],
}

impl Color {
    /// What the registers of a pipe say, as its primary plane's `control` asks for it (other planes
    /// are told the same); `None` if colors stay as they are.
    pub(super) fn of(
        pipe: u32,
        control: u32,
        file: &RegisterFile,
        tens: &palette::Palette,
    ) -> Option<Color> {
        let gamma = control & regs::PLANE_GAMMA_ENABLE != 0;
        let conversion =
            (control & regs::PLANE_CSC_ENABLE != 0).then(|| Conversion::of(pipe, file));
        let limited = is_limited(pipe, file);
        if !gamma && conversion.is_none() && !limited {
            return None;
        }
        let [before, behind] = match gamma {
            true => gamma_curves(pipe, conversion.is_some(), file, tens),
            false => [unchanged(), unchanged()],
        };
        let shown = |color: f32| if limited { (color * 255.0 - 16.0) / 219.0 } else { color };
        let behind = |channel: usize, color: f32| eight_bits(shown(behind(channel, color)));
        let before: [[f32; 256]; 3] =
            array::from_fn(|n| array::from_fn(|color| before(n, color as f32 / 255.0)));
        let color = match conversion {
            Some(conversion) if conversion.mixes() => Color::Mixed(Box::new(Mixed {
                before,
                conversion,
                behind: array::from_fn(|n| {
                    (0..=STEPS).map(|step| behind(n, step as f32 / STEPS as f32)).collect()
                }),
            })),
            _ => Color::Each(Box::new(array::from_fn(|n| {
                before[n].map(|color| {
                    let one = |conversion: Conversion| conversion.convert([color; 3])[n];
                    behind(n, conversion.map_or(color, one).clamp(0.0, 1.0))
                })
            }))),
        };
        let same = array::from_fn(|color| color as u8);
        (color != Color::Each(Box::new([same; 3]))).then_some(color)
    }

    /// Changes the colors of a row.
    pub(super) fn apply(&self, row: &mut [Pixel]) {
        match self {
            Color::Each(tables) => {
                for [blue, green, red, _] in row {
                    *red = tables[0][usize::from(*red)];
                    *green = tables[1][usize::from(*green)];
                    *blue = tables[2][usize::from(*blue)];
                }
            }
            Color::Mixed(mixed) => row.iter_mut().for_each(|pixel| *pixel = mixed.pixel(*pixel)),
        }
    }
}

impl Mixed {
    fn pixel(&self, [blue, green, red, _]: Pixel) -> Pixel {
        let colors = [red, green, blue];
        let colors = array::from_fn(|n| self.before[n][usize::from(colors[n])]);
        let colors = self.conversion.convert(colors);
        let [red, green, blue] = array::from_fn(|n| {
            let step = (colors[n].clamp(0.0, 1.0) * STEPS as f32).round() as usize;
            self.behind[n].get(step).copied().unwrap_or(u8::MAX)
        });
        [blue, green, red, 0]
    }
}

impl Conversion {
    fn of(pipe: u32, file: &RegisterFile) -> Conversion {
        let register = |offset: u32| file.get(offset + pipe * regs::CSC_STRIDE);
        let offsets = |first: u32| array::from_fn(|n| offset(register(first + 4 * n as u32)));
        let matrix = array::from_fn(|row| {
            let first = regs::CSC_COEFF + 8 * row as u32;
            let (pair, last) = (register(first), register(first + 4));
            [pair >> 16, pair & 0xffff, last >> 16].map(coefficient)
        });
        Conversion { before: offsets(regs::CSC_PREOFF), matrix, behind: offsets(regs::CSC_POSTOFF) }
    }

    /// Whether a color depends on another one.
    fn mixes(&self) -> bool {
        let rows = self.matrix.iter().enumerate();
        rows.flat_map(|(y, row)| row.iter().enumerate().filter(move |&(x, _)| x != y))
            .any(|(_, &coefficient)| coefficient != 0.0)
    }

    fn convert(&self, colors: [f32; 3]) -> [f32; 3] {
        array::from_fn(|n| {
            let terms = (0..3).map(|m| self.matrix[n][m] * (colors[m] + self.before[m]));
            terms.sum::<f32>() + self.behind[n]
        })
    }
}

/// A coefficient: a sign, an exponent of which 0 to 3 are ever smaller and 7 and 6 ever greater, and
/// a mantissa of nine bits.
fn coefficient(value: u32) -> f32 {
    let mantissa = (value >> regs::CSC_COEFF_MANTISSA_SHIFT & 0x1ff) as f32;
    let exponent = match value >> regs::CSC_COEFF_EXPONENT_SHIFT & 7 {
        small @ 0..=3 => -9 - small.cast_signed(),
        great => -1 - great.cast_signed(),
    };
    let sign = if value & regs::CSC_COEFF_SIGN == 0 { 1.0 } else { -1.0 };
    sign * mantissa * 2_f32.powi(exponent)
}

/// An offset: a number with a sign.
fn offset(value: u32) -> f32 {
    let unused = u32::BITS - regs::CSC_OFFSET_BITS;
    let signed = (value << unused).cast_signed() >> unused;
    signed as f32 / (1 << (regs::CSC_OFFSET_BITS - 1)) as f32
}

/// The curves before and behind the conversion.
fn gamma_curves(
    pipe: u32,
    converts: bool,
    file: &RegisterFile,
    tens: &palette::Palette,
) -> [Curve; 2] {
    let mode = file.get(regs::GAMMA_MODE + pipe * regs::PALETTE_STRIDE) & regs::GAMMA_MODE_MASK;
    let gamma = match mode {
        regs::GAMMA_MODE_8BIT => {
            let entries = legacy_palette(pipe, file);
            table(entries.iter().map(|&[blue, green, red, _]| {
                [red, green, blue].map(|color| f32::from(color) / 255.0)
            }))
        }
        regs::GAMMA_MODE_10BIT => table(tens.entries().iter().map(ten_bits)),
        regs::GAMMA_MODE_SPLIT => {
            let (before, behind) = tens.entries().split_at(regs::PREC_PAL_ENTRIES / 2);
            return [before, behind].map(|half| table(half.iter().map(ten_bits)));
        }
        // 12 bits, interpolated: no driver uses it.
        _ => unchanged(),
    };
    let before_gamma = file.get(regs::CSC_MODE + pipe * regs::CSC_STRIDE) & regs::CSC_BEFORE_GAMMA;
    if converts && before_gamma == 0 { [gamma, unchanged()] } else { [unchanged(), gamma] }
}

/// Red, green and blue of an entry of ten bits each.
fn ten_bits(entry: &u32) -> [f32; 3] {
    [20, 10, 0].map(|low| (entry >> low & 0x3ff) as f32 / 1023.0)
}

/// The curve that a table describes, without interpolation.
fn table(entries: impl Iterator<Item = [f32; 3]>) -> Curve {
    let entries: Vec<[f32; 3]> = entries.collect();
    Box::new(move |channel, color| {
        let last = entries.len().saturating_sub(1);
        let index = (color * last as f32).round() as usize;
        entries.get(index.min(last)).map_or(color, |entry| entry[channel])
    })
}

fn unchanged() -> Curve {
    Box::new(|_, color| color)
}

/// The palette of eight bits, which is also what indices stand for.
pub(super) fn legacy_palette(pipe: u32, file: &RegisterFile) -> Box<Palette> {
    let first = regs::LGC_PALETTE + pipe * regs::PALETTE_STRIDE;
    Box::new(array::from_fn(|n| file.get(first + 4 * n as u32).to_le_bytes()))
}

/// Whether the info frame tells the monitor that black is 16 and white 235: such a monitor stretches
/// the colors again (CTA-861, AVI info frame: quantization range Q1:0, else by the mode's code).
fn is_limited(pipe: u32, file: &RegisterFile) -> bool {
    let register = |offset: u32| file.get(offset + pipe * PIPE_STRIDE);
    if register(outputs::VIDEO_DIP_CTL) & outputs::VIDEO_DIP_ENABLE_AVI == 0 {
        return false;
    }
    // Behind head and checksum: data bytes 1 to 3, and 4 in the next dword.
    let quantization = register(outputs::VIDEO_DIP_AVI_DATA + 4) >> 26 & 3;
    let code = register(outputs::VIDEO_DIP_AVI_DATA + 8) & 0x7f;
    // Code 1 is 640x480, as computers have it; 0 is no mode of televisions.
    quantization == 1 || quantization == 0 && code > 1
}
