//! Text that strangers wrote (a guest's task names, files, servers), for people to read.

/// Whether a letter is none of a line: control letters, which a terminal obeys, and those that turn the direction
/// of writing.
pub fn is_trick(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with nothing in it that a terminal would obey. Line ends stay.
pub fn plain(text: &str) -> String {
    let plain = |letter| if letter != '\n' && is_trick(letter) { '\u{fffd}' } else { letter };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let text = "a\u{1b}]0;title\u{7}b\u{9b}31m\u{202e}c\r\n┌ é";
        assert_eq!(plain(text), "a\u{fffd}]0;title\u{fffd}b\u{fffd}31m\u{fffd}c\u{fffd}\n┌ é");
    }
}
