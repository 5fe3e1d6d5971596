//! The programs that a boot needs, found, fetched or built once for all boots of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::checks::Catalogue;
use super::qemu::Qemu;
use super::scratch::Scratch;
use super::{Accel, accel, packages};
use crate::build;

/// What boots need besides the kernel.
pub(super) struct Tools {
    pub(super) qemu: Qemu,
    /// How QEMU executes here: `kvm` or `tcg`.
    pub(super) accel: &'static str,
    /// A static busybox.
    pub(super) busybox: PathBuf,
    /// gen8emu; None when no guest has a GPU.
    pub(super) program: Option<PathBuf>,
    /// gen8-checks and what it can check; None when no guest runs checks.
    pub(super) checks: Option<(PathBuf, Catalogue)>,
    /// gen8-agent; None when no guest runs it.
    pub(super) agent: Option<PathBuf>,
}

/// Which tools to get, and from where.
pub(super) struct Wanted<'a> {
    pub(super) qemu: Option<&'a Path>,
    pub(super) accel: Accel,
    /// This program serves the GPU, else our own.
    pub(super) program: Option<&'a Path>,
    pub(super) gpu: bool,
    pub(super) checks: bool,
    pub(super) agent: bool,
}

impl Tools {
    /// Finds, fetches, builds.
    pub(super) fn get(wanted: &Wanted<'_>) -> Result<Tools> {
        let program = match (wanted.gpu, wanted.program) {
            (false, _) => None,
            (true, Some(program)) => Some(program.to_owned()),
            (true, None) => Some(build::program()?),
        };
        let checks = if wanted.checks {
            let program = build::guest_checks()?;
            let catalogue = Catalogue::of(&program)?;
            Some((program, catalogue))
        } else {
            None
        };
        let agent = wanted.agent.then(build::guest_agent).transpose()?;
        let qemu = Qemu::find(wanted.qemu)?;
        let accel = accel::choose(wanted.accel, &qemu, &Scratch::new()?)?;
        Ok(Tools { qemu, accel, busybox: packages::busybox()?, program, checks, agent })
    }
}
