//! Secrets of real sources: programs, files, stores, and servers of others.

mod command;
mod lives;
#[cfg(feature = "rusty-vault")]
mod rusty_vault;
mod servers;
mod store;
mod tokens;
mod vault;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use certs::{SystemRoots, upstream_roots};
use policy::{Document, InstanceFacts};
use rustls::RootCertStore;
use serde_json::{Value as Json, json};

use super::{Opened, Slots, Surroundings, Visible};
use crate::config::{ConfigError, Stores};

const WHO: InstanceFacts<'_> = InstanceFacts { id: "web-1", class: "builder" };

/// An instance that secrets are opened for.
struct Lab {
    slots: Slots,
    stores: Stores,
    visible: Visible,
    roots: Arc<RootCertStore>,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self {
            slots: Slots::default(),
            stores: Stores::default(),
            visible: Visible::Nothing,
            roots: Arc::new(RootCertStore::empty()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn trusting(pem: &str) -> Self {
        Self { roots: Arc::new(upstream_roots(SystemRoots::Ignore, &[pem]).unwrap()), ..Self::new() }
    }

    /// A source of the file `name`, in which there is `text` now.
    fn file(&self, name: &str, text: &str) -> Json {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        json!({ "file": path })
    }

    /// Opens the secrets of a document that declares nothing else.
    fn open(&self, secrets: Json) -> Result<Opened, ConfigError> {
        self.open_document(json!({ "secrets": secrets }))
    }

    fn open_document(&self, document: Json) -> Result<Opened, ConfigError> {
        let document = Document::parse(&document.to_string()).unwrap();
        let surroundings = Surroundings { who: WHO, visible: &self.visible, roots: &self.roots };
        let stores =
            |values: &BTreeMap<_, _>| self.stores.open(&document.stores, values, &self.roots, &self.visible);
        self.slots.open(&document, surroundings, stores)
    }

    /// Why the secrets are refused.
    fn refused(&self, secrets: Json) -> String {
        let error = self.open(secrets).err().expect("they are refused").to_string();
        assert!(!error.contains("canary"), "{error}");
        error
    }
}

impl Opened {
    async fn value(&self, name: &str) -> Result<String, String> {
        let value = self.slots[name].value().await.map_err(|error| error.to_string());
        value.map(|value| value.expose().to_owned())
    }

    /// Uses a secret until it has another value.
    async fn becomes(&self, name: &str, wanted: &str) {
        let began = Instant::now();
        while self.value(name).await.as_deref() != Ok(wanted) {
            assert!(began.elapsed().as_secs() < 20, "{name} is not {wanted}");
            tokio::task::yield_now().await;
        }
    }
}
