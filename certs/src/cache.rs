//! The leaves in use.
//!
//! Receives a name at each TLS handshake, hands on a leaf that is valid now, minted only when there is
//! none. The workload chooses the names, so the cache is bounded and, when full, forgets one leaf at a
//! time, the least recently used: a flood of names costs one mint each and never empties the cache.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;

use crate::{CertError, InstanceCa, Leaf, SubjectName};

/// A bounded, thread-safe store of leaves that renews each one before it expires.
pub struct LeafCache {
    capacity: NonZeroUsize,
    leaves: Mutex<Leaves>,
}

impl LeafCache {
    /// A cache that never holds more than `capacity` leaves. One takes about 1.3 kB.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { capacity, leaves: Mutex::default() }
    }

    /// The leaf for this name, from the cache if `ca` minted the one that is there and it is still good.
    ///
    /// Minting happens outside the lock: a slow mint holds up no other name, and two callers that miss
    /// the same name at once both mint, which is harmless.
    pub fn get(
        &self,
        ca: &InstanceCa,
        name: &SubjectName,
        now: UnixTime,
    ) -> Result<Arc<CertifiedKey>, CertError> {
        let known = self.with_leaves(|leaves| leaves.get(name));
        if let Some(leaf) = known.filter(|leaf| leaf.serves(ca, now)) {
            return Ok(leaf.key);
        }
        let leaf = ca.issue(name, now)?;
        let key = leaf.key.clone();
        self.with_leaves(|leaves| leaves.put(name.clone(), leaf, self.capacity));
        Ok(key)
    }

    /// A panic cannot leave the two maps in a state that matters: at worst one leaf is minted again.
    fn with_leaves<T>(&self, work: impl FnOnce(&mut Leaves) -> T) -> T {
        work(&mut self.leaves.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Each leaf under its name, and each name under the number of its last use; the numbers only grow.
#[derive(Default)]
struct Leaves {
    by_name: HashMap<Arc<SubjectName>, Entry>,
    by_use: BTreeMap<u64, Arc<SubjectName>>,
    uses: u64,
}

struct Entry {
    leaf: Leaf,
    last_use: u64,
}

impl Leaves {
    fn get(&mut self, name: &SubjectName) -> Option<Leaf> {
        let entry = self.by_name.get_mut(name)?;
        let name = self.by_use.remove(&entry.last_use)?;
        self.uses += 1;
        entry.last_use = self.uses;
        self.by_use.insert(self.uses, name);
        Some(entry.leaf.clone())
    }

    fn put(&mut self, name: SubjectName, leaf: Leaf, capacity: NonZeroUsize) {
        if let Some(replaced) = self.by_name.remove(&name) {
            self.by_use.remove(&replaced.last_use);
        }
        if self.by_name.len() >= capacity.get()
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_name.remove(&oldest);
        }
        self.uses += 1;
        let name = Arc::new(name);
        self.by_use.insert(self.uses, name.clone());
        self.by_name.insert(name, Entry { leaf, last_use: self.uses });
    }
}

#[cfg(test)]
mod tests;
