//! The content of a captured object: ASCII85, and zlib where the kernel can
//! (`i915_gpu_error.c`, `include/linux/ascii85.h`).

use miniz_oxide::inflate;

use crate::error::{Error, Result};

/// More than any object here holds.
const LIMIT: usize = 16 << 20;
/// Digits of a dword.
const DIGITS: usize = 5;

/// The dwords of the first captured object in `text`: a line that begins with `:` (compressed) or
/// `~`.
pub(super) fn decode(text: &str) -> Result<Vec<u32>> {
    // Large pages are told of in a line between.
    let line = text.lines().take(2).find(|line| line.starts_with([':', '~']));
    let line = line.ok_or_else(|| wrong("does not begin"))?;
    let dwords = ascii85(&line.as_bytes()[1..]).ok_or_else(|| wrong("is no ASCII85"))?;
    if line.starts_with('~') {
        return Ok(dwords);
    }
    let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
    let content = inflate::decompress_to_vec_zlib_with_limit(&bytes, LIMIT)
        .map_err(|error| wrong(&format!("cannot be inflated: {:?}", error.status)))?;
    Ok(content.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Five digits a dword, the highest first, counted from `!`; `z` is 0.
fn ascii85(text: &[u8]) -> Option<Vec<u32>> {
    let mut dwords = Vec::new();
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        if *first == b'z' {
            dwords.push(0);
            rest = others;
            continue;
        }
        let (group, others) = rest.split_at_checked(DIGITS)?;
        let digit = |value: u32, c: &u8| {
            let digit = c.checked_sub(b'!').filter(|digit| *digit < 85)?;
            value.checked_mul(85)?.checked_add(u32::from(digit))
        };
        dwords.push(group.iter().try_fold(0, digit)?);
        rest = others;
    }
    Some(dwords)
}

fn wrong(what: &str) -> Error {
    Error::Wrong(format!("a captured object {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dwords_have_five_digits_or_a_z() {
        assert_eq!(ascii85(b"z!!!!\"s8W-!"), Some(vec![0, 1, u32::MAX]));
        assert_eq!(ascii85(b"s8W-\""), None, "more than a dword");
        assert_eq!(ascii85(b"!!!"), None, "cut");
        assert_eq!(ascii85(b"!!!! "), None, "no digit");
    }

    #[test]
    fn content_comes_back_whether_compressed_or_not() {
        let dwords = [0x1880_0101, 0, 7];
        assert_eq!(decode(&format!("~{}\n", encode(&dwords))).unwrap(), dwords);
        let bytes: Vec<u8> = dwords.iter().flat_map(|dword| dword.to_le_bytes()).collect();
        let mut small = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, 6);
        // The kernel rounds the length up to whole dwords.
        small.resize(small.len().next_multiple_of(4), 0);
        let small: Vec<u32> =
            small.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let text = format!("gtt_page_sizes = 0x00010000\n:{}\nnext", encode(&small));
        assert_eq!(decode(&text).unwrap(), dwords);
        assert!(decode("nothing\n").is_err());
    }

    fn encode(dwords: &[u32]) -> String {
        let mut text = String::new();
        for &dword in dwords {
            if dword == 0 {
                text.push('z');
                continue;
            }
            let digits = [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1];
            text.extend(digits.map(|scale| char::from((dword / scale % 85) as u8 + b'!')));
        }
        text
    }
}
