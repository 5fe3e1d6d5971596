//! The processes of a test, also those that left its group.

use std::fs;
use std::process::Child;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper,
    waitpid,
};

/// How hard to end processes.
#[derive(Clone, Copy)]
pub(crate) enum Strength {
    /// They may clean up.
    Terminate,
    Kill,
}

/// Processes whose parent ended become our children, so that we find them.
pub(crate) fn adopt_orphans() {
    // Without it some may stay; a test's result does not depend on it.
    set_child_subreaper(Some(getpid())).ok();
}

/// Ends the group that `leader` began.
pub(crate) fn end_group(leader: &Child, strength: Strength) {
    let signal = match strength {
        Strength::Terminate => Signal::TERM,
        Strength::Kill => Signal::KILL,
    };
    if let Some(group) = Pid::from_raw(leader.id().cast_signed()) {
        kill_process_group(group, signal).ok(); // It may have ended.
    }
}

/// Ends the processes that we have adopted, and takes their exit statuses. The child itself is the
/// standard library's.
pub(crate) fn end_orphans() {
    for orphan in children() {
        kill_process(orphan, Signal::KILL).ok();
        waitpid(Some(orphan), WaitOptions::NOHANG).ok();
    }
}

/// Our children that are no leaders of a group that we made: those lead groups of their own.
fn children() -> Vec<Pid> {
    let us = getpid();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|&number| is_orphan(number, us)).filter_map(Pid::from_raw).collect()
}

fn is_orphan(number: i32, us: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    // proc(5): the name ends at the last parenthesis; then state, parent, group.
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let mut fields = fields.split_whitespace().skip(1).map(|field| field.parse::<i32>().ok());
    let (parent, group) = (fields.next().flatten(), fields.next().flatten());
    parent == Some(us.as_raw_nonzero().get()) && group != Some(number)
}
