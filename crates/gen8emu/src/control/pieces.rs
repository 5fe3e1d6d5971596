//! A long reply in pieces: a piece is made in the client's turn, and sent outside of it, since its client may
//! be slow.

use std::io::{self, Write};

use super::turns::{Turn, Turns};

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// Where a reply is written.
pub(super) struct Pieces<'a, W> {
    output: W,
    turns: &'a Turns,
    turn: Option<Turn<'a>>,
    piece: Vec<u8>,
}

impl<'a, W: Write> Pieces<'a, W> {
    /// Goes on in the turn in which the reply was found.
    pub(super) fn new(output: W, turns: &'a Turns, turn: Turn<'a>) -> Self {
        Pieces { output, turns, turn: Some(turn), piece: Vec::new() }
    }
}

impl<W: Write> Write for Pieces<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.turn.is_none() {
            self.turn = Some(self.turns.take());
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.turn = None;
        self.output.write_all(&self.piece)?;
        self.piece.clear();
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who reads only when nobody works.
    struct Reader<'a>(&'a Turns, Vec<u8>);

    impl Write for Reader<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.take());
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_sent_in_the_turn_and_everything_arrives() {
        let turns = Turns::default();
        let mut pieces = Pieces::new(Reader(&turns, Vec::new()), &turns, turns.take());
        let part = [7; 1000];
        for _ in 0..PIECE / part.len() * 3 {
            pieces.write_all(&part).unwrap();
        }
        pieces.flush().unwrap();
        assert_eq!(pieces.output.1.len(), PIECE / part.len() * 3 * part.len());
    }
}
