//! Which guests are booted.

use super::super::guest::{self, Display, Guest};
use super::super::userland::UserLand;

/// Checks that every kernel must pass.
const CHECKS: [&str; 10] = [
    "engines",
    "softpin",
    "mmap_gtt",
    "share",
    "flink-exit",
    "flink-close",
    "contexts",
    "suspend",
    "hang",
    "reload=2",
];
/// Those of them that take seconds: for the variants, and for `cargo xtask test`.
const CHEAP: [&str; 8] =
    ["engines", "softpin", "mmap_gtt", "share", "flink-exit", "flink-close", "contexts", "suspend"];
/// What batches can ask for.
const GEM: [&str; 1] = ["gem"];
/// Everything about screens.
const KMS: [&str; 1] = ["kms"];
/// The same, with fewer repetitions.
const CHEAP_KMS: [&str; 9] = [
    "flips=2",
    "modes",
    "two-outputs",
    "cursor",
    "sprite",
    "gamma",
    "crc",
    "plug=1",
    "screen-suspend",
];
/// Both views of address spaces, at many moments and at few.
const VIEWS: [&str; 3] = ["engines", "client-starts=50", "unbound-use"];
const FEW_VIEWS: [&str; 2] = ["engines", "client-starts=2"];
/// Batches that use what is not bound any more.
const UNBOUND_USE: [&str; 2] = ["engines", "unbound-use"];
/// The kernel on which the variants are tried.
const BASELINE: &str = "6.1";
/// Where i915 after 5.10 dies when a GPU without display goes to sleep; see docs/found.md.
const OOPS: &str = "hsw_enable_pc8";
/// Lets the GPU go to sleep at once, not after 10 s of rest, and waits until it sleeps or the driver
/// has died of it. (5.10 leaves it to user space to allow sleep at all.)
const SLEEP: &str = "\
cd /sys/bus/pci/devices/0000:00:02.0/power && echo auto >control && echo 0 >autosuspend_delay_ms
for second in $(seq 60); do
    [ \"$(cat /proc/sys/kernel/tainted)\" = 0 ] || exit 0
    [ \"$(cat runtime_status)\" = suspended ] && exit 0
    sleep 1
done
echo \"the GPU does not sleep: $(cat runtime_status)\"; exit 1";
/// What a guest with a monitor writes on fbcon, and what must then be on the screen.
const WRITTEN: &str = "Text on fbcon, judged by its own font";
/// Starts X and its clients.
const X: &str = include_str!("x.sh");
/// What xterm and xclock must then have drawn: a line of the terminal, and the day that the guest's
/// clock was set to.
const DRAWN: [&str; 2] = ["Drawn by X, scanned out by gen8emu", "Saturday, 03 February 2001"];
/// In this font.
const X_FONT: &str = "10x20";
/// Seconds for one guest: hangs and reloads take their time under TCG.
const TIMEOUT: u64 = 900;

/// One guest of the grid.
pub(in crate::linux) struct Row {
    /// As `--kernel` takes it.
    pub(in crate::linux) kernel: &'static str,
    /// What is special about it.
    pub(in crate::linux) variant: &'static str,
    pub(in crate::linux) guest: Guest,
}

/// Everything.
pub(in crate::linux) fn all(kernels: &[&'static str]) -> Vec<Row> {
    let plain = kernels.iter().map(|&kernel| row(kernel, "GT2", &CHECKS, |_| ()));
    let fused = kernels.iter().map(|&kernel| fused_off(kernel));
    let newest = kernels.last().filter(|newest| **newest != BASELINE).map(|&newest| gem(newest));
    let gems = [gem(BASELINE)].into_iter().chain(newest);
    let screens = kernels.iter().flat_map(|&kernel| [screen(kernel), kms(kernel, &KMS)]);
    let xs = kernels.iter().map(|&kernel| x(kernel));
    let watched = kernels.iter().map(|&kernel| views(kernel)).chain(faulty(BASELINE));
    let rest = fused.chain(screens).chain(xs).chain(watched).chain([driven(BASELINE)]);
    plain.chain(variants()).chain(gems).chain(rest).collect()
}

/// What `cargo xtask test` has the time for.
pub(in crate::linux) fn cheap() -> Vec<Row> {
    let plain = row(BASELINE, "GT2", &CHEAP, |_| ());
    let screens = [screen(BASELINE), kms(BASELINE, &CHEAP_KMS)];
    let rest = [plain, gem(BASELINE), fused_off(BASELINE), driven(BASELINE)];
    let screens = screens.into_iter().chain([views(BASELINE)]).chain(faulty(BASELINE));
    rest.into_iter().chain(screens).collect()
}

/// X alone: it needs more to be fetched than all the others.
pub(in crate::linux) fn with_x() -> Vec<Row> {
    vec![x(BASELINE)]
}

fn variants() -> [Row; 6] {
    [
        row(BASELINE, "GT1", &CHEAP, |guest| guest.sku = Some("1606".into())),
        row(BASELINE, "GT3", &CHEAP, |guest| guest.sku = Some("1626".into())),
        row(BASELINE, "2 CPUs", &CHEAP, |guest| guest.smp = 2),
        row(BASELINE, "5 GiB of RAM", &CHEAP, |guest| guest.mem = "5G".into()),
        row(BASELINE, "32 MiB stolen", &CHEAP, |guest| guest.stolen = Some(32)),
        row(BASELINE, "INTx", &CHEAP, |guest| guest.intx = true),
    ]
}

/// The checks of GEM, on the part with all engines.
fn gem(kernel: &'static str) -> Row {
    row(kernel, "GEM on GT3", &GEM, |guest| guest.sku = Some("1626".into()))
}

/// Our own driver has the GPU, through vfio-pci.
fn driven(kernel: &'static str) -> Row {
    row(kernel, "our driver through VFIO", &[], |guest| guest.drive = Some("--scenario A".into()))
}

/// fbcon has a monitor, and its text is on it.
fn screen(kernel: &'static str) -> Row {
    const VARIANT: &str = "text on a monitor";
    row(kernel, VARIANT, &["engines", "fb-import=2"], |guest| {
        guest.output = vec!["hdmi=1024x768".into()];
        guest.exec = Some(format!("echo '{WRITTEN}' >/dev/tty1"));
        guest.screenshot = Some(guest::logs(&super::logs(kernel, VARIANT)).join("screen.png"));
        guest.expect_text = vec![WRITTEN.into()];
    })
}

/// Clients come and go, and the kernel's view of address spaces is the device's.
fn views(kernel: &'static str) -> Row {
    row(kernel, "both views", &VIEWS, |guest| guest.agent = true)
}

/// A fault that the comparison of both views must find: one of the device, one of the driver.
fn faulty(kernel: &'static str) -> [Row; 3] {
    [lost_pte(kernel), lasting_ptes(kernel), used_ptes(kernel)]
}

/// A PTE of a client's gets lost, and the comparison of both views says so.
fn lost_pte(kernel: &'static str) -> Row {
    row(kernel, "a PTE that gets lost", &FEW_VIEWS, |guest| {
        guest.agent = true;
        guest.inject = vec!["pte-lost=0x80040000".into()];
        guest.expect_difference = Some("BoundButUnmapped".into());
    })
}

/// A driver that unbinds nothing, and the comparison of both views says so.
fn lasting_ptes(kernel: &'static str) -> Row {
    row(kernel, "an i915 that unbinds nothing", &FEW_VIEWS, |guest| {
        guest.agent = true;
        guest.disable_in_i915 = Some("gen8_ppgtt_clear".into());
        guest.expect_difference = Some("UnboundButMapped".into());
    })
}

/// The same, and batches use what is not bound any more: they are told with the unbinding.
fn used_ptes(kernel: &'static str) -> Row {
    row(kernel, "batches in an i915 that unbinds nothing", &UNBOUND_USE, |guest| {
        guest.agent = true;
        guest.disable_in_i915 = Some("gen8_ppgtt_clear".into());
        guest.expect_difference = Some("PageUsedAfterFree".into());
    })
}

/// Two monitors, with modes of their own, and the checks of screens.
fn kms(kernel: &'static str, checks: &[&str]) -> Row {
    row(kernel, "checks on two monitors", checks, |guest| {
        guest.output = vec!["hdmi=1280x720".into(), "hdmi=1024x768".into()];
    })
}

/// X has a monitor, and its clients' text is on it.
fn x(kernel: &'static str) -> Row {
    const VARIANT: &str = "X on a monitor";
    row(kernel, VARIANT, &["engines"], |guest| {
        guest.user_land = Some(UserLand::X);
        guest.output = vec!["hdmi=1024x768".into()];
        guest.exec = Some(X.into());
        guest.screenshot = Some(guest::logs(&super::logs(kernel, VARIANT)).join("screen.png"));
        guest.expect_text = DRAWN.map(String::from).into();
        guest.text_font = Some(X_FONT.into());
    })
}

/// A GPU without display goes to sleep.
fn fused_off(kernel: &'static str) -> Row {
    row(kernel, "display fused off", &["engines"], |guest| {
        guest.display = Display::FusedOff;
        guest.exec = Some(SLEEP.into());
        guest.expect_oops = (kernel != "5.10").then(|| OOPS.into());
    })
}

fn row(
    kernel: &'static str,
    variant: &'static str,
    checks: &[&str],
    change: impl FnOnce(&mut Guest),
) -> Row {
    let check = checks.iter().map(ToString::to_string).collect();
    let mut guest = Guest { check, timeout: Some(TIMEOUT), ..Guest::default() };
    guest.record_failure = true;
    change(&mut guest);
    Row { kernel, variant, guest }
}

#[cfg(test)]
mod tests {
    use super::super::super::kernel;
    use super::*;

    #[test]
    fn every_kernel_is_booted_with_a_monitor_with_x_and_without_display_and_each_row_once() {
        let rows = all(&kernel::names());
        for kernel in kernel::names() {
            let of_kernel = rows.iter().filter(|row| row.kernel == kernel);
            let fused = of_kernel.clone().filter(|row| row.guest.display == Display::FusedOff);
            let screens = of_kernel.clone().filter(|row| row.variant == "text on a monitor");
            let xs = of_kernel.clone().filter(|row| row.guest.user_land.is_some());
            let kms = of_kernel.clone().filter(|row| row.guest.check == KMS);
            assert!(fused.count() == 1 && screens.count() == 1 && xs.count() == 1, "{kernel}");
            assert!(kms.count() == 1, "{kernel}");
            assert!(of_kernel.count() >= 3, "{kernel}");
        }
        for row in &rows {
            let same = |other: &&Row| (other.kernel, other.variant) == (row.kernel, row.variant);
            assert_eq!(rows.iter().filter(same).count(), 1, "{} {}", row.kernel, row.variant);
        }
    }

    #[test]
    fn cheap_checks_are_among_all_checks() {
        assert!(CHEAP.iter().all(|check| CHECKS.contains(check)));
    }
}
