//! The machines that cases run on.

/// Which machine runs the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineKind {
    /// A bare-metal guest under KVM; the device in its own thread.
    Kvm,
    /// Driver and device in one thread, with virtual time.
    InProcess,
}

impl MachineKind {
    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            MachineKind::Kvm => "kvm",
            MachineKind::InProcess => "in-process",
        }
    }
}
