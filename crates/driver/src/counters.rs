//! The driver's own count of what lives: the second opinion beside the device's census.

/// What lives now, by the driver's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// GEM objects.
    pub objects: u32,
    /// VMAs in PPGTTs, bound or not.
    pub vmas: u32,
    /// VMAs in PPGTTs that are bound.
    pub vmas_bound: u32,
    /// VMAs in the GGTT.
    pub ggtt_vmas: u32,
    /// PPGTT address spaces.
    pub vms: u32,
    /// Contexts.
    pub contexts: u32,
    /// Requests.
    pub requests: u32,
    /// Page-table pages of all PPGTTs, scratch included.
    pub page_table_pages: u32,
    /// Deepest nesting of unbind so far.
    pub max_unbind_depth: u32,
    /// Waits for a request with struct_mutex held so far.
    pub waits_under_lock: u32,
    /// Deadlocks detected so far.
    pub deadlocks: u32,
}
