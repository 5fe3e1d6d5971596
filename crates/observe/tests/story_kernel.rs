//! What a kernel says of the address spaces that the device saw, in the story.

mod support;

use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gpu_model::{Event, Observer};
use observe::AddressSpaces;
use observe::kernel::KernelView;
use observe::story::{SpaceState, Story, StoryObserver};
use observe::views::{DeviceSnapshot, Views};
use ppgtt::{AddressSpace, Levels};
use support::Guest;

/// A device that is watched by a story and by the list that is compared with the kernel's view.
struct Watched {
    guest: Guest,
    story: StoryObserver,
    spaces: AddressSpaces,
    kernel: KernelView,
    views: Views,
    said: u32,
}

impl Watched {
    fn new() -> Watched {
        let mut guest = Guest::new();
        guest.hints = false;
        let mut story = StoryObserver::new("a device");
        story.memory(&guest.ram);
        let kernel = KernelView::new();
        kernel.take(b"@agent 1 6.1\n", 0);
        let (spaces, views) = (AddressSpaces::new(), Views::new());
        Watched { guest, story, spaces, kernel, views, said: 0 }
    }

    /// An engine loads the address space and is reset: nothing has it loaded any more.
    fn load(&mut self, now_ns: u64, space: &AddressSpace) {
        let (levels, pdps) = (space.levels().number(), space.root().pdps());
        let (engine, context) = (EngineId::Rcs, 1);
        for event in [
            Event::PdpLoaded { engine, levels, pdps, context },
            Event::Reset { domains: engine.reset_domain() },
        ] {
            self.spaces.event(now_ns, &event);
            self.story.event(now_ns, &event);
        }
    }

    fn says(&mut self, line: &str) {
        self.said += 1;
        let line = format!(" Xorg-512 [000] ..... 2.{:06}: {line}\n", self.said);
        self.kernel.take(line.as_bytes(), u64::from(self.said));
    }

    fn settle(&mut self, now_ns: u64) -> Story {
        let kernel = self.kernel.snapshot();
        let contents = self.spaces.contents(&self.guest.ram);
        let device = DeviceSnapshot { contents, ggtt: Vec::new() };
        let compared = self.views.compare(&kernel, &device, now_ns);
        self.story.kernel_says(now_ns, &kernel, &compared);
        self.story.story(now_ns)
    }
}

#[test]
fn a_kernel_names_address_spaces_and_bindings_and_what_it_released_is_leaked() {
    let mut watched = Watched::new();
    let mut space = watched.guest.vm(1, Levels::Four);
    let pages = [1, 2].map(|object| watched.guest.page(PageKind::Object, object));
    watched.guest.map(1, &mut space, 0x1_0000, pages[0]);
    watched.guest.map(1, &mut space, 0x1_1000, pages[1]);
    watched.load(100, &space);
    watched.says("i915_ppgtt_create: dev=0, vm=a");
    watched.says("i915_vma_bind: obj=7, offset=0x10000 size=0x1000 vm=a");
    watched.says("i915_vma_bind: obj=8, offset=0x11000 size=0x1000 vm=a");
    let story = watched.settle(200);
    let [told] = &story.spaces[..] else { panic!("one address space") };
    assert_eq!((told.name.as_str(), told.state), ("vm a of Xorg [512]", SpaceState::Idle));
    let objects: Vec<_> = told.mappings.iter().map(|m| (m.va, m.object, m.present)).collect();
    assert_eq!(objects, [(0x1_0000, Some(7), true), (0x1_1000, Some(8), true)]);
    assert_eq!(told.mappings[0].written_by.as_deref(), Some("Xorg [512]"));
    assert_eq!(told.mappings[1].pte & !0xfff, pages[1]);
    assert!(story.findings.is_empty());

    // The kernel lets go of all of it, but the tables stay as they are.
    for line in [
        "i915_vma_unbind: obj=7, offset=0x10000 size=0x1000 vm=a",
        "i915_vma_unbind: obj=8, offset=0x11000 size=0x1000 vm=a",
        "i915_ppgtt_release: dev=0, vm=a",
    ] {
        watched.says(line);
    }
    let story = watched.settle(300);
    let leaked: Vec<_> = story.leaks().map(|space| (&*space.name, space.state)).collect();
    assert_eq!(leaked, [("vm a of Xorg [512]", SpaceState::Orphaned)]);
    assert!(story.spaces[0].mappings.iter().all(|mapping| mapping.leaked));
    let names: Vec<_> = story.findings.iter().map(|finding| &*finding.name).collect();
    assert_eq!(names, ["OrphanVm", "ReleasedButMapped"]);

    // A worker clears them after all.
    for page in 0..2 {
        space.clear_range(&watched.guest.ram, 0x1_0000 + 0x1000 * page, 0x1000).expect("covered");
    }
    let story = watched.settle(400);
    assert_eq!((story.leaks().count(), &story.findings[..]), (0, &[][..]));
    assert!(story.spaces[0].mappings.iter().all(|mapping| !mapping.leaked));
}

#[test]
fn what_the_kernel_never_told_of_and_is_cleared_is_no_leak() {
    let mut watched = Watched::new();
    let space = watched.guest.vm(1, Levels::Four);
    watched.load(100, &space);
    let story = watched.settle(200);
    assert_eq!((story.spaces.len(), story.findings.len()), (1, 0));
}
