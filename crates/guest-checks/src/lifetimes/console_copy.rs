//! A copy of the console's picture by the GPU, as X makes it that starts on the console's picture:
//! the frame buffer's object, which is the kernel's, gets a VMA in the client's address space.

use super::SHARED_AT;
use crate::error::{Error, Result};
use crate::gpu::blt::{Blit, Depth, Form, Layout, Pattern, Rectangle, Source, Surface};
use crate::gpu::{Batch, Context, Device, FrameBuffer, Node, Object};
use crate::sys::Mapping;
use crate::trace;

/// Where the batch and the copy are in the address space.
const BATCH_AT: u64 = 0x1000_0000;
const COPY_AT: u64 = 0x2000_0000;
/// The ROP of a plain copy of the source.
const COPY: u8 = 0xcc;
/// How often it is tried again while somebody writes on the console.
const TRIES: usize = 10;

/// A client that has the console's frame buffer bound at [`SHARED_AT`].
pub(crate) struct ConsoleCopy {
    console: FrameBuffer,
    /// The rest of what it holds.
    _own: (Context, Object, Object),
}

impl ConsoleCopy {
    /// Opens the card and copies what the screen shows, in an address space that it marks; looks
    /// whether the copy is right.
    pub(crate) fn make(mark: u32) -> Result<ConsoleCopy> {
        let device = Device::open(Node::Card)?;
        let console = FrameBuffer::shown(&device)?;
        let blitter = device.engines()?.into_iter().find(|engine| engine.is_copy());
        let blitter = blitter.ok_or_else(|| Error::NotHere("there is no blitter".into()))?;
        let bytes = console.pitch as usize * console.size.1 as usize;
        let copy = device.object(bytes.next_multiple_of(4096))?;
        let code = device.object(4096)?;
        let batch = blit(&console)?.append(Batch::default().mark(mark)).end();
        batch.write_to(&code.open()?);
        trace::announce(mark)?;
        let context = device.context(blitter)?;
        let (from, to) = (console.object.open()?, copy.open()?);
        let mut same = false;
        for _ in 0..TRIES {
            let objects = [console.object.at(SHARED_AT), copy.at(COPY_AT).written()];
            context.submit(&objects, code.at(BATCH_AT))?;
            copy.wait()?;
            same = bytes_of(&from, bytes) == bytes_of(&to, bytes);
            if same {
                break;
            }
        }
        if !same {
            return Err(Error::Wrong("the GPU's copy of the console is not what it shows".into()));
        }
        Ok(ConsoleCopy { console, _own: (context, copy, code) })
    }

    /// Closes the handle of the console's object, and keeps everything else.
    pub(crate) fn close_handle(self) -> impl Sized {
        let ConsoleCopy { console, _own } = self;
        drop(console);
        _own
    }
}

fn bytes_of(mapping: &Mapping, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    mapping.read_bytes(0, &mut bytes);
    bytes
}

/// The whole picture.
fn blit(console: &FrameBuffer) -> Result<Blit> {
    let number = |value: u32| i16::try_from(value).ok();
    let (width, height) = console.size;
    let (Some(right), Some(bottom), Some(_), 32) =
        (number(width), number(height), number(console.pitch), console.bits)
    else {
        let what = format!("a screen of {width}x{height} with {} bits a pixel", console.bits);
        return Err(Error::NotHere(format!("{what} is more than one blit takes")));
    };
    let pitch = console.pitch as i32;
    let surface = |address| Surface { address, pitch, layout: Layout::Linear };
    Ok(Blit {
        form: Form::Xy,
        target: surface(COPY_AT),
        depth: Depth::Argb8888,
        rop: COPY,
        area: Rectangle { left: 0, top: 0, right, bottom },
        clip: None,
        alpha: true,
        rgb: true,
        source: Source::Pixels { surface: surface(SHARED_AT), at: (0, 0) },
        pattern: Pattern::None,
        seeds: (0, 0),
        chroma: None,
    })
}
