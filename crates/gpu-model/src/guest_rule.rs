//! Rules for drivers that the device itself sees broken. What each says, and where it is from, stands
//! in the table of `observe::conformance`.

use core::fmt;

use gen8_spec::engine::EngineId;

use crate::event::Interests;

/// Declares the rules with their ids.
macro_rules! guest_rules {
    ($($(#[$doc:meta])+ $name:ident = $id:literal in $group:ident,)+) => {
        /// A rule that the guest broke, as [`crate::Event::GuestError`] names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum GuestRule {
            $($(#[$doc])+ $name,)+
        }

        impl GuestRule {
            /// All rules.
            pub const ALL: &'static [GuestRule] = &[$(GuestRule::$name,)+];

            /// Name of the rule in reports: it says what was wrong.
            pub const fn id(self) -> &'static str {
                match self {
                    $(GuestRule::$name => $id,)+
                }
            }

            /// The group of its event: [`Interests::BASICS`] if the device sees it broken anyhow, or
            /// [`Interests::RULES`] if it has to look for that.
            pub const fn group(self) -> Interests {
                match self {
                    $(GuestRule::$name => Interests::$group,)+
                }
            }
        }
    };
}

guest_rules! {
    /// A BAR was accessed by another size than 1, 2, 4 or 8 bytes. Detail: offset.
    BarAccessOddSize = "bar-access-odd-size" in BASICS,
    /// A BAR was accessed beyond its end. Detail: offset.
    BarAccessBeyondBar = "bar-access-beyond-bar" in BASICS,
    /// A BAR was accessed that the function does not decode. Detail: offset.
    BarAccessUndecoded = "bar-access-undecoded" in BASICS,
    /// The aperture was accessed with bus mastering off. Detail: 0.
    ApertureWithoutBusMaster = "aperture-without-bus-master" in BASICS,
    /// A GT register was accessed while its power well may sleep. Detail: register.
    AccessWithoutForcewake = "access-without-forcewake" in BASICS,
    /// A context or a ring was started with RING_CTL's valid bit clear. Detail: descriptor or register value.
    RingDisabled = "ring-disabled" in BASICS,
    /// RING_HEAD lies beyond the ring. Detail: descriptor or register value.
    RingHeadBeyond = "ring-head-beyond" in BASICS,
    /// RING_TAIL lies beyond the ring. Detail: descriptor or register value.
    RingTailBeyond = "ring-tail-beyond" in BASICS,
    /// RING_TAIL cuts a command. Detail: TAIL.
    RingTailCutsCommand = "ring-tail-cuts-command" in BASICS,
    /// ELSP was written in legacy ring mode. Detail: value.
    ElspWithoutExeclists = "elsp-without-execlists" in BASICS,
    /// A list was submitted while another one waited, which is lost. Detail: value.
    ElspTwoPending = "elsp-two-pending" in BASICS,
    /// A list was submitted whose element 0 is not valid. Detail: value.
    ElspElement0Missing = "elsp-element-0-missing" in BASICS,
    /// A context asks for an advanced address mode. Detail: descriptor.
    ContextAddressingAdvanced = "context-addressing-advanced" in BASICS,
    /// The image of a context lies outside RAM, or cannot be written. Detail: descriptor.
    ContextImageOutsideRam = "context-image-outside-ram" in BASICS,
    /// A second-level batch started another level. Detail: address.
    BatchThirdLevel = "batch-third-level" in BASICS,
    /// MI_BATCH_BUFFER_END stood in a ring. Detail: HEAD.
    BatchEndInRing = "batch-end-in-ring" in BASICS,
    /// MI_SET_CONTEXT was given to another engine than the render engine. Detail: operand.
    SetContextWrongEngine = "set-context-wrong-engine" in BASICS,
    /// MI_SET_CONTEXT was given in execlists mode. Detail: operand.
    SetContextWithExeclists = "set-context-with-execlists" in BASICS,
    /// MI_SET_CONTEXT stood in a batch without privilege. Detail: operand.
    SetContextInUserBatch = "set-context-in-user-batch" in BASICS,
    /// MI_FLUSH_DW was to invalidate the TLB without a post-sync operation. Detail: header.
    FlushDwTlbWithoutPostSync = "flush-dw-tlb-without-post-sync" in BASICS,
    /// PIPE_CONTROL was to invalidate the TLB without CS stall. Detail: flags.
    PipeControlTlbWithoutStall = "pipe-control-tlb-without-stall" in BASICS,
    /// MI_ATOMIC's operation names another size than its data has. Detail: header.
    AtomicSizeMismatch = "atomic-size-mismatch" in BASICS,
    /// A command in a batch without privilege asked for the GGTT. Detail: header.
    GgttInUserBatch = "ggtt-in-user-batch" in BASICS,
    /// MI_SEMAPHORE_SIGNAL named no engine. Detail: header.
    SignalToNoEngine = "signal-to-no-engine" in BASICS,
    /// MI_ARB_ON_OFF stood in a batch without privilege. Detail: header.
    ArbOnOffInUserBatch = "arb-on-off-in-user-batch" in BASICS,
    /// MI_STORE_DATA_INDEX stood in a batch without privilege. Detail: header.
    StoreIndexInUserBatch = "store-index-in-user-batch" in BASICS,
    /// MI_UPDATE_GTT stood in a batch without privilege. Detail: header.
    UpdateGttInUserBatch = "update-gtt-in-user-batch" in BASICS,
    /// The debug page was given a hint that it does not know. Detail: command.
    DebugPageUnknownHint = "debug-page-unknown-hint" in BASICS,
    /// A register was written that software can only read. Detail: register.
    ReadOnlyRegisterWritten = "read-only-register-written" in RULES,
    /// A masked register was written with bits that the mask leaves out. Detail: register.
    MaskedBitBeyondMask = "masked-bit-beyond-mask" in RULES,
    /// RING_TAIL is no multiple of 8, or beyond 20:3. Detail: TAIL.
    RingTailMisaligned = "ring-tail-misaligned" in RULES,
    /// RING_TAIL is behind RING_HEAD in one cache line: a ring that is too full. Detail: TAIL.
    RingTailBehindHead = "ring-tail-behind-head" in RULES,
    /// A context was loaded whose ring begins or ends at a GGTT page without PTE. Detail: GGTT address.
    RingUnmapped = "ring-unmapped" in RULES,
    /// A PPGTT entry has bits above the physical address. Detail: the entry.
    PteReserved = "pte-reserved" in RULES,
    /// A context with a PPGTT was loaded while the PAT holds nothing. Detail: register.
    PatNotProgrammed = "pat-not-programmed" in RULES,
    /// RING_START is no multiple of a page. Detail: START.
    RingStartMisaligned = "ring-start-misaligned" in RULES,
    /// A ring is enabled with bits of RING_CTL that mean nothing. Detail: CTL.
    RingCtlReserved = "ring-ctl-reserved" in RULES,
    /// Both elements of a list are the same context, or have the same id. Detail: descriptor.
    ElspContextTwice = "elsp-context-twice" in RULES,
    /// A descriptor has bits that mean nothing. Detail: its bits below LRCA.
    ElspDescriptorReserved = "elsp-descriptor-reserved" in RULES,
    /// A context was submitted that another engine has. Detail: descriptor.
    ContextOnTwoEngines = "context-on-two-engines" in RULES,
    /// A lite restore found HEAD at TAIL. Detail: descriptor.
    LiteRestoreRingEmpty = "lite-restore-ring-empty" in BASICS,
    /// A page of a context's image has no PTE in the GGTT. Detail: descriptor.
    ContextImageUnmapped = "context-image-unmapped" in BASICS,
    /// A list of registers in an image has no MI_LOAD_REGISTER_IMM ahead. Detail: GGTT address of the dword.
    ContextImageHeader = "context-image-header" in RULES,
    /// An image names another register than belongs there. Detail: GGTT address of the dword.
    ContextImageRegister = "context-image-register" in RULES,
    /// CONTEXT_CONTROL in an image has bits that its mask leaves out. Detail: value.
    ContextControlBeyondMask = "context-control-beyond-mask" in RULES,
    /// A page-directory pointer in an image has bits besides its page. Detail: pointer.
    ContextPdpReserved = "context-pdp-reserved" in RULES,
    /// The GGTT entry of an image was changed while an engine has the context. Detail: GGTT address.
    ContextImageRemapped = "context-image-remapped" in RULES,
    /// A context status was to be written and the status page has no PTE. Detail: GGTT address.
    StatusPageUnmapped = "status-page-unmapped" in BASICS,
    /// A pointer of the context status buffer was set to no entry. Detail: value.
    CsbPointerInvalid = "csb-pointer-invalid" in RULES,
    /// Software moved the write pointer of the context status buffer while contexts run. Detail: value.
    CsbWritePointerMoved = "csb-write-pointer-moved" in RULES,
    /// The read pointer of the context status buffer was moved past the write pointer. Detail: value.
    CsbReadPointerBeyond = "csb-read-pointer-beyond" in RULES,
    /// Interrupts were enabled in IER whose IIR bits are set already. Detail: register.
    IirPendingAtEnable = "iir-pending-at-enable" in RULES,
    /// Pending interrupts were cleared with the master control enabled. Detail: register.
    IirClearedWithMasterOn = "iir-cleared-with-master-on" in RULES,
    /// A GGTT entry was written that maps no memory. Detail: GGTT address.
    GgttPteOutsideRam = "ggtt-pte-outside-ram" in RULES,
    /// A GGTT entry was written with bits above the physical address. Detail: GGTT address.
    GgttPteReserved = "ggtt-pte-reserved" in RULES,
    /// An engine with work was reset that was not asked for readiness (RESET_CTL). Detail: bits of GDRST.
    ResetWithoutRequest = "reset-without-request" in RULES,
    /// A fence was changed while it is valid, so that half of it is new. Detail: register.
    FenceChangedWhileValid = "fence-changed-while-valid" in RULES,
    /// A fence was made valid that ends before it begins. Detail: register.
    FenceEmpty = "fence-empty" in RULES,
}

impl fmt::Display for GuestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Who broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A CPU, by an access to a BAR.
    Cpu,
    /// An engine: by a context or a command of the driver's.
    Engine(EngineId),
    /// An engine, by a command in a batch without privilege: a client's work, not the driver's.
    UserBatch(EngineId),
}

impl Origin {
    /// Which engine, if it was one.
    pub const fn engine(self) -> Option<EngineId> {
        match self {
            Origin::Cpu => None,
            Origin::Engine(engine) | Origin::UserBatch(engine) => Some(engine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_case_and_no_two_are_the_same() {
        for (n, rule) in GuestRule::ALL.iter().enumerate() {
            let id = rule.id();
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(id.chars().all(letters) && !id.starts_with('-') && !id.ends_with('-'), "{id}");
            assert!(GuestRule::ALL[..n].iter().all(|other| other.id() != id), "{id}");
        }
    }
}
