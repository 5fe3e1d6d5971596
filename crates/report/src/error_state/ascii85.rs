//! Memory as text: each dword as five letters, `z` for 0 (i915, `ascii85_encode`).

/// Appends `bytes`, which are whole dwords; a rest is left out.
pub(super) fn encode(bytes: &[u8], text: &mut String) {
    for dword in bytes.chunks_exact(4) {
        let number = dword.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
        if number == 0 {
            text.push('z');
            continue;
        }
        let digits =
            [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1].map(|unit| number / unit % 85);
        text.extend(digits.map(|digit| char::from(b'!' + digit as u8)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dword_is_five_letters_of_which_the_first_counts_most() {
        let mut text = String::new();
        encode(&[0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 85, 0, 0, 0, 9], &mut text);
        // 0xffff_ffff is 82, 23, 54, 12, 0 in base 85.
        assert_eq!(text, "z!!!!\"s8W-!!!!\"!");
    }
}
