//! Contexts over time.

use std::collections::{BTreeMap, BTreeSet};

/// Contexts that are kept; of more, those freed first go.
const KEPT: usize = 4096;

/// One context.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// The owner's number, if an owner tells of it.
    owner: Option<u64>,
    /// The id in its descriptor, or CCID.
    pub(super) hardware: Option<u32>,
    /// The client whose it is.
    pub(super) client: Option<u64>,
    /// Serial of its address space.
    pub(super) space: Option<u64>,
    pub(super) image: Option<u64>,
    pub(super) created_ns: Option<u64>,
    pub(super) freed_ns: Option<u64>,
    /// When engines had it loaded: since when, and until when.
    pub(super) seen_ns: Option<(u64, u64)>,
}

impl Context {
    /// An engine has it loaded.
    fn seen(&mut self, now_ns: u64) {
        let (first, _) = self.seen_ns.unwrap_or((now_ns, now_ns));
        self.seen_ns = Some((first, now_ns));
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        match (self.owner, self.client, self.image) {
            (Some(id), Some(client), _) => format!("context {id} of client {client}"),
            (Some(id), None, _) => format!("context {id} of the driver"),
            (None, _, Some(image)) => format!("context at {image:#x}"),
            (None, _, None) => format!("context {}", self.hardware.unwrap_or_default()),
        }
    }
}

/// All contexts.
#[derive(Clone, Debug, Default)]
pub(super) struct Contexts {
    all: BTreeMap<u64, Context>,
    by_owner: BTreeMap<u64, u64>,
    /// The living context of each hardware id that an owner told.
    by_hardware: BTreeMap<u32, u64>,
    /// Contexts that no owner told of, by the address of their image.
    by_image: BTreeMap<u64, u64>,
    freed: BTreeSet<u64>,
    next: u64,
    pub(super) dropped: u64,
}

impl Contexts {
    /// An owner created a context.
    pub(super) fn begin(
        &mut self,
        owner: u64,
        hardware: Option<u32>,
        space: Option<u64>,
        now_ns: u64,
    ) {
        let context = Context {
            owner: Some(owner),
            hardware,
            space,
            created_ns: Some(now_ns),
            ..Context::default()
        };
        let serial = self.insert(context);
        self.by_owner.insert(owner, serial);
        if let Some(id) = hardware {
            self.by_hardware.insert(id, serial);
        }
    }

    /// An owner freed a context: its serial and its address space's.
    pub(super) fn end(&mut self, owner: u64, now_ns: u64) -> Option<(u64, Option<u64>)> {
        let serial = self.by_owner.remove(&owner)?;
        let context = self.all.get_mut(&serial)?;
        context.freed_ns = Some(now_ns);
        self.freed.insert(serial);
        if let Some(id) = context.hardware
            && self.by_hardware.get(&id) == Some(&serial)
        {
            self.by_hardware.remove(&id);
        }
        Some((serial, context.space))
    }

    /// The living context of an owner's number.
    pub(super) fn owned(&mut self, owner: u64) -> Option<(u64, &mut Context)> {
        let &serial = self.by_owner.get(&owner)?;
        self.all.get_mut(&serial).map(|context| (serial, context))
    }

    /// The context that an engine loaded: an owner's by its hardware id, else by its image, since a
    /// driver may use any free id each time.
    pub(super) fn loaded(&mut self, id: u32, image: u64, now_ns: u64) -> u64 {
        let known = self.by_hardware.get(&id).or_else(|| self.by_image.get(&image)).copied();
        let serial = known.unwrap_or_else(|| {
            let serial = self.insert(Context { hardware: Some(id), ..Context::default() });
            self.by_image.insert(image, serial);
            serial
        });
        if let Some(context) = self.all.get_mut(&serial) {
            context.image = Some(image);
            // Of one that is known only its address space shows whether it is still the same.
            context.seen_ns.get_or_insert((now_ns, now_ns));
        }
        serial
    }

    /// An engine has saved the context.
    pub(super) fn saved(&mut self, serial: u64, now_ns: u64) {
        if let Some(context) = self.all.get_mut(&serial) {
            context.seen(now_ns);
        }
    }

    /// A context was loaded with an address space. Where no owner tells, an image with another address
    /// space than before is another context's: its serial.
    pub(super) fn uses(&mut self, serial: u64, space: u64, now_ns: u64) -> u64 {
        let Some(context) = self.all.get_mut(&serial) else { return serial };
        let before = *context.space.get_or_insert(space);
        let (owner, hardware, image) = (context.owner, context.hardware, context.image);
        if before == space || owner.is_some() {
            context.seen(now_ns);
            return serial;
        }
        let space = Some(space);
        let seen_ns = Some((now_ns, now_ns));
        let serial = self.insert(Context { hardware, image, space, seen_ns, ..Context::default() });
        if let Some(image) = image {
            self.by_image.insert(image, serial);
        }
        serial
    }

    fn insert(&mut self, context: Context) -> u64 {
        if self.all.len() >= KEPT {
            self.forget_one();
        }
        let serial = self.next;
        self.next += 1;
        self.all.insert(serial, context);
        serial
    }

    /// Makes room: the one freed first goes, else the oldest.
    fn forget_one(&mut self) {
        let first = self.freed.pop_first();
        let first = first.or_else(|| self.all.first_key_value().map(|(&serial, _)| serial));
        let Some((serial, context)) = first.and_then(|serial| self.all.remove_entry(&serial))
        else {
            return;
        };
        forget(&mut self.by_owner, context.owner, serial);
        forget(&mut self.by_hardware, context.hardware, serial);
        forget(&mut self.by_image, context.image, serial);
        self.dropped += 1;
    }

    pub(super) fn get(&self, serial: u64) -> Option<&Context> {
        self.all.get(&serial)
    }

    /// Living contexts that owners told of and that use an address space.
    pub(super) fn users(&self, space: u64) -> impl Iterator<Item = &Context> {
        self.all.values().filter(move |context| {
            context.owner.is_some() && context.freed_ns.is_none() && context.space == Some(space)
        })
    }

    /// All, by order of creation.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Context)> {
        self.all.iter().map(|(&serial, context)| (serial, context))
    }
}

/// Takes a context out of an index, unless its place is another's by now.
fn forget<K: Ord>(index: &mut BTreeMap<K, u64>, key: Option<K>, serial: u64) {
    if let Some(key) = key
        && index.get(&key) == Some(&serial)
    {
        index.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A context is loaded with an address space, and saved.
    fn run(contexts: &mut Contexts, image: u64, space: u64, from_ns: u64, to_ns: u64) -> u64 {
        let serial = contexts.loaded(1, image, from_ns);
        let serial = contexts.uses(serial, space, from_ns);
        contexts.saved(serial, to_ns);
        serial
    }

    #[test]
    fn a_context_that_nobody_told_of_is_known_from_its_first_load_to_its_last_save() {
        let mut contexts = Contexts::default();
        let serial = run(&mut contexts, 0x1000, 7, 100, 110);
        assert_eq!(run(&mut contexts, 0x1000, 7, 300, 310), serial);
        let context = contexts.get(serial).unwrap();
        assert_eq!((context.seen_ns, context.created_ns), (Some((100, 310)), None));
    }

    #[test]
    fn an_image_with_another_address_space_is_another_context_and_the_first_is_seen_no_more() {
        let mut contexts = Contexts::default();
        let first = run(&mut contexts, 0x1000, 7, 100, 110);
        let second = run(&mut contexts, 0x1000, 8, 300, 310);
        assert_ne!(first, second);
        let seen = [first, second].map(|serial| contexts.get(serial).unwrap().seen_ns);
        assert_eq!(seen, [Some((100, 110)), Some((300, 310))]);
    }
}
