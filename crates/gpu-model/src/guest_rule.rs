//! Rules for drivers that the device itself sees broken. What each says, and where it is from, stands
//! in the table of `observe::conformance`.

use core::fmt;

use gen8_spec::engine::EngineId;

/// Declares the rules with their ids.
macro_rules! guest_rules {
    ($($(#[$doc:meta])+ $name:ident = $id:literal,)+) => {
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
        }
    };
}

guest_rules! {
    /// A BAR was accessed by another size than 1, 2, 4 or 8 bytes. Detail: offset.
    BarAccessOddSize = "bar-access-odd-size",
    /// A BAR was accessed beyond its end. Detail: offset.
    BarAccessBeyondBar = "bar-access-beyond-bar",
    /// A BAR was accessed that the function does not decode. Detail: offset.
    BarAccessUndecoded = "bar-access-undecoded",
    /// The aperture was accessed with bus mastering off. Detail: 0.
    ApertureWithoutBusMaster = "aperture-without-bus-master",
    /// A GT register was accessed while its power well may sleep. Detail: register.
    AccessWithoutForcewake = "access-without-forcewake",
    /// A context or a ring was started with RING_CTL's valid bit clear. Detail: descriptor or register value.
    RingDisabled = "ring-disabled",
    /// RING_HEAD lies beyond the ring. Detail: descriptor or register value.
    RingHeadBeyond = "ring-head-beyond",
    /// RING_TAIL lies beyond the ring. Detail: descriptor or register value.
    RingTailBeyond = "ring-tail-beyond",
    /// RING_TAIL cuts a command. Detail: TAIL.
    RingTailCutsCommand = "ring-tail-cuts-command",
    /// ELSP was written in legacy ring mode. Detail: value.
    ElspWithoutExeclists = "elsp-without-execlists",
    /// A list was submitted while another one waited, which is lost. Detail: value.
    ElspTwoPending = "elsp-two-pending",
    /// A list was submitted whose element 0 is not valid. Detail: value.
    ElspElement0Missing = "elsp-element-0-missing",
    /// A context asks for an advanced address mode. Detail: descriptor.
    ContextAddressingAdvanced = "context-addressing-advanced",
    /// The image of a context lies outside RAM, or cannot be written. Detail: descriptor.
    ContextImageOutsideRam = "context-image-outside-ram",
    /// A second-level batch started another level. Detail: address.
    BatchThirdLevel = "batch-third-level",
    /// MI_BATCH_BUFFER_END stood in a ring. Detail: HEAD.
    BatchEndInRing = "batch-end-in-ring",
    /// MI_SET_CONTEXT was given to another engine than the render engine. Detail: operand.
    SetContextWrongEngine = "set-context-wrong-engine",
    /// MI_SET_CONTEXT was given in execlists mode. Detail: operand.
    SetContextWithExeclists = "set-context-with-execlists",
    /// MI_SET_CONTEXT stood in a batch without privilege. Detail: operand.
    SetContextInUserBatch = "set-context-in-user-batch",
    /// MI_FLUSH_DW was to invalidate the TLB without a post-sync operation. Detail: header.
    FlushDwTlbWithoutPostSync = "flush-dw-tlb-without-post-sync",
    /// PIPE_CONTROL was to invalidate the TLB without CS stall. Detail: flags.
    PipeControlTlbWithoutStall = "pipe-control-tlb-without-stall",
    /// MI_ATOMIC's operation names another size than its data has. Detail: header.
    AtomicSizeMismatch = "atomic-size-mismatch",
    /// A command in a batch without privilege asked for the GGTT. Detail: header.
    GgttInUserBatch = "ggtt-in-user-batch",
    /// MI_SEMAPHORE_SIGNAL named no engine. Detail: header.
    SignalToNoEngine = "signal-to-no-engine",
    /// MI_ARB_ON_OFF stood in a batch without privilege. Detail: header.
    ArbOnOffInUserBatch = "arb-on-off-in-user-batch",
    /// MI_STORE_DATA_INDEX stood in a batch without privilege. Detail: header.
    StoreIndexInUserBatch = "store-index-in-user-batch",
    /// MI_UPDATE_GTT stood in a batch without privilege. Detail: header.
    UpdateGttInUserBatch = "update-gtt-in-user-batch",
    /// The debug page was given a hint that it does not know. Detail: command.
    DebugPageUnknownHint = "debug-page-unknown-hint",
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
