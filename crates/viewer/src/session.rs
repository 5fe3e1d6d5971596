//! One viewer's connection.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::area::Area;
use crate::canvas::Canvas;
use crate::connection::Connection;
use crate::encoding::{Encoder, put_size, put_update};
use crate::eye::{Eye, PERIOD, View};
use crate::handshake::{HandshakeError, shake_hands};
use crate::messages::{Message, MessageError, Messages};

/// Bytes that are read at a time.
const READ: usize = 4096;
/// Bytes of an update that are sent together; one area more may be waiting to be.
const SEND: usize = 64 << 10;

/// Why a session ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// It never began.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The viewer has gone, or takes nothing.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The viewer says what nobody can follow.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// What a viewer waits for.
#[derive(Clone, Copy)]
struct Wanted {
    area: Area,
    /// The part of which it wants more than changes.
    anew: Option<Area>,
}

/// A viewer that is connected.
struct Session {
    connection: Connection,
    eye: Arc<Eye>,
    canvas: Canvas,
    messages: Messages,
    encoder: Encoder,
    wanted: Option<Wanted>,
    /// When to look for it.
    next: Instant,
}

/// What there is to send.
enum News {
    Size((u16, u16)),
    Areas(Vec<Area>),
}

/// Serves a viewer until it goes, takes nothing for the time of `patience`, or says nonsense.
pub(crate) fn serve(
    stream: TcpStream,
    eye: Arc<Eye>,
    patience: Duration,
) -> Result<(), SessionError> {
    let mut connection = Connection::new(stream, patience)?;
    let canvas = Canvas::new(shake_hands(&mut connection, || eye.look(View::size))?);
    let mut session = Session {
        connection,
        eye,
        canvas,
        messages: Messages::default(),
        encoder: Encoder::default(),
        wanted: None,
        next: Instant::now(),
    };
    loop {
        session.listen()?;
        session.answer()?;
    }
}

impl Session {
    /// Takes what the viewer says, until it is time to look for what it wants. If it wants nothing,
    /// waits for as long as it is silent.
    fn listen(&mut self) -> Result<(), SessionError> {
        let mut buffer = [0; READ];
        let longest = self.wanted.map(|_| self.next.saturating_duration_since(Instant::now()));
        let Some(length) = self.connection.read(&mut buffer, longest)? else { return Ok(()) };
        let mut bytes = &buffer[..length];
        while let Some(message) = self.messages.next(&mut bytes)? {
            match message {
                Message::PixelFormat(format) => self.encoder.set_format(format),
                Message::Encodings => self.encoder.forget_encodings(),
                Message::Encoding(encoding) => self.encoder.add_encoding(encoding),
                Message::Request { incremental, area } => self.want(incremental, area),
            }
        }
        Ok(())
    }

    /// Several requests are one, for as long as none of them is answered.
    fn want(&mut self, incremental: bool, area: Area) {
        let anew = (!incremental).then_some(area);
        let Some(wanted) = &mut self.wanted else {
            self.wanted = Some(Wanted { area, anew });
            return;
        };
        wanted.area = wanted.area.with(area);
        wanted.anew = match (wanted.anew, anew) {
            (Some(one), Some(other)) => Some(one.with(other)),
            (one, other) => one.or(other),
        };
    }

    /// Sends the viewer what it wants, if there is something new and it is time.
    fn answer(&mut self) -> Result<(), SessionError> {
        let start = Instant::now();
        let Some(wanted) = self.wanted.filter(|_| start >= self.next) else { return Ok(()) };
        self.next = start + PERIOD;
        let (canvas, follows_size) = (&mut self.canvas, self.encoder.follows_size());
        let news = self.eye.look(|view| {
            if follows_size && view.size() != canvas.size() {
                *canvas = Canvas::new(view.size());
                return News::Size(view.size());
            }
            if let Some(area) = wanted.anew {
                canvas.forget(area);
            }
            News::Areas(canvas.take(view, wanted.area))
        });
        match news {
            News::Areas(areas) if areas.is_empty() => {
                // Outside of the picture nothing will ever be new.
                self.wanted = self.wanted.filter(|it| it.area.within(self.canvas.area()).is_some());
                return Ok(());
            }
            News::Areas(areas) => self.send_areas(&areas)?,
            News::Size(size) => self.send_size(size)?,
        }
        self.wanted = None;
        Ok(())
    }

    fn send_size(&mut self, size: (u16, u16)) -> io::Result<()> {
        let mut out = Vec::new();
        put_update(1, &mut out);
        put_size(size, &mut out);
        self.connection.send(&out, self.connection.deadline())
    }

    fn send_areas(&mut self, areas: &[Area]) -> io::Result<()> {
        let end = self.connection.deadline();
        let mut out = Vec::new();
        put_update(areas.len(), &mut out);
        for &area in areas {
            self.encoder.put(area, &self.canvas, &mut out);
            if out.len() > SEND {
                self.connection.send(&out, end)?;
                out.clear();
            }
        }
        self.connection.send(&out, end)
    }
}
