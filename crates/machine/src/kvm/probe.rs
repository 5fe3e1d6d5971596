//! Whether KVM really executes guests here, found out by running one.

use std::ops::ControlFlow;
use std::time::Duration;

use vm_memory::{Bytes, GuestAddress};

use super::error::KvmError;
use super::vcpu::{self, Bus, End};
use super::vm::Vm;

/// Far more than the guest's 300 instructions need, even in KVM's instruction emulator.
const LIMIT: Duration = Duration::from_secs(3);
/// RAM of the guest.
const RAM_SIZE: u64 = 2 << 20;

/// Sums 1..=100, stores it, loads its low byte, and writes that to the exit port.
const PROGRAM: [u8; 24] = [
    0x31,
    0xc0, // xor eax, eax
    0xb9,
    0x64,
    0x00,
    0x00,
    0x00, // mov ecx, 100
    0x01,
    0xc8, // 1: add eax, ecx
    0x49, // dec ecx
    0x75,
    0xfb, // jnz 1b
    0xa3,
    0x00,
    0x80,
    0x00,
    0x00, // mov [0x8000], eax
    0xa0,
    0x00,
    0x80,
    0x00,
    0x00, // mov al, [0x8000]
    0xe6,
    board::EXIT_PORT as u8, // out EXIT_PORT, al
];
/// What the program must write.
const ANSWER: u8 = (5050 & 0xff) as u8;

/// Whether a guest can run on this host's KVM; the error is one line for the user.
///
/// A file /dev/kvm proves little (nested hosts, containers), so a tiny guest is run to its end.
pub fn probe() -> Result<(), String> {
    probe_with(&PROGRAM, LIMIT)
}

fn probe_with(program: &[u8], limit: Duration) -> Result<(), String> {
    match run(program, limit) {
        Ok(End::Exit(ANSWER)) => Ok(()),
        Ok(End::Exit(other)) => Err(format!("KVM computes wrongly: {other:#x} for {ANSWER:#x}")),
        Ok(End::Stopped { .. }) => Err(format!("KVM did not finish a tiny guest in {limit:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn run(program: &[u8], limit: Duration) -> Result<End, KvmError> {
    let vm = Vm::new(RAM_SIZE)?;
    vm.memory()
        .write_slice(program, GuestAddress(board::FIRMWARE_BASE))
        .map_err(|error| KvmError::Ram { bytes: RAM_SIZE, reason: error.to_string() })?;
    let vcpu = vm.create_vcpu(board::FIRMWARE_BASE as u32)?;
    vcpu::run(vcpu, |_progress: vcpu::Progress<()>| ExitPort, limit, |()| false)
}

/// A board with nothing but the exit port.
struct ExitPort;

impl Bus for ExitPort {
    fn port_read(&mut self, _port: u16, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn port_write(&mut self, port: u16, data: &[u8]) -> ControlFlow<u8> {
        match data.first() {
            Some(&status) if port == board::EXIT_PORT => ControlFlow::Break(status),
            _ => ControlFlow::Continue(()),
        }
    }

    fn mmio_read(&mut self, _address: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn mmio_write(&mut self, _address: u64, _data: &[u8], _instruction: Option<u64>) {}
}

/// Named as all tests that need KVM: see `cargo xtask test`.
#[cfg(test)]
mod on_kvm {
    use super::*;
    use std::io::Write;

    /// `true` where KVM executes; else prints why the test is skipped.
    fn kvm_works() -> bool {
        let result = probe();
        if let Err(reason) = &result {
            // Not by `println!`, which the test harness keeps to itself.
            let _ = writeln!(std::io::stderr(), "skipped: {reason}");
        }
        result.is_ok()
    }

    #[test]
    fn an_endless_guest_is_ended_at_the_limit() {
        if !kvm_works() {
            return;
        }
        let forever = [0xeb, 0xfe]; // jmp to itself
        let answer = probe_with(&forever, Duration::from_millis(50));
        assert_eq!(answer, Err("KVM did not finish a tiny guest in 50ms".into()));
    }

    #[test]
    fn a_halted_guest_without_interrupts_is_ended_at_the_limit() {
        if !kvm_works() {
            return;
        }
        let halt = [0xfa, 0xf4]; // cli; hlt
        let answer = probe_with(&halt, Duration::from_millis(50));
        assert_eq!(answer, Err("KVM did not finish a tiny guest in 50ms".into()));
    }

    #[test]
    fn a_triple_fault_is_reported_in_one_line() {
        if !kvm_works() {
            return;
        }
        let fault = [0x0f, 0x0b]; // ud2 with an empty IDT
        let answer = probe_with(&fault, LIMIT).unwrap_err();
        assert!(answer.contains("triple fault") || answer.contains("internal error"), "{answer}");
        assert_eq!(answer.lines().count(), 1);
    }

    #[test]
    fn a_wrong_answer_is_not_taken_for_working() {
        if !kvm_works() {
            return;
        }
        let wrong = [0xb0, 0x01, 0xe6, board::EXIT_PORT as u8]; // mov al, 1; out EXIT_PORT, al
        assert_eq!(probe_with(&wrong, LIMIT), Err("KVM computes wrongly: 0x1 for 0xba".into()));
    }

    #[test]
    fn the_answer_depends_on_every_instruction_of_the_program() {
        if !kvm_works() {
            return;
        }
        let mut program = PROGRAM;
        program[3] = 99;
        assert!(probe_with(&program, LIMIT).is_err());
    }
}
