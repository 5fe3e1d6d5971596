//! The part of the kernel's mode setting interface that is used here: `include/uapi/drm/drm_mode.h`,
//! `drm.h` and `drm_fourcc.h`. Field and constant names are the headers', shortened by prefix.

use crate::uapi::Ioctl;

/// Takes the right to set modes (`_IO('d', 0x1e)`).
pub(super) const SET_MASTER: Ioctl<u32> = Ioctl::old(0x641e, "SET_MASTER");
/// Asks for things beyond the first interface.
pub(super) const SET_CLIENT_CAP: Ioctl<ClientCap> = Ioctl::write(0x0d, "SET_CLIENT_CAP");
/// Waits for a blanking, or asks for an event of one.
pub(super) const WAIT_VBLANK: Ioctl<WaitVblank> = Ioctl::both(0x3a, "WAIT_VBLANK");
/// Lists pipes and connectors.
pub(super) const GETRESOURCES: Ioctl<CardRes> = Ioctl::both(0xa0, "MODE_GETRESOURCES");
/// What a pipe shows.
pub(super) const GETCRTC: Ioctl<Crtc> = Ioctl::both(0xa1, "MODE_GETCRTC");
/// Sets a mode.
pub(super) const SETCRTC: Ioctl<Crtc> = Ioctl::both(0xa2, "MODE_SETCRTC");
/// Sets a pipe's gamma ramp.
pub(super) const SETGAMMA: Ioctl<CrtcLut> = Ioctl::both(0xa5, "MODE_SETGAMMA");
/// Which monitor is at a connector, and its modes.
pub(super) const GETCONNECTOR: Ioctl<GetConnector> = Ioctl::both(0xa7, "MODE_GETCONNECTOR");
/// A property's name.
pub(super) const GETPROPERTY: Ioctl<GetProperty> = Ioctl::both(0xaa, "MODE_GETPROPERTY");
/// Frees a frame buffer.
pub(super) const RMFB: Ioctl<u32> = Ioctl::both(0xaf, "MODE_RMFB");
/// Shows another frame buffer from the next blanking on.
pub(super) const PAGE_FLIP: Ioctl<PageFlip> = Ioctl::both(0xb0, "MODE_PAGE_FLIP");
/// Lists planes.
pub(super) const GETPLANERESOURCES: Ioctl<PlaneRes> = Ioctl::both(0xb5, "MODE_GETPLANERESOURCES");
/// Which pipes a plane can be on.
pub(super) const GETPLANE: Ioctl<GetPlane> = Ioctl::both(0xb6, "MODE_GETPLANE");
/// Shows a frame buffer on a plane.
pub(super) const SETPLANE: Ioctl<SetPlane> = Ioctl::both(0xb7, "MODE_SETPLANE");
/// Makes a frame buffer of an object.
pub(super) const ADDFB2: Ioctl<FbCmd2> = Ioctl::both(0xb8, "MODE_ADDFB2");
/// Lists an object's properties.
pub(super) const OBJ_GETPROPERTIES: Ioctl<ObjGetProperties> =
    Ioctl::both(0xb9, "MODE_OBJ_GETPROPERTIES");
/// Sets an object's property.
pub(super) const OBJ_SETPROPERTY: Ioctl<ObjSetProperty> = Ioctl::both(0xba, "MODE_OBJ_SETPROPERTY");
/// Sets a pipe's cursor.
pub(super) const CURSOR2: Ioctl<Cursor2> = Ioctl::both(0xbb, "MODE_CURSOR2");
/// Changes many things at once.
pub(super) const ATOMIC: Ioctl<Atomic> = Ioctl::both(0xbc, "MODE_ATOMIC");

/// `struct drm_set_client_cap`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct ClientCap {
    pub(super) capability: u64,
    pub(super) value: u64,
}

/// `DRM_CLIENT_CAP_UNIVERSAL_PLANES`
pub(super) const CAP_UNIVERSAL_PLANES: u64 = 2;
/// `DRM_CLIENT_CAP_ATOMIC`
pub(super) const CAP_ATOMIC: u64 = 3;

/// `union drm_wait_vblank` as the request.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct WaitVblank {
    pub(super) kind: u32,
    pub(super) sequence: u32,
    pub(super) signal: u64,
    pub(super) tval_usec: i64,
}

/// `_DRM_VBLANK_RELATIVE`
pub(super) const VBLANK_RELATIVE: u32 = 1;
/// `_DRM_VBLANK_EVENT`
pub(super) const VBLANK_EVENT: u32 = 0x400_0000;
/// `_DRM_VBLANK_HIGH_CRTC_SHIFT`
pub(super) const VBLANK_CRTC_SHIFT: u32 = 1;

/// `struct drm_event_vblank`, whose first dwords are `struct drm_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct VblankEvent {
    pub(super) kind: u32,
    pub(super) user_data: u64,
    pub(super) tv_sec: u32,
    pub(super) tv_usec: u32,
    pub(super) sequence: u32,
    pub(super) crtc_id: u32,
}

/// Bytes of `struct drm_event_vblank`.
pub(super) const VBLANK_EVENT_BYTES: usize = 32;
/// `DRM_EVENT_VBLANK`
pub(super) const EVENT_VBLANK: u32 = 1;
/// `DRM_EVENT_FLIP_COMPLETE`
pub(super) const EVENT_FLIP_COMPLETE: u32 = 2;

/// `struct drm_mode_modeinfo`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct ModeInfo {
    /// kHz.
    pub(super) clock: u32,
    pub(super) hdisplay: u16,
    pub(super) hsync_start: u16,
    pub(super) hsync_end: u16,
    pub(super) htotal: u16,
    pub(super) hskew: u16,
    pub(super) vdisplay: u16,
    pub(super) vsync_start: u16,
    pub(super) vsync_end: u16,
    pub(super) vtotal: u16,
    pub(super) vscan: u16,
    pub(super) vrefresh: u32,
    pub(super) flags: u32,
    pub(super) kind: u32,
    pub(super) name: [u8; 32],
}

/// `struct drm_mode_card_res`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct CardRes {
    pub(super) fb_id_ptr: u64,
    pub(super) crtc_id_ptr: u64,
    pub(super) connector_id_ptr: u64,
    pub(super) encoder_id_ptr: u64,
    pub(super) count_fbs: u32,
    pub(super) count_crtcs: u32,
    pub(super) count_connectors: u32,
    pub(super) count_encoders: u32,
    pub(super) min_width: u32,
    pub(super) max_width: u32,
    pub(super) min_height: u32,
    pub(super) max_height: u32,
}

/// `struct drm_mode_crtc`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Crtc {
    pub(super) set_connectors_ptr: u64,
    pub(super) count_connectors: u32,
    pub(super) crtc_id: u32,
    pub(super) fb_id: u32,
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) gamma_size: u32,
    pub(super) mode_valid: u32,
    pub(super) mode: ModeInfo,
}

/// `struct drm_mode_crtc_lut`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct CrtcLut {
    pub(super) crtc_id: u32,
    pub(super) gamma_size: u32,
    pub(super) red: u64,
    pub(super) green: u64,
    pub(super) blue: u64,
}

/// `struct drm_mode_get_connector`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct GetConnector {
    pub(super) encoders_ptr: u64,
    pub(super) modes_ptr: u64,
    pub(super) props_ptr: u64,
    pub(super) prop_values_ptr: u64,
    pub(super) count_modes: u32,
    pub(super) count_props: u32,
    pub(super) count_encoders: u32,
    pub(super) encoder_id: u32,
    pub(super) connector_id: u32,
    pub(super) connector_type: u32,
    pub(super) connector_type_id: u32,
    pub(super) connection: u32,
    pub(super) mm_width: u32,
    pub(super) mm_height: u32,
    pub(super) subpixel: u32,
    pub(super) pad: u32,
}

/// `DRM_MODE_CONNECTED`
pub(super) const CONNECTED: u32 = 1;

/// `struct drm_mode_get_property`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct GetProperty {
    pub(super) values_ptr: u64,
    pub(super) enum_blob_ptr: u64,
    pub(super) prop_id: u32,
    pub(super) flags: u32,
    pub(super) name: [u8; 32],
    pub(super) count_values: u32,
    pub(super) count_enum_blobs: u32,
}

/// `struct drm_mode_crtc_page_flip`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct PageFlip {
    pub(super) crtc_id: u32,
    pub(super) fb_id: u32,
    pub(super) flags: u32,
    pub(super) reserved: u32,
    pub(super) user_data: u64,
}

/// `DRM_MODE_PAGE_FLIP_EVENT`
pub(super) const PAGE_FLIP_EVENT: u32 = 1;

/// `struct drm_mode_get_plane_res`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct PlaneRes {
    pub(super) plane_id_ptr: u64,
    pub(super) count_planes: u32,
    pub(super) pad: u32,
}

/// `struct drm_mode_get_plane`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct GetPlane {
    pub(super) plane_id: u32,
    pub(super) crtc_id: u32,
    pub(super) fb_id: u32,
    pub(super) possible_crtcs: u32,
    pub(super) gamma_size: u32,
    pub(super) count_format_types: u32,
    pub(super) format_type_ptr: u64,
}

/// `struct drm_mode_set_plane`; the source in 16.16 fixed point.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct SetPlane {
    pub(super) plane_id: u32,
    pub(super) crtc_id: u32,
    pub(super) fb_id: u32,
    pub(super) flags: u32,
    pub(super) crtc_x: i32,
    pub(super) crtc_y: i32,
    pub(super) crtc_w: u32,
    pub(super) crtc_h: u32,
    pub(super) src_x: u32,
    pub(super) src_y: u32,
    pub(super) src_h: u32,
    pub(super) src_w: u32,
}

/// `struct drm_mode_fb_cmd2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct FbCmd2 {
    pub(super) fb_id: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_format: u32,
    pub(super) flags: u32,
    pub(super) handles: [u32; 4],
    pub(super) pitches: [u32; 4],
    pub(super) offsets: [u32; 4],
    pub(super) modifier: [u64; 4],
}

/// `DRM_MODE_FB_MODIFIERS`
pub(super) const FB_MODIFIERS: u32 = 1 << 1;
/// `I915_FORMAT_MOD_X_TILED`
pub(super) const MOD_X_TILED: u64 = 1 << 56 | 1;
/// `DRM_FORMAT_XRGB8888`: "XR24"
pub(super) const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

/// `struct drm_mode_obj_get_properties`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct ObjGetProperties {
    pub(super) props_ptr: u64,
    pub(super) prop_values_ptr: u64,
    pub(super) count_props: u32,
    pub(super) obj_id: u32,
    pub(super) obj_type: u32,
    pub(super) pad: u32,
}

/// `struct drm_mode_obj_set_property`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct ObjSetProperty {
    pub(super) value: u64,
    pub(super) prop_id: u32,
    pub(super) obj_id: u32,
    pub(super) obj_type: u32,
    pub(super) pad: u32,
}

/// `DRM_MODE_OBJECT_CONNECTOR`
pub(super) const OBJECT_CONNECTOR: u32 = 0xc0c0_c0c0;
/// `DRM_MODE_OBJECT_PLANE`
pub(super) const OBJECT_PLANE: u32 = 0xeeee_eeee;
/// `DRM_PLANE_TYPE_OVERLAY`
pub(super) const PLANE_OVERLAY: u64 = 0;
/// `DRM_PLANE_TYPE_PRIMARY`
pub(super) const PLANE_PRIMARY: u64 = 1;
/// `DRM_MODE_DPMS_ON`
pub(super) const DPMS_ON: u64 = 0;
/// `DRM_MODE_DPMS_OFF`
pub(super) const DPMS_OFF: u64 = 3;

/// `struct drm_mode_cursor2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Cursor2 {
    pub(super) flags: u32,
    pub(super) crtc_id: u32,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) handle: u32,
    pub(super) hot_x: i32,
    pub(super) hot_y: i32,
}

/// `DRM_MODE_CURSOR_BO`
pub(super) const CURSOR_BO: u32 = 1;
/// `DRM_MODE_CURSOR_MOVE`
pub(super) const CURSOR_MOVE: u32 = 2;

/// `struct drm_mode_atomic`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Atomic {
    pub(super) flags: u32,
    pub(super) count_objs: u32,
    pub(super) objs_ptr: u64,
    pub(super) count_props_ptr: u64,
    pub(super) props_ptr: u64,
    pub(super) prop_values_ptr: u64,
    pub(super) reserved: u64,
    pub(super) user_data: u64,
}

/// `DRM_MODE_ATOMIC_NONBLOCK`
pub(super) const ATOMIC_NONBLOCK: u32 = 0x200;

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers as they stand in recorded system calls (strace's table of ioctls).
    #[test]
    fn ioctls_have_the_numbers_of_the_header() {
        assert_eq!(SET_CLIENT_CAP.number(), 0x4010_640d);
        assert_eq!(WAIT_VBLANK.number(), 0xc018_643a);
        assert_eq!(GETRESOURCES.number(), 0xc040_64a0);
        assert_eq!(GETCRTC.number(), 0xc068_64a1);
        assert_eq!(SETCRTC.number(), 0xc068_64a2);
        assert_eq!(SETGAMMA.number(), 0xc020_64a5);
        assert_eq!(GETCONNECTOR.number(), 0xc050_64a7);
        assert_eq!(GETPROPERTY.number(), 0xc040_64aa);
        assert_eq!(RMFB.number(), 0xc004_64af);
        assert_eq!(PAGE_FLIP.number(), 0xc018_64b0);
        assert_eq!(GETPLANERESOURCES.number(), 0xc010_64b5);
        assert_eq!(GETPLANE.number(), 0xc020_64b6);
        assert_eq!(SETPLANE.number(), 0xc030_64b7);
        assert_eq!(ADDFB2.number(), 0xc068_64b8);
        assert_eq!(OBJ_GETPROPERTIES.number(), 0xc020_64b9);
        assert_eq!(OBJ_SETPROPERTY.number(), 0xc018_64ba);
        assert_eq!(CURSOR2.number(), 0xc024_64bb);
        assert_eq!(ATOMIC.number(), 0xc038_64bc);
    }

    #[test]
    fn structures_without_an_ioctl_of_their_own_have_the_size_of_the_header() {
        assert_eq!(size_of::<ModeInfo>(), 68);
        assert_eq!(std::mem::offset_of!(FbCmd2, modifier), 72);
    }
}
