//! What sysfs says of a function before anybody opens it.

use std::fs;
use std::path::{Path, PathBuf};

use gen8_spec::pci;

use crate::address::Address;
use crate::error::Error;

/// Where Linux lists the functions.
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";
/// The driver that gives functions to user space.
const VFIO_PCI: &str = "vfio-pci";

/// Makes sure that the function is a GPU in the hands of vfio-pci; says where it is.
pub(crate) fn find(devices: &Path, address: Address) -> Result<PathBuf, Error> {
    let path = devices.join(address.to_string());
    let (Some(vendor), Some(class)) = (number(&path, "vendor"), number(&path, "class")) else {
        return Err(Error::Missing(address));
    };
    // Another display controller than the VGA-compatible one is none that i915 drives either.
    if vendor != u32::from(pci::VENDOR_INTEL) || class >> 8 != pci::CLASS_DISPLAY_VGA >> 8 {
        return Err(Error::NotAGpu { address, vendor: vendor as u16, class });
    }
    let driver = link(&path, "driver").unwrap_or_else(|| "no driver".to_owned());
    if driver != VFIO_PCI {
        return Err(Error::NotBound { address, driver });
    }
    match link(&path, "iommu_group") {
        Some(_) => Ok(path),
        None => Err(Error::NoGroup(address)),
    }
}

/// A file with one hexadecimal number.
fn number(path: &Path, file: &str) -> Option<u32> {
    let text = fs::read_to_string(path.join(file)).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// Name of what a link points to.
fn link(path: &Path, file: &str) -> Option<String> {
    let target = fs::read_link(path.join(file)).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const GPU: &str = "0000:00:02.0";

    /// A sysfs with one function; what is None is missing.
    fn complaint(test: &str, class: &str, driver: Option<&str>, group: Option<&str>) -> String {
        let devices = std::env::temp_dir().join(format!("vfio-{test}-{}", std::process::id()));
        fs::remove_dir_all(&devices).ok();
        let function = devices.join(GPU);
        fs::create_dir_all(&function).unwrap();
        fs::write(function.join("vendor"), "0x8086\n").unwrap();
        fs::write(function.join("class"), class).unwrap();
        for (name, target) in [("driver", driver), ("iommu_group", group)] {
            if let Some(target) = target {
                symlink(target, function.join(name)).unwrap();
            }
        }
        let found = find(&devices, GPU.parse().unwrap());
        fs::remove_dir_all(devices).unwrap();
        match found {
            Ok(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    const VGA: &str = "0x030000\n";
    const VFIO: Option<&str> = Some("../../drivers/vfio-pci");
    const GROUP: Option<&str> = Some("../../../kernel/iommu_groups/1");

    #[test]
    fn a_function_of_vfio_pci_with_a_group_is_taken() {
        assert_eq!(complaint("good", VGA, VFIO, GROUP), GPU);
    }

    #[test]
    fn each_obstacle_is_told_in_one_line_with_the_way_out() {
        let i915 = Some("../../drivers/i915");
        for (test, class, driver, group, words) in [
            ("class", "0x020000\n", VFIO, GROUP, "class 020000"),
            ("i915", VGA, i915, GROUP, "bound to i915, not to vfio-pci"),
            ("free", VGA, None, GROUP, "echo vfio-pci >devices/0000:00:02.0/driver_override"),
            ("group", VGA, VFIO, None, "intel_iommu=on"),
            ("garbage", "hello", VFIO, GROUP, "no PCI function 0000:00:02.0"),
        ] {
            let message = complaint(test, class, driver, group);
            assert!(message.contains(words), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_function_that_does_not_exist_is_missing() {
        let error = find(Path::new("/nonexistent"), GPU.parse().unwrap()).unwrap_err();
        assert!(matches!(error, Error::Missing(_)), "{error}");
    }
}
