//! What a screen shows, as an X server has it that begins with the console's picture: the frame
//! buffer of whoever shows one, by GETFB (`include/uapi/drm/drm_mode.h`).

use super::{Device, Object};
use crate::error::{Error, Result};
use crate::uapi::Ioctl;

/// Lists pipes and connectors.
const GETRESOURCES: Ioctl<CardRes> = Ioctl::both(0xa0, "MODE_GETRESOURCES");
/// What a pipe shows.
const GETCRTC: Ioctl<Crtc> = Ioctl::both(0xa1, "MODE_GETCRTC");
/// A frame buffer, with a handle on its object for those that may set modes.
const GETFB: Ioctl<FbCmd> = Ioctl::both(0xad, "MODE_GETFB");

/// `struct drm_mode_card_res`, as far as pipes go.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct CardRes {
    fb_id_ptr: u64,
    crtc_id_ptr: u64,
    connector_id_ptr: u64,
    encoder_id_ptr: u64,
    count_fbs: u32,
    count_crtcs: u32,
    count_connectors: u32,
    count_encoders: u32,
    size_limits: [u32; 4],
}

/// `struct drm_mode_crtc`; of its mode nothing is of use here.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Crtc {
    set_connectors_ptr: u64,
    count_connectors: u32,
    crtc_id: u32,
    fb_id: u32,
    position: [u32; 2],
    gamma_size: u32,
    mode_valid: u32,
    mode: [u32; 17],
}

/// `struct drm_mode_fb_cmd`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct FbCmd {
    fb_id: u32,
    width: u32,
    height: u32,
    pitch: u32,
    bpp: u32,
    depth: u32,
    handle: u32,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_the_header() {
        assert_eq!(GETRESOURCES.number(), 0xc040_64a0);
        assert_eq!(GETCRTC.number(), 0xc068_64a1);
        assert_eq!(GETFB.number(), 0xc01c_64ad);
    }
}
