//! Bringing the GPU up and down, contexts and hints.

use gen8_spec::debug_page;

use super::*;

#[test]
fn probe_finds_the_engines_of_each_part() {
    for (device_id, count) in [(0x1606, 4), (0x1616, 4), (0x1626, 5), (0x163a, 4)] {
        for config in [EXECLISTS, LEGACY] {
            let machine = FakeMachine::with(|m| m.device_id = device_id);
            let gt = Gt::probe(machine, config).unwrap();
            assert_eq!(gt.engines().len(), count, "{device_id:#x}");
            assert_eq!(gt.sku().device_id, device_id);
        }
    }
}

#[test]
fn probe_refuses_what_is_not_a_broadwell() {
    let machine = FakeMachine::with(|m| m.device_id = 0x1912);
    assert_eq!(Gt::probe(machine, EXECLISTS).err(), Some(ProbeError::UnknownDevice(0x1912)));
}

#[test]
fn probe_reports_a_dead_engine_and_a_failed_handshake() {
    let machine = FakeMachine::with(|m| m.stuck = [EngineId::Vcs].into());
    assert_eq!(Gt::probe(machine, EXECLISTS).err(), Some(ProbeError::EngineDead(EngineId::Vcs)));
    let machine = FakeMachine::with(|m| m.reset_broken = true);
    assert_eq!(
        Gt::probe(machine, EXECLISTS).err(),
        Some(ProbeError::Reset(ResetError::NotReady(EngineId::Rcs)))
    );
}

#[test]
fn shutdown_frees_every_page_also_of_forgotten_contexts() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probed(config);
        gt.context_create(1, EngineId::Rcs).unwrap();
        assert!(gt.platform().pages_allocated() > 20);
        assert_eq!(gt.shutdown().pages_allocated(), 0);
    }
}

#[test]
fn context_creation_that_runs_out_of_pages_keeps_none() {
    let mut gt = probed(EXECLISTS);
    let before = gt.platform().pages_allocated();
    // 20 image pages and 4 ring pages are needed.
    for left in 0..24 {
        gt.platform_mut().limit_pages(left);
        assert!(gt.context_create(1, EngineId::Rcs).is_err());
        assert_eq!(gt.platform().pages_allocated(), before, "with {left} pages");
    }
    gt.platform_mut().limit_pages(24);
    assert!(gt.context_create(1, EngineId::Rcs).is_ok());
}

#[test]
fn a_second_context_of_the_same_id_is_refused() {
    let mut gt = probed(EXECLISTS);
    let first = gt.context_create(1, EngineId::Bcs).unwrap();
    assert_eq!(gt.context_create(1, EngineId::Bcs), Err(ContextError::Duplicate(1)));
    assert!(gt.context_create(1, EngineId::Vcs).is_ok(), "another engine");
    gt.context_destroy(first);
    assert!(gt.context_create(1, EngineId::Bcs).is_ok());
}

#[test]
fn hints_write_only_arguments_that_change() {
    let machine = FakeMachine::with(|m| m.debug_page = Some(debug_page::VERSION_VALUE));
    let mut gt = Gt::probe(machine, EXECLISTS).unwrap();
    let page = gt.alloc_page(PageKind::Object, 7).unwrap();
    gt.platform_mut().take_writes();
    let next = gt.alloc_page(PageKind::Object, 7).unwrap();
    assert_ne!(page, next);
    assert_eq!(
        gt.platform_mut().take_writes(),
        [(debug_page::ARG0, next), (debug_page::COMMAND, 2)]
    );
}

#[test]
fn without_the_debug_page_no_hint_is_written() {
    let mut gt = probed(EXECLISTS);
    gt.alloc_page(PageKind::Object, 7).unwrap();
    assert_eq!(gt.platform_mut().take_writes(), []);
}

#[test]
fn a_device_of_the_first_version_gets_no_hint_of_the_second() {
    for (version, hints) in [(1, 0), (2, 1), (3, 1)] {
        let machine = FakeMachine::with(|m| m.debug_page = Some(version));
        let mut gt = Gt::probe(machine, EXECLISTS).unwrap();
        gt.platform_mut().take_writes();
        gt.hint(Hint::ClientOpened { client: 1 });
        let writes = gt.platform_mut().take_writes();
        let commands = writes.iter().filter(|(offset, _)| *offset == debug_page::COMMAND);
        assert_eq!(commands.count(), hints, "version {version}");
        gt.hint(Hint::PageFreed { page: 0x1000 });
        assert!(!gt.platform_mut().take_writes().is_empty(), "version {version}");
    }
}
