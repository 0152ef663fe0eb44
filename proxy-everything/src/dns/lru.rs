//! A bounded map that forgets what was used least recently. The workload chooses the names that it asks for, so everything
//! that remembers names has a bound; when it is full, one entry goes, never all.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Each value under its key, and each key under the number of its last use; the numbers only grow.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    capacity: usize,
    entries: HashMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    /// The value, which counts as a use.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        let (last, value) = self.entries.get_mut(key)?;
        self.by_use.remove(last);
        self.uses += 1;
        *last = self.uses;
        self.by_use.insert(self.uses, key.clone());
        Some(value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((last, _)) = self.entries.remove(key) {
            self.by_use.remove(&last);
        }
    }

    /// Puts a value in and gives back what had to go for it: the value that was there, or the one used least recently.
    pub(super) fn put(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        if let Some((last, old)) = self.entries.insert(key.clone(), (self.uses, value)) {
            self.by_use.remove(&last);
            return Some((key, old));
        }
        if self.entries.len() <= self.capacity {
            return None;
        }
        let (_, oldest) = self.by_use.pop_first()?;
        let (_, value) = self.entries.remove(&oldest)?;
        Some((oldest, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes() {
        let mut lru = Lru::new(2);
        assert_eq!(lru.put("a", 1), None);
        assert_eq!(lru.put("b", 2), None);
        assert_eq!(lru.get(&"a"), Some(&mut 1));
        assert_eq!(lru.put("c", 3), Some(("b", 2)));
        assert_eq!(lru.put("a", 4), Some(("a", 1)));
        assert_eq!(lru.put("d", 5), Some(("c", 3)));
        assert_eq!((lru.get(&"a").copied(), lru.entries.len(), lru.by_use.len()), (Some(4), 2, 2));
    }
}
