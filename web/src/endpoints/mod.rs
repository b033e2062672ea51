//! Endpoints: the servers that may be asked for tokens, in the order they are tried, with keys and prices.

mod dialog;

pub use dialog::{EndpointsButton, EndpointsDialog};

use crate::{address, storage};
use citer_core::Prices;
use citer_core::message::ServerAddress;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A server as it is stored. Its key is not: that lies in memory, or apart where the reader wants it kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Base address; empty means this page's own server.
    pub url: String,
    /// The model; the server's first one when empty.
    #[serde(default)]
    pub model: String,
    /// Whether its key is kept on the device.
    #[serde(default)]
    pub keeps_key: bool,
    /// What it charges.
    #[serde(default)]
    pub prices: Prices,
}

impl Endpoint {
    /// The address that is asked.
    pub fn address(&self) -> String {
        if self.url.is_empty() { address::own_origin() } else { self.url.clone() }
    }
}

/// All servers; a copyable handle.
#[derive(Clone, Copy)]
pub struct Endpoints {
    /// In the order they are tried.
    pub list: RwSignal<Vec<Endpoint>>,
    /// Keys by address; in memory only.
    keys: RwSignal<BTreeMap<String, String>>,
    /// Whether the dialog is open.
    pub open: RwSignal<bool>,
    /// Whether the page's address names the server of this visit.
    pub is_named: bool,
}

impl Default for Endpoints {
    fn default() -> Self {
        let named = address::named_server();
        let list: Vec<Endpoint> = match &named {
            Some(None) => Vec::new(),
            Some(Some(url)) => vec![Endpoint { url: url.clone(), ..Endpoint::default() }],
            None => saved(),
        };
        let endpoints = Self {
            list: RwSignal::new(list),
            keys: RwSignal::default(),
            open: RwSignal::new(false),
            is_named: named.is_some(),
        };
        endpoints.read_keys();
        endpoints
    }
}

/// The list as it is stored; the page's own server where none is.
fn saved() -> Vec<Endpoint> {
    let saved = storage::get(storage::ENDPOINTS).and_then(|json| serde_json::from_str(&json).ok());
    saved.unwrap_or_else(|| vec![Endpoint::default()])
}

impl Endpoints {
    /// What the worker is told.
    pub fn servers(self) -> Vec<ServerAddress> {
        let server = |endpoint: &Endpoint| ServerAddress {
            url: endpoint.address(),
            model: Some(endpoint.model.trim().to_owned()).filter(|model| !model.is_empty()),
            key: self.key(&endpoint.address()),
            dialect: None,
        };
        self.list.with_untracked(|list| list.iter().map(server).collect())
    }

    /// Takes the keys that are kept on the device.
    fn read_keys(self) {
        let kept = |endpoint: &Endpoint| {
            let address = endpoint.address();
            Some((address.clone(), storage::get(&key_name(&address)).filter(|_| endpoint.keeps_key)?))
        };
        let kept: Vec<_> = self.list.with_untracked(|list| list.iter().filter_map(kept).collect());
        self.keys.update(|keys| keys.extend(kept));
    }

    /// Takes the list as another window stored it.
    pub fn refresh(self) {
        let list = saved();
        if !self.is_named && self.list.with_untracked(|now| *now != list) {
            self.list.set(list);
            self.read_keys();
        }
    }

    /// What the first server charges.
    pub fn prices(self) -> Prices {
        self.list.with(|list| list.first().map(|endpoint| endpoint.prices).unwrap_or_default())
    }

    fn key(self, address: &str) -> Option<String> {
        self.keys.with_untracked(|keys| keys.get(address).cloned())
    }

    /// Sets a server's key; an empty one forgets it.
    fn set_key(self, endpoint: &Endpoint, key: &str) {
        let address = endpoint.address();
        self.keys.update(|keys| {
            if key.is_empty() {
                keys.remove(&address);
            } else {
                keys.insert(address.clone(), key.to_owned());
            }
        });
        storage::set(&key_name(&address), if endpoint.keeps_key { key } else { "" });
    }

    /// Changes the list, and stores it unless the page's address made it.
    fn change(self, change: impl FnOnce(&mut Vec<Endpoint>)) {
        self.list.update(change);
        if !self.is_named {
            let json = self.list.with_untracked(|list| serde_json::to_string(list).unwrap_or_default());
            storage::set(storage::ENDPOINTS, &json);
        }
    }

    /// The server at an address.
    fn get(self, address: &str) -> Endpoint {
        let is_it = |endpoint: &&Endpoint| endpoint.address() == address;
        self.list.with(|list| list.iter().find(is_it).cloned().unwrap_or_default())
    }

    /// Its place in the order.
    fn place(self, address: &str) -> usize {
        self.list.with(|list| list.iter().position(|endpoint| endpoint.address() == address).unwrap_or_default())
    }

    /// Changes one server.
    fn change_one(self, address: &str, change: impl FnOnce(&mut Endpoint)) {
        self.change(|list| {
            if let Some(endpoint) = list.iter_mut().find(|endpoint| endpoint.address() == address) {
                change(endpoint);
            }
        });
    }

    /// Forgets a server with its key.
    fn remove(self, address: &str) {
        let endpoint = untrack(|| self.get(address));
        self.set_key(&Endpoint { keeps_key: false, ..endpoint }, "");
        self.change(|list| list.retain(|endpoint| endpoint.address() != address));
    }
}

fn key_name(address: &str) -> String {
    format!("{}.{address}", storage::KEY)
}
