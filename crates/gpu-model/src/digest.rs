//! The state of the device as one number.

use core::hash::{Hash, Hasher};

use crate::gpu::Gpu;

impl Gpu {
    /// A number that is the same for devices in the same state, in every run and on every machine. Two
    /// states that differ have the same number only by chance, once in 2⁶⁴. Of guest memory it holds what the device wrote, if
    /// the device is recorded or replayed.
    pub fn state_hash(&self) -> u64 {
        let mut digest = Digest(MANNER);
        self.state.hash(&mut digest);
        self.memory.written().hash(&mut digest);
        digest.finish()
    }
}

/// Another number whenever the same history of a device comes to another hash, so that no recording of another
/// build is held to be comparable that is not.
const MANNER: u64 = 1;

/// Odd, with as many ones as zeros (the golden ratio's digits).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of a product: every bit of the factors counts.
#[inline]
pub(crate) const fn mix(value: u64) -> u64 {
    let product = value as u128 * FACTOR as u128;
    product as u64 ^ (product >> 64) as u64
}

/// A hasher without secrets: nobody gains by states of the same number.
#[derive(Default)]
pub(crate) struct Digest(u64);

impl Digest {
    fn add(&mut self, value: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ value).wrapping_add(FACTOR);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        mix(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for &word in words {
            self.add(u64::from_le_bytes(word));
        }
        for &byte in rest {
            self.add(byte.into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.add(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }
}

#[cfg(test)]
mod tests {
    use gen8_spec::mmio::ring;
    use gen8_spec::pci;

    use crate::{Bar, Gpu, GpuConfig, GuestRam};

    fn gpu() -> Gpu {
        let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
        gpu.config_write(pci::CFG_COMMAND, 2, pci::COMMAND_MEMORY.into());
        gpu
    }

    #[test]
    fn devices_that_saw_the_same_have_the_same_hash() {
        let (mut one, mut other) = (gpu(), gpu());
        for gpu in [&mut one, &mut other] {
            gpu.bar_write(Bar::Bar0, 0x2000 + u64::from(ring::START), 4, 0x7000);
            gpu.advance_to(1000);
        }
        assert_eq!(one.state_hash(), other.state_hash());
        assert_ne!(one.state_hash(), gpu().state_hash());
    }

    #[test]
    fn a_register_a_pte_a_pci_register_and_time_each_change_the_hash() {
        let changes: [fn(&mut Gpu); 4] = [
            |gpu| gpu.bar_write(Bar::Bar0, 0x2000 + u64::from(ring::START), 4, 0x1000),
            |gpu| gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * 5, 8, 0x5001),
            |gpu| gpu.config_write(pci::CFG_BAR2, 4, 0xc000_0000),
            |gpu| gpu.advance_to(1),
        ];
        let before = gpu().state_hash();
        let mut seen = vec![before];
        for change in changes {
            let mut gpu = gpu();
            change(&mut gpu);
            assert!(!seen.contains(&gpu.state_hash()));
            seen.push(gpu.state_hash());
        }
    }

    #[test]
    fn a_pte_that_is_as_it_was_gives_the_hash_that_was() {
        let mut gpu = gpu();
        let before = gpu.state_hash();
        for value in [0x5001, 0x6001, 0] {
            gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * 5, 8, value);
            assert_eq!(gpu.state_hash() == before, value == 0);
        }
    }
}
