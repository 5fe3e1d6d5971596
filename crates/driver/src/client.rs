//! Clients: open files with their handles and contexts.

use alloc::collections::BTreeMap;

use gen8_spec::debug_page::Hint;

use crate::context::Context;
use crate::error::Error;
use crate::gem::{Gem, next};
use crate::hardware::Hardware;
use crate::ids::{ClientId, ContextId, DmaBuf, Handle};
use crate::object::Object;
use crate::slab::Id;

/// An open file.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Handles; by the knob, each holds an object reference.
    pub(crate) handles: BTreeMap<Handle, Id<Object>>,
    /// Contexts; each holds a context reference.
    pub(crate) contexts: BTreeMap<ContextId, Id<Context>>,
    /// Handles by the dma-buf that they were imported from or exported to.
    pub(crate) prime: BTreeMap<DmaBuf, Handle>,
    pub(crate) next_handle: u32,
    pub(crate) next_context: u32,
}

impl<H: Hardware> Gem<H> {
    /// An open client.
    pub(crate) fn client(&self, client: ClientId) -> Result<&Client, Error> {
        self.clients.get(&client).ok_or(Error::NoEntry)
    }

    /// An open client.
    pub(crate) fn client_mut(&mut self, client: ClientId) -> Result<&mut Client, Error> {
        self.clients.get_mut(&client).ok_or(Error::NoEntry)
    }

    /// Opens the device node: a client with its default context.
    pub fn open(&mut self) -> Result<ClientId, Error> {
        self.locked("open", |gem| {
            let id = ClientId(next(&mut gem.numbers.client));
            gem.hw.hint(Hint::ClientOpened { client: id.0 });
            let context = gem.context_new(id).inspect_err(|_| {
                gem.hw.hint(Hint::ClientClosed { client: id.0 });
            })?;
            let mut client = Client::default();
            client.contexts.insert(ContextId::DEFAULT, context);
            gem.clients.insert(id, client);
            Ok(id)
        })
    }

    /// Closes a client. Its contexts go first (i915's `preclose`), then its handles, which the DRM
    /// core releases.
    pub fn close(&mut self, client: ClientId) -> Result<(), Error> {
        self.locked("preclose", |gem| {
            let contexts = core::mem::take(&mut gem.client_mut(client)?.contexts);
            for context in contexts.into_values() {
                gem.context_close(context)?;
            }
            Ok(())
        })?;
        self.locked("release_handles", |gem| {
            while let Some((&handle, _)) = gem.client(client)?.handles.first_key_value() {
                gem.handle_delete(client, handle)?;
            }
            gem.clients.remove(&client);
            gem.hw.hint(Hint::ClientClosed { client: client.0 });
            Ok(())
        })
    }
}
