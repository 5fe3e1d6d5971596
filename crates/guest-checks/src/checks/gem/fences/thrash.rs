//! Threads that take each other's fences all the time: while one is in the middle of an object, the
//! kernel gives its fence to another one.

use std::thread;

use super::tiled::{Sight, Tiled};
use crate::checks::gem::random::Random;
use crate::error::{Error, Result};
use crate::gpu::blt::Layout;
use crate::gpu::{Device, Engine, Object};

const THREADS: usize = 4;
/// Objects of a thread; all threads together have more than there are fences.
const OBJECTS: usize = 12;
const BYTES: usize = 64 << 10;
const ROUNDS: usize = 2;
const TILINGS: [(Layout, usize); 3] = [(Layout::X, 1024), (Layout::Y, 256), (Layout::Y, 512)];

/// Each thread writes and looks into its objects in turn.
pub(super) fn run(device: &Device, _: Engine) -> Result<String> {
    // The objects stay until the threads are done.
    let mut objects: Vec<Object> = Vec::new();
    let mut threads = Vec::new();
    for number in 0..THREADS {
        let mut sights = Vec::new();
        for n in 0..OBJECTS {
            let (layout, pitch) = TILINGS[(number + n) % TILINGS.len()];
            let (object, sight) = Tiled::new(device, BYTES, layout, pitch)?.split();
            objects.push(object);
            sights.push(sight);
        }
        threads.push(thread::spawn(move || rounds(&sights, number as u64)));
    }
    let ended: Vec<_> = threads.into_iter().map(thread::JoinHandle::join).collect();
    for result in ended {
        result.map_err(|_| Error::Wrong("a thread panicked".into()))??;
    }
    Ok(format!("{THREADS} threads with {OBJECTS} objects each"))
}

fn rounds(sights: &[Sight], seed: u64) -> Result<()> {
    let mut random = Random::new(seed + 1);
    for _ in 0..ROUNDS {
        for sight in sights {
            let seen = random.within(0, BYTES as i32 - 48) as usize;
            sight.check(seen, &random.bytes(48))?;
        }
    }
    Ok(())
}
