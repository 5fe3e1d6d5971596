//! The primary node as the one client that may set modes has it.

use super::uapi;
use crate::error::{Error, Result};
use crate::gpu::{Device, Node};

/// The connector types that the checks have monitors at (`drm_mode.h`: `DRM_MODE_CONNECTOR_HDMIA`).
const HDMI_A: u32 = 11;

/// The card, with the right to set modes.
pub(super) struct Card {
    pub(super) device: Device,
    /// Pipes, in the order of their numbers.
    pub(super) crtcs: Vec<u32>,
    connectors: Vec<u32>,
}

/// A connector as it is now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Connector {
    pub(super) id: u32,
    /// As the kernel numbers those of its type, from 1.
    pub(super) number: u32,
    hdmi: bool,
    connection: u32,
    /// What its monitor takes, the best first.
    pub(super) modes: Vec<uapi::ModeInfo>,
}

impl Connector {
    /// A monitor is there.
    pub(super) fn is_connected(&self) -> bool {
        self.connection == uapi::CONNECTED
    }

    /// The name in sysfs, behind `card0-`.
    pub(super) fn name(&self) -> String {
        format!("HDMI-A-{}", self.number)
    }
}

impl Card {
    /// Opens the card and takes the right to set modes; the console gives way until this is closed.
    pub(super) fn open() -> Result<Card> {
        let device = Device::open(Node::Card)?;
        device.ioctl(uapi::SET_MASTER, &mut 0)?;
        for capability in [uapi::CAP_UNIVERSAL_PLANES, uapi::CAP_ATOMIC] {
            let mut wish = uapi::ClientCap { capability, value: 1 };
            device.ioctl(uapi::SET_CLIENT_CAP, &mut wish)?;
        }
        let (crtcs, connectors) = resources(&device)?;
        Ok(Card { device, crtcs, connectors })
    }

    /// Every HDMI connector, looked at anew.
    pub(super) fn connectors(&self) -> Result<Vec<Connector>> {
        let all = self.connectors.iter().map(|&id| self.connector(id));
        let all: Vec<Connector> = all.collect::<Result<_>>()?;
        Ok(all.into_iter().filter(|connector| connector.hdmi).collect())
    }

    /// Those that have a monitor; without one, no check of a screen can be.
    pub(super) fn monitors(&self) -> Result<Vec<Connector>> {
        let mut connectors = self.connectors()?;
        connectors.retain(|one| one.is_connected() && !one.modes.is_empty());
        if connectors.is_empty() {
            return Err(Error::NotHere("there is no monitor (--output)".into()));
        }
        Ok(connectors)
    }

    /// Asks the monitor at one connector, as the kernel does then over its wires.
    pub(super) fn connector(&self, id: u32) -> Result<Connector> {
        let mut get = uapi::GetConnector { connector_id: id, ..Default::default() };
        self.device.ioctl(uapi::GETCONNECTOR, &mut get)?;
        // Only a call without room for modes asks the monitor; the next one takes what was found.
        let mut modes = vec![uapi::ModeInfo::default(); get.count_modes as usize];
        if !modes.is_empty() {
            let mut fill = uapi::GetConnector {
                connector_id: id,
                modes_ptr: modes.as_mut_ptr() as u64,
                count_modes: get.count_modes,
                ..Default::default()
            };
            self.device.ioctl(uapi::GETCONNECTOR, &mut fill)?;
            modes.truncate(fill.count_modes as usize);
            get = fill;
        }
        let (hdmi, number) = (get.connector_type == HDMI_A, get.connector_type_id);
        Ok(Connector { id, number, hdmi, connection: get.connection, modes })
    }

    /// What a pipe shows.
    pub(super) fn crtc(&self, id: u32) -> Result<uapi::Crtc> {
        let mut crtc = uapi::Crtc { crtc_id: id, ..Default::default() };
        self.device.ioctl(uapi::GETCRTC, &mut crtc)?;
        Ok(crtc)
    }

    /// Switches a pipe off.
    pub(super) fn darken(&self, crtc: u32) -> Result<()> {
        let mut set = uapi::Crtc { crtc_id: crtc, ..Default::default() };
        self.device.ioctl(uapi::SETCRTC, &mut set)
    }

    /// The planes that can be on pipe `pipe` (its number).
    pub(super) fn planes(&self, pipe: u32) -> Result<Vec<u32>> {
        let mut count = uapi::PlaneRes::default();
        self.device.ioctl(uapi::GETPLANERESOURCES, &mut count)?;
        let mut ids = vec![0; count.count_planes as usize];
        let plane_id_ptr = ids.as_mut_ptr() as u64;
        self.device.ioctl(
            uapi::GETPLANERESOURCES,
            &mut uapi::PlaneRes { plane_id_ptr, count_planes: count.count_planes, pad: 0 },
        )?;
        let mut of_pipe = Vec::new();
        for id in ids {
            let mut plane = uapi::GetPlane { plane_id: id, ..Default::default() };
            self.device.ioctl(uapi::GETPLANE, &mut plane)?;
            if plane.possible_crtcs & 1 << pipe != 0 {
                of_pipe.push(id);
            }
        }
        Ok(of_pipe)
    }

    /// The plane of a type (`DRM_PLANE_TYPE_*`) on a pipe; `None` where it has none.
    pub(super) fn plane(&self, pipe: u32, kind: u64) -> Result<Option<u32>> {
        for plane in self.planes(pipe)? {
            if self.property(plane, uapi::OBJECT_PLANE, "type")?.1 == kind {
                return Ok(Some(plane));
            }
        }
        Ok(None)
    }

    /// The id and the value of an object's property.
    pub(super) fn property(&self, object: u32, kind: u32, name: &str) -> Result<(u32, u64)> {
        let mut get =
            uapi::ObjGetProperties { obj_id: object, obj_type: kind, ..Default::default() };
        self.device.ioctl(uapi::OBJ_GETPROPERTIES, &mut get)?;
        let mut ids = vec![0_u32; get.count_props as usize];
        let mut values = vec![0_u64; get.count_props as usize];
        get.props_ptr = ids.as_mut_ptr() as u64;
        get.prop_values_ptr = values.as_mut_ptr() as u64;
        self.device.ioctl(uapi::OBJ_GETPROPERTIES, &mut get)?;
        for (id, value) in ids.into_iter().zip(values) {
            let mut property = uapi::GetProperty { prop_id: id, ..Default::default() };
            self.device.ioctl(uapi::GETPROPERTY, &mut property)?;
            if property.name.split(|&byte| byte == 0).next() == Some(name.as_bytes()) {
                return Ok((id, value));
            }
        }
        Err(Error::Wrong(format!("object {object} has no property `{name}`")))
    }

    /// Sets a property that may be set by itself.
    pub(super) fn set_property(
        &self,
        object: u32,
        kind: u32,
        name: &str,
        value: u64,
    ) -> Result<()> {
        let (prop_id, _) = self.property(object, kind, name)?;
        let mut set =
            uapi::ObjSetProperty { value, prop_id, obj_id: object, obj_type: kind, pad: 0 };
        self.device.ioctl(uapi::OBJ_SETPROPERTY, &mut set)
    }
}

/// The ids of pipes and connectors.
fn resources(device: &Device) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut count = uapi::CardRes::default();
    device.ioctl(uapi::GETRESOURCES, &mut count)?;
    let mut crtcs = vec![0; count.count_crtcs as usize];
    let mut connectors = vec![0; count.count_connectors as usize];
    let mut fill = uapi::CardRes {
        crtc_id_ptr: crtcs.as_mut_ptr() as u64,
        connector_id_ptr: connectors.as_mut_ptr() as u64,
        count_crtcs: count.count_crtcs,
        count_connectors: count.count_connectors,
        ..Default::default()
    };
    device.ioctl(uapi::GETRESOURCES, &mut fill)?;
    Ok((crtcs, connectors))
}
