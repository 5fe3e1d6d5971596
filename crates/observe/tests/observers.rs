//! Several observers on one device, and what they find.

use std::sync::{Arc, Mutex};

use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, GuestRule, Interests, Observer, Origin};
use observe::{CensusFinding, Finding, Observers, Severity};

/// Keeps what it hears, with the time.
#[derive(Clone)]
struct Ear {
    interests: Interests,
    heard: Arc<Mutex<Vec<(u64, Event)>>>,
    /// Bytes of each memory that it was given.
    memories: Arc<Mutex<Vec<u64>>>,
}

impl Ear {
    fn new(interests: Interests) -> Ear {
        Ear { interests, heard: Arc::default(), memories: Arc::default() }
    }

    fn heard(&self) -> Vec<(u64, Event)> {
        self.heard.lock().unwrap().clone()
    }
}

impl Observer for Ear {
    fn interests(&self) -> Interests {
        self.interests
    }

    fn memory(&mut self, memory: &GuestRam) {
        self.memories.lock().unwrap().push(memory.size());
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        self.heard.lock().unwrap().push((now_ns, event.clone()));
    }
}

#[test]
fn each_observer_hears_what_it_asked_for_with_the_time_of_the_device() {
    let (all, stale) = (Ear::new(Interests::ALL), Ear::new(Interests::STALE_TLB));
    let basics = Ear::new(Interests::BASICS);
    let observers = Observers::new().with(stale.clone()).with(basics.clone());
    assert_eq!(observers.interests(), Interests::DEFAULT);
    let observers = observers.with(all.clone());
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
    gpu.set_observer(Some(Box::new(observers)));
    gpu.advance_to(77);
    gpu.bar_read(Bar::Bar0, 0x2000, 3);
    let (rule, origin) = (GuestRule::BarAccessOddSize, Origin::Cpu);
    let expected = [(77, Event::GuestError { rule, origin, detail: 0x2000 })];
    assert_eq!(all.heard(), expected);
    assert_eq!(basics.heard(), expected);
    assert_eq!(stale.heard(), []);
}

#[test]
fn every_observer_is_given_the_memory_and_each_that_takes_its_place() {
    let (first, second) = (Ear::new(Interests::NONE), Ear::new(Interests::ALL));
    let ram = |pages: u64| GuestRam::anonymous(pages << 12).unwrap();
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), ram(1));
    gpu.set_observer(Some(Box::new(Observers::new().with(first.clone()).with(second.clone()))));
    gpu.set_memory(ram(2));
    for ear in [first, second] {
        assert_eq!(*ear.memories.lock().unwrap(), [1 << 12, 2 << 12]);
    }
}

#[test]
fn a_restored_device_tells_the_time_of_its_state() {
    let ear = Ear::new(Interests::BASICS);
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
    gpu.set_observer(Some(Box::new(ear.clone())));
    gpu.advance_to(5);
    let state = gpu.state();
    gpu.advance_to(9);
    gpu.restore(state);
    gpu.reset();
    assert_eq!(ear.heard(), [(5, Event::FunctionReset)]);
}

#[test]
fn a_finding_survives_json_whole() {
    let finding = Finding::new("StaleTlb", Severity::Error, 12, "bcs0 used a stale translation")
        .fact("filled", "at 3 ns");
    let json = serde_json::to_string(&finding).unwrap();
    assert_eq!(
        json,
        r#"{"name":"StaleTlb","severity":"error","at_ns":12,"what":"bcs0 used a stale translation","facts":[{"label":"filled","text":"at 3 ns"}]}"#
    );
    assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding);
}

#[test]
fn a_finding_of_the_census_takes_the_common_form() {
    let found = CensusFinding::OrphanVm { vm: 4, pages: 8 }.found_at(3);
    let what = "VM 4 has 8 page-table pages and no living context";
    assert_eq!(found, Finding::new("OrphanVm", Severity::Error, 3, what));
}
