//! Finding a QEMU that can take its GPU from a socket, and its command line.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages;
use crate::process;

const PROGRAM: &str = "qemu-system-x86_64";
/// The first version with `vfio-user-pci`.
const OLDEST: (u32, u32) = (10, 1);

/// A QEMU that is fit.
pub(super) struct Qemu {
    program: PathBuf,
    /// Debian's, unpacked here: runs through its own dynamic loader, with its own libraries.
    root: Option<PathBuf>,
}

/// The machine to boot.
pub(super) struct Machine<'a> {
    /// `kvm` or `tcg`.
    pub(super) accel: &'a str,
    /// As QEMU writes sizes: `1G`, `512M`.
    pub(super) memory: &'a str,
    pub(super) cpus: u32,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) append: &'a str,
    /// Where the GPU's server listens.
    pub(super) gpu: Option<&'a Path>,
    /// Put the GPU behind an IOMMU that the guest can set up for it.
    pub(super) iommu: bool,
    /// Where the guest's agent is taken in.
    pub(super) agent: Option<&'a Path>,
    /// A disk that the guest can read.
    pub(super) disk: Option<&'a Path>,
    /// Where we listen for the kernel's log.
    pub(super) log: &'a Path,
    pub(super) interactive: bool,
}

impl Qemu {
    /// The one given, else a fit one on the host, else Debian's from the cache or the network.
    pub(super) fn find(given: Option<&Path>) -> Result<Qemu> {
        if let Some(program) = given {
            let qemu = Qemu { program: program.to_owned(), root: None };
            qemu.check().with_context(|| format!("{} is of no use", program.display()))?;
            return Ok(qemu);
        }
        let host = Qemu { program: PROGRAM.into(), root: None };
        match host.check() {
            Ok(()) => return Ok(host),
            // Most hosts without a fit QEMU have none at all; that is no news.
            Err(error) if is_missing(&error) => {}
            Err(error) => eprintln!("not the host's QEMU: {error:#}; taking Debian's"),
        }
        let root = packages::qemu()?;
        let program = root.join("usr/bin").join(PROGRAM);
        let unpacked = Qemu { program, root: Some(root) };
        unpacked.check().context("Debian's QEMU is of no use")?;
        Ok(unpacked)
    }

    fn check(&self) -> Result<()> {
        let told = process::capture(self.command().arg("--version"))?;
        let Some(version) = version(&told) else { bail!("it says no version") };
        if version < OLDEST {
            let ((major, minor), (oldest, since)) = (version, OLDEST);
            bail!("it is version {major}.{minor}, vfio-user-pci came with {oldest}.{since}");
        }
        process::capture(self.command().args(["-device", "vfio-user-pci,help"]))
            .context("it lacks vfio-user-pci")?;
        Ok(())
    }

    /// As it calls itself.
    pub(super) fn version(&self) -> Result<String> {
        let told = process::capture(self.command().arg("--version"))?;
        Ok(told.lines().next().unwrap_or_default().replace("QEMU emulator version", "QEMU"))
    }

    /// QEMU without arguments.
    pub(super) fn command(&self) -> Command {
        let Some(root) = &self.root else { return Command::new(&self.program) };
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(&libraries).arg(&self.program);
        for data in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(root.join(data));
        }
        command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
        command
    }

    /// QEMU with everything for this machine.
    pub(super) fn boot(&self, machine: &Machine<'_>) -> Result<Command> {
        let mut command = self.command();
        command.args(["-nodefaults", "-display", "none", "-vga", "none", "-no-reboot"]);
        // The GPU reaches the guest's memory through this file.
        command.arg("-object");
        command.arg(format!("memory-backend-memfd,id=ram,size={},share=on", machine.memory));
        command.args(["-machine", "q35,memory-backend=ram", "-m", machine.memory]);
        // An IOMMU remaps interrupts, which the kernel's own IO-APIC does not let it.
        let split =
            if machine.iommu && machine.accel == "kvm" { ",kernel-irqchip=split" } else { "" };
        command.arg("-accel").arg(format!("{}{split}", machine.accel));
        command.arg("-smp").arg(machine.cpus.to_string());
        // TCG's default CPU lacks what programs are built for today. And where i915 has no SSE4.1, or
        // sees a hypervisor, it reads the aperture byte by byte for its error states: seconds a reset.
        command.args(["-cpu", if machine.accel == "kvm" { "host" } else { "max,-hypervisor" }]);
        if machine.iommu {
            // QEMU hears of new mappings only if the guest must tell the IOMMU of them.
            command.args(["-device", "intel-iommu,caching-mode=on"]);
        }
        command.arg("-kernel").arg(machine.kernel).arg("-initrd").arg(machine.initramfs);
        command.arg("-append").arg(machine.append);
        // Not `stdio` without a terminal: at the end of its input it goes deaf and dumb.
        let console = if machine.interactive { "mon:stdio" } else { "file:/dev/stdout" };
        command.args(["-serial", console]);
        let mut log = OsString::from("socket,id=log,server=off,path=");
        log.push(doubled_commas(machine.log)?);
        command.arg("-chardev").arg(log).args(["-serial", "chardev:log"]);
        if let Some(disk) = machine.disk {
            let image = doubled_commas(disk)?;
            command.arg("-drive");
            command.arg(format!("if=none,id=disk,format=raw,read-only=on,file={image}"));
            command.args(["-device", "virtio-blk-pci,drive=disk"]);
        }
        if let Some(socket) = machine.gpu {
            command.arg("-device").arg(gpu_device(socket)?);
        }
        if let Some(socket) = machine.agent {
            let path = doubled_commas(socket)?;
            command.arg("-chardev").arg(format!("socket,id=agent,server=off,path={path}"));
            command.args(["-device", "virtio-serial-pci"]);
            command.args(["-device", "virtserialport,chardev=agent,name=gen8-agent"]);
        }
        Ok(command)
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}

/// The socket's address is structured, which QEMU takes as JSON only.
fn gpu_device(socket: &Path) -> Result<String> {
    let device = serde_json::json!({
        "driver": "vfio-user-pci",
        "addr": "02.0",
        "socket": { "type": "unix", "path": text(socket)? },
    });
    Ok(device.to_string())
}

/// QEMU's options end at a comma, unless it is doubled.
fn doubled_commas(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The host's directory for sockets: their paths are short (108 bytes in Linux).
pub(super) fn socket_directory() -> PathBuf {
    env::temp_dir().join(format!("gen8emu-linux-{}", std::process::id()))
}

/// Major and minor number from what `--version` prints.
fn version(told: &str) -> Option<(u32, u32)> {
    let (_, rest) = told.split_once("version ")?;
    let mut numbers = rest.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_numbers() {
        let debian = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1)\nCopyright";
        assert_eq!(version(debian), Some((11, 1)));
        assert!(version("QEMU emulator version 9.2.0").unwrap() < OLDEST);
        assert!(version("QEMU emulator version 10.1.0-rc1").unwrap() >= OLDEST);
        assert_eq!(version("bash 5"), None);
    }

    #[test]
    fn paths_cannot_break_out_of_an_option() {
        let device = gpu_device(Path::new("/tmp/a\",b")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&device).unwrap();
        assert_eq!(value["socket"]["path"], "/tmp/a\",b");
        assert_eq!(doubled_commas(Path::new("/a,b")).unwrap(), "/a,,b");
    }

    #[test]
    fn a_program_that_is_no_qemu_is_refused() {
        let error = Qemu::find(Some(Path::new("/bin/true"))).err().unwrap();
        assert!(format!("{error:#}").contains("no version"), "{error:#}");
    }
}
