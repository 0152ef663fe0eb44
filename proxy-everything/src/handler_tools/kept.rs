//! What handlers keep while a case is tried. Receives a document's stores, and what a case says is in them; hands on stores of this case's
//! own, in memory or in a folder that is gone afterwards, and what differs in them from what was expected.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use handlers::{Blobs, KeyValue, full};
use policy::StoreKind;
use tempfile::TempDir;

use super::{
    expected::{Case, Expected},
    trial::collect,
};
use crate::{
    config::{Document, OpenStores, Opened},
    stores::{folder::Folder, memory::Memory},
};

/// The stores of one case.
pub(super) struct Kept {
    open: OpenStores,
    /// Gone with this.
    _folders: Vec<TempDir>,
}

impl Kept {
    /// Stores of the kinds that `document` says, whatever else it says of them, with what `case` has in them.
    pub(super) async fn of(document: &Document, case: &Case) -> anyhow::Result<Self> {
        let (mut open, mut folders) = (OpenStores::new(), Vec::new());
        for (name, source) in &document.parsed().stores {
            let opened = match source.kind() {
                StoreKind::KeyValue => Opened::KeyValue(Arc::new(Memory::default())),
                StoreKind::Objects => {
                    let folder = tempfile::tempdir().context("cannot make a folder")?;
                    let opened = Folder::open(folder.path()).map_err(|error| anyhow!("`{name}`: {error}"))?;
                    folders.push(folder);
                    Opened::Blobs(Arc::new(opened))
                }
            };
            open.insert(name.clone(), opened);
        }
        let kept = Self { open, _folders: folders };
        for (name, values) in &case.keyvalue {
            let entries = values.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
            kept.values(name)?.set(entries).await.with_context(|| format!("`{name}`"))?;
        }
        for (name, objects) in &case.blobstore {
            for (key, value) in objects {
                let put = kept.objects(name)?.put(key.clone(), full(value.clone()), None).await;
                put.with_context(|| format!("`{name}`, `{key}`"))?;
            }
        }
        Ok(kept)
    }

    /// What handlers are granted.
    pub(super) fn open(&self) -> &OpenStores {
        &self.open
    }

    /// What differs in them now.
    pub(super) async fn differs(&self, expected: &Expected) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut compare = |place: String, wanted: &Option<String>, found: Option<String>| {
            if *wanted != found {
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                lines.push(format!("{place}: expected {}, got {}", text(wanted), text(&found)));
            }
        };
        for (name, values) in &expected.keyvalue {
            let found = self.values(name)?.get(values.keys().cloned().collect()).await;
            let found = found.with_context(|| format!("`{name}`"))?;
            for ((key, wanted), found) in values.iter().zip(found) {
                let found = found.map(|value| String::from_utf8_lossy(&value).into_owned());
                compare(format!("keyvalue.{name}.{key}"), wanted, found);
            }
        }
        for (name, objects) in &expected.blobstore {
            for (key, wanted) in objects {
                let got = self.objects(name)?.get(key.clone(), None).await;
                let found = match got.with_context(|| format!("`{name}`, `{key}`"))? {
                    Some((_, body)) => {
                        Some(collect(body).await.map_err(|error| anyhow!("`{key}`: {error}"))?)
                    }
                    None => None,
                };
                let found = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                compare(format!("blobstore.{name}.{key}"), wanted, found);
            }
        }
        Ok(lines)
    }

    fn values(&self, name: &str) -> anyhow::Result<&Arc<dyn KeyValue>> {
        match self.open.get(name) {
            Some(Opened::KeyValue(store)) => Ok(store),
            _ => bail!("`{name}` is no store of keys and values here"),
        }
    }

    fn objects(&self, name: &str) -> anyhow::Result<&Arc<dyn Blobs>> {
        match self.open.get(name) {
            Some(Opened::Blobs(store)) => Ok(store),
            _ => bail!("`{name}` is no store of objects here"),
        }
    }
}
