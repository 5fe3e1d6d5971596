//! The part of the kernel's mode setting interface that is used here: `include/uapi/drm/drm_mode.h`,
//! `drm.h` and `drm_fourcc.h`. Field and constant names are the headers', shortened by prefix.

use super::Ioctl;

/// Takes the right to set modes (`_IO('d', 0x1e)`).
pub(crate) const SET_MASTER: Ioctl<u32> = Ioctl::old(0x641e, "SET_MASTER");
/// Asks for things beyond the first interface.
pub(crate) const SET_CLIENT_CAP: Ioctl<ClientCap> = Ioctl::write(0x0d, "SET_CLIENT_CAP");
/// Waits for a blanking, or asks for an event of one.
pub(crate) const WAIT_VBLANK: Ioctl<WaitVblank> = Ioctl::both(0x3a, "WAIT_VBLANK");
/// Lists pipes and connectors.
pub(crate) const GETRESOURCES: Ioctl<CardRes> = Ioctl::both(0xa0, "MODE_GETRESOURCES");
/// What a pipe shows.
pub(crate) const GETCRTC: Ioctl<Crtc> = Ioctl::both(0xa1, "MODE_GETCRTC");
/// Sets a mode.
pub(crate) const SETCRTC: Ioctl<Crtc> = Ioctl::both(0xa2, "MODE_SETCRTC");
/// Sets a pipe's gamma ramp.
pub(crate) const SETGAMMA: Ioctl<CrtcLut> = Ioctl::both(0xa5, "MODE_SETGAMMA");
/// Which monitor is at a connector, and its modes.
pub(crate) const GETCONNECTOR: Ioctl<GetConnector> = Ioctl::both(0xa7, "MODE_GETCONNECTOR");
/// A property's name.
pub(crate) const GETPROPERTY: Ioctl<GetProperty> = Ioctl::both(0xaa, "MODE_GETPROPERTY");
/// A frame buffer, with a handle on its object for those that may set modes.
pub(crate) const GETFB: Ioctl<FbCmd> = Ioctl::both(0xad, "MODE_GETFB");
/// Frees a frame buffer.
pub(crate) const RMFB: Ioctl<u32> = Ioctl::both(0xaf, "MODE_RMFB");
/// Shows another frame buffer from the next blanking on.
pub(crate) const PAGE_FLIP: Ioctl<PageFlip> = Ioctl::both(0xb0, "MODE_PAGE_FLIP");
/// Lists planes.
pub(crate) const GETPLANERESOURCES: Ioctl<PlaneRes> = Ioctl::both(0xb5, "MODE_GETPLANERESOURCES");
/// Which pipes a plane can be on.
pub(crate) const GETPLANE: Ioctl<GetPlane> = Ioctl::both(0xb6, "MODE_GETPLANE");
/// Shows a frame buffer on a plane.
pub(crate) const SETPLANE: Ioctl<SetPlane> = Ioctl::both(0xb7, "MODE_SETPLANE");
/// Makes a frame buffer of an object.
pub(crate) const ADDFB2: Ioctl<FbCmd2> = Ioctl::both(0xb8, "MODE_ADDFB2");
/// Lists an object's properties.
pub(crate) const OBJ_GETPROPERTIES: Ioctl<ObjGetProperties> =
    Ioctl::both(0xb9, "MODE_OBJ_GETPROPERTIES");
/// Sets an object's property.
pub(crate) const OBJ_SETPROPERTY: Ioctl<ObjSetProperty> = Ioctl::both(0xba, "MODE_OBJ_SETPROPERTY");
/// Sets a pipe's cursor.
pub(crate) const CURSOR2: Ioctl<Cursor2> = Ioctl::both(0xbb, "MODE_CURSOR2");
/// Changes many things at once.
pub(crate) const ATOMIC: Ioctl<Atomic> = Ioctl::both(0xbc, "MODE_ATOMIC");

/// `struct drm_set_client_cap`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ClientCap {
    pub(crate) capability: u64,
    pub(crate) value: u64,
}

/// `DRM_CLIENT_CAP_UNIVERSAL_PLANES`
pub(crate) const CAP_UNIVERSAL_PLANES: u64 = 2;
/// `DRM_CLIENT_CAP_ATOMIC`
pub(crate) const CAP_ATOMIC: u64 = 3;

/// `union drm_wait_vblank` as the request.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct WaitVblank {
    pub(crate) kind: u32,
    pub(crate) sequence: u32,
    pub(crate) signal: u64,
    pub(crate) tval_usec: i64,
}

/// `_DRM_VBLANK_RELATIVE`
pub(crate) const VBLANK_RELATIVE: u32 = 1;
/// `_DRM_VBLANK_EVENT`
pub(crate) const VBLANK_EVENT: u32 = 0x400_0000;
/// `_DRM_VBLANK_HIGH_CRTC_SHIFT`
pub(crate) const VBLANK_CRTC_SHIFT: u32 = 1;

/// `struct drm_event_vblank`, whose first dwords are `struct drm_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VblankEvent {
    pub(crate) kind: u32,
    pub(crate) user_data: u64,
    pub(crate) tv_sec: u32,
    pub(crate) tv_usec: u32,
    pub(crate) sequence: u32,
    pub(crate) crtc_id: u32,
}

/// Bytes of `struct drm_event_vblank`.
pub(crate) const VBLANK_EVENT_BYTES: usize = 32;
/// `DRM_EVENT_VBLANK`
pub(crate) const EVENT_VBLANK: u32 = 1;
/// `DRM_EVENT_FLIP_COMPLETE`
pub(crate) const EVENT_FLIP_COMPLETE: u32 = 2;

/// `struct drm_mode_modeinfo`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ModeInfo {
    /// kHz.
    pub(crate) clock: u32,
    pub(crate) hdisplay: u16,
    pub(crate) hsync_start: u16,
    pub(crate) hsync_end: u16,
    pub(crate) htotal: u16,
    pub(crate) hskew: u16,
    pub(crate) vdisplay: u16,
    pub(crate) vsync_start: u16,
    pub(crate) vsync_end: u16,
    pub(crate) vtotal: u16,
    pub(crate) vscan: u16,
    pub(crate) vrefresh: u32,
    pub(crate) flags: u32,
    pub(crate) kind: u32,
    pub(crate) name: [u8; 32],
}

/// `struct drm_mode_card_res`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct CardRes {
    pub(crate) fb_id_ptr: u64,
    pub(crate) crtc_id_ptr: u64,
    pub(crate) connector_id_ptr: u64,
    pub(crate) encoder_id_ptr: u64,
    pub(crate) count_fbs: u32,
    pub(crate) count_crtcs: u32,
    pub(crate) count_connectors: u32,
    pub(crate) count_encoders: u32,
    pub(crate) min_width: u32,
    pub(crate) max_width: u32,
    pub(crate) min_height: u32,
    pub(crate) max_height: u32,
}

/// `struct drm_mode_crtc`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Crtc {
    pub(crate) set_connectors_ptr: u64,
    pub(crate) count_connectors: u32,
    pub(crate) crtc_id: u32,
    pub(crate) fb_id: u32,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) gamma_size: u32,
    pub(crate) mode_valid: u32,
    pub(crate) mode: ModeInfo,
}

/// `struct drm_mode_fb_cmd`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct FbCmd {
    pub(crate) fb_id: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pitch: u32,
    pub(crate) bpp: u32,
    pub(crate) depth: u32,
    pub(crate) handle: u32,
}

/// `struct drm_mode_crtc_lut`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct CrtcLut {
    pub(crate) crtc_id: u32,
    pub(crate) gamma_size: u32,
    pub(crate) red: u64,
    pub(crate) green: u64,
    pub(crate) blue: u64,
}

/// `struct drm_mode_get_connector`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GetConnector {
    pub(crate) encoders_ptr: u64,
    pub(crate) modes_ptr: u64,
    pub(crate) props_ptr: u64,
    pub(crate) prop_values_ptr: u64,
    pub(crate) count_modes: u32,
    pub(crate) count_props: u32,
    pub(crate) count_encoders: u32,
    pub(crate) encoder_id: u32,
    pub(crate) connector_id: u32,
    pub(crate) connector_type: u32,
    pub(crate) connector_type_id: u32,
    pub(crate) connection: u32,
    pub(crate) mm_width: u32,
    pub(crate) mm_height: u32,
    pub(crate) subpixel: u32,
    pub(crate) pad: u32,
}

/// `DRM_MODE_CONNECTED`
pub(crate) const CONNECTED: u32 = 1;

/// `struct drm_mode_get_property`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GetProperty {
    pub(crate) values_ptr: u64,
    pub(crate) enum_blob_ptr: u64,
    pub(crate) prop_id: u32,
    pub(crate) flags: u32,
    pub(crate) name: [u8; 32],
    pub(crate) count_values: u32,
    pub(crate) count_enum_blobs: u32,
}

/// `struct drm_mode_crtc_page_flip`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct PageFlip {
    pub(crate) crtc_id: u32,
    pub(crate) fb_id: u32,
    pub(crate) flags: u32,
    pub(crate) reserved: u32,
    pub(crate) user_data: u64,
}

/// `DRM_MODE_PAGE_FLIP_EVENT`
pub(crate) const PAGE_FLIP_EVENT: u32 = 1;

/// `struct drm_mode_get_plane_res`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct PlaneRes {
    pub(crate) plane_id_ptr: u64,
    pub(crate) count_planes: u32,
    pub(crate) pad: u32,
}

/// `struct drm_mode_get_plane`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct GetPlane {
    pub(crate) plane_id: u32,
    pub(crate) crtc_id: u32,
    pub(crate) fb_id: u32,
    pub(crate) possible_crtcs: u32,
    pub(crate) gamma_size: u32,
    pub(crate) count_format_types: u32,
    pub(crate) format_type_ptr: u64,
}

/// `struct drm_mode_set_plane`; the source in 16.16 fixed point.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct SetPlane {
    pub(crate) plane_id: u32,
    pub(crate) crtc_id: u32,
    pub(crate) fb_id: u32,
    pub(crate) flags: u32,
    pub(crate) crtc_x: i32,
    pub(crate) crtc_y: i32,
    pub(crate) crtc_w: u32,
    pub(crate) crtc_h: u32,
    pub(crate) src_x: u32,
    pub(crate) src_y: u32,
    pub(crate) src_h: u32,
    pub(crate) src_w: u32,
}

/// `struct drm_mode_fb_cmd2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct FbCmd2 {
    pub(crate) fb_id: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixel_format: u32,
    pub(crate) flags: u32,
    pub(crate) handles: [u32; 4],
    pub(crate) pitches: [u32; 4],
    pub(crate) offsets: [u32; 4],
    pub(crate) modifier: [u64; 4],
}

/// `DRM_MODE_FB_MODIFIERS`
pub(crate) const FB_MODIFIERS: u32 = 1 << 1;
/// `I915_FORMAT_MOD_X_TILED`
pub(crate) const MOD_X_TILED: u64 = 1 << 56 | 1;
/// `DRM_FORMAT_XRGB8888`: "XR24"
pub(crate) const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

/// `struct drm_mode_obj_get_properties`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ObjGetProperties {
    pub(crate) props_ptr: u64,
    pub(crate) prop_values_ptr: u64,
    pub(crate) count_props: u32,
    pub(crate) obj_id: u32,
    pub(crate) obj_type: u32,
    pub(crate) pad: u32,
}

/// `struct drm_mode_obj_set_property`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ObjSetProperty {
    pub(crate) value: u64,
    pub(crate) prop_id: u32,
    pub(crate) obj_id: u32,
    pub(crate) obj_type: u32,
    pub(crate) pad: u32,
}

/// `DRM_MODE_OBJECT_CONNECTOR`
pub(crate) const OBJECT_CONNECTOR: u32 = 0xc0c0_c0c0;
/// `DRM_MODE_OBJECT_PLANE`
pub(crate) const OBJECT_PLANE: u32 = 0xeeee_eeee;
/// `DRM_PLANE_TYPE_OVERLAY`
pub(crate) const PLANE_OVERLAY: u64 = 0;
/// `DRM_PLANE_TYPE_PRIMARY`
pub(crate) const PLANE_PRIMARY: u64 = 1;
/// `DRM_MODE_DPMS_ON`
pub(crate) const DPMS_ON: u64 = 0;
/// `DRM_MODE_DPMS_OFF`
pub(crate) const DPMS_OFF: u64 = 3;

/// `struct drm_mode_cursor2`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Cursor2 {
    pub(crate) flags: u32,
    pub(crate) crtc_id: u32,
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) handle: u32,
    pub(crate) hot_x: i32,
    pub(crate) hot_y: i32,
}

/// `DRM_MODE_CURSOR_BO`
pub(crate) const CURSOR_BO: u32 = 1;
/// `DRM_MODE_CURSOR_MOVE`
pub(crate) const CURSOR_MOVE: u32 = 2;

/// `struct drm_mode_atomic`
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Atomic {
    pub(crate) flags: u32,
    pub(crate) count_objs: u32,
    pub(crate) objs_ptr: u64,
    pub(crate) count_props_ptr: u64,
    pub(crate) props_ptr: u64,
    pub(crate) prop_values_ptr: u64,
    pub(crate) reserved: u64,
    pub(crate) user_data: u64,
}

/// `DRM_MODE_ATOMIC_NONBLOCK`
pub(crate) const ATOMIC_NONBLOCK: u32 = 0x200;

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
        assert_eq!(GETFB.number(), 0xc01c_64ad);
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
