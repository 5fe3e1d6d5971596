//! What a screen shows, as an X server has it that begins with the console's picture: the frame
//! buffer of whoever shows one, by GETFB.

use super::{Device, Object};
use crate::error::{Error, Result};
use crate::uapi::kms::{CardRes, Crtc, FbCmd, GETCRTC, GETFB, GETRESOURCES};

/// A frame buffer that somebody shows, with a handle of ours on its object.
pub(crate) struct FrameBuffer {
    pub(crate) object: Object,
    /// Pixels in a row, and rows.
    pub(crate) size: (u32, u32),
    /// Bytes from a row to the next.
    pub(crate) pitch: u32,
    /// Bits of a pixel.
    pub(crate) bits: u32,
}

impl FrameBuffer {
    /// What the first pipe that is on shows.
    pub(crate) fn shown(device: &Device) -> Result<FrameBuffer> {
        for id in crtcs(device)? {
            let mut crtc = Crtc { crtc_id: id, ..Crtc::default() };
            device.ioctl(GETCRTC, &mut crtc)?;
            if crtc.fb_id != 0 {
                return FrameBuffer::get(device, crtc.fb_id);
            }
        }
        Err(Error::NotHere("no screen shows anything (--output)".into()))
    }

    fn get(device: &Device, fb_id: u32) -> Result<FrameBuffer> {
        let mut fb = FbCmd { fb_id, ..FbCmd::default() };
        device.ioctl(GETFB, &mut fb)?;
        if fb.handle == 0 {
            return Err(Error::Wrong("GETFB gave no handle of the frame buffer".into()));
        }
        let bytes = (fb.pitch as usize * fb.height as usize).next_multiple_of(4096);
        let object = Object::owned(device, fb.handle, bytes);
        Ok(FrameBuffer { object, size: (fb.width, fb.height), pitch: fb.pitch, bits: fb.bpp })
    }
}

/// The pipes' ids. There are three of them at most on these parts.
fn crtcs(device: &Device) -> Result<Vec<u32>> {
    let mut ids = [0; 8];
    let crtc_id_ptr = ids.as_mut_ptr() as u64;
    let mut resources =
        CardRes { crtc_id_ptr, count_crtcs: ids.len() as u32, ..CardRes::default() };
    device.ioctl(GETRESOURCES, &mut resources)?;
    Ok(ids.into_iter().take(resources.count_crtcs as usize).collect())
}
