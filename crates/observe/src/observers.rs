//! Several observers as one.

use gpu_model::{Event, GuestRam, Interests, Observer};

/// Observers that hear the device one after the other, each only of what it asked for.
#[derive(Default)]
pub struct Observers(Vec<(Interests, Box<dyn Observer>)>);

impl Observers {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One observer more, behind the others.
    pub fn push(&mut self, observer: impl Observer + 'static) {
        self.0.push((observer.interests(), Box::new(observer)));
    }

    /// The same with one observer more.
    #[must_use]
    pub fn with(mut self, observer: impl Observer + 'static) -> Self {
        self.push(observer);
        self
    }
}

impl core::fmt::Debug for Observers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(interests, _)| interests)).finish()
    }
}

impl Observer for Observers {
    fn interests(&self) -> Interests {
        self.0.iter().fold(Interests::NONE, |all, (interests, _)| all | *interests)
    }

    fn memory(&mut self, memory: &GuestRam) {
        for (_, observer) in &mut self.0 {
            observer.memory(memory);
        }
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let group = event.group();
        for (interests, observer) in &mut self.0 {
            if interests.intersects(group) {
                observer.event(now_ns, event);
            }
        }
    }
}
