//! Scrubbers, each for the values that some exchanges have in common. Receives the secrets of an exchange, hands on the scrubber that was
//! made for the same values before, for making one takes longer than most exchanges.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use handlers::{Secret, credentials::Scrubber};

/// Sets of values that are kept. A generation has about as many as it has bindings with secrets; those of old values go in time.
const MAX_KEPT: usize = 64;

#[derive(Default)]
pub(super) struct Scrubbers(Mutex<VecDeque<Kept>>);

struct Kept {
    /// Alive for as long as this is, so that no other value can have the same place in memory.
    values: Vec<Arc<Secret>>,
    scrubber: Arc<Scrubber>,
}

impl Scrubbers {
    /// The one for these values, in this order; none for no values.
    pub(super) fn of<'a>(
        &self,
        secrets: impl Iterator<Item = (&'a Arc<str>, &'a Arc<Secret>)> + Clone,
    ) -> Option<Arc<Scrubber>> {
        secrets.clone().next()?;
        let same = |kept: &Kept| {
            let values = secrets.clone().map(|(_, value)| Arc::as_ptr(value));
            kept.values.iter().map(Arc::as_ptr).eq(values)
        };
        {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = all.iter().find(|kept| same(kept)) {
                return something(&kept.scrubber);
            }
        }
        let named: Vec<_> = secrets.clone().map(|(name, value)| (Arc::clone(name), &**value)).collect();
        let scrubber = Arc::new(Scrubber::new(&named));
        let kept = Kept {
            values: secrets.map(|(_, value)| value.clone()).collect(),
            scrubber: Arc::clone(&scrubber),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MAX_KEPT {
            all.pop_front();
        }
        all.push_back(kept);
        something(&scrubber)
    }
}

/// Values that are too short are not looked for.
fn something(scrubber: &Arc<Scrubber>) -> Option<Arc<Scrubber>> {
    (!scrubber.is_empty()).then(|| Arc::clone(scrubber))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str) -> (Arc<str>, Arc<Secret>) {
        (name.into(), Arc::new(Secret::new(value.to_owned())))
    }

    #[test]
    fn one_is_made_for_the_same_values() {
        let scrubbers = Scrubbers::default();
        let of = |all: &[&(Arc<str>, Arc<Secret>)]| {
            scrubbers.of(all.iter().map(|(name, value)| (name, value)).collect::<Vec<_>>().into_iter())
        };
        let (a, b, other) =
            (secret("A", "value-number-1"), secret("B", "value-number-2"), secret("A", "value-number-1"));
        assert!(of(&[]).is_none());
        let first = of(&[&a]).unwrap();
        assert!(Arc::ptr_eq(&first, &of(&[&a]).unwrap()));
        for all in [&[&a, &b][..], &[&b], &[&other]] {
            assert!(!Arc::ptr_eq(&first, &of(all).unwrap()), "another value, or another reading of it");
        }
        for _ in 0..MAX_KEPT {
            of(&[&secret("A", "value-number-3")]);
        }
        assert!(!Arc::ptr_eq(&first, &of(&[&a]).unwrap()), "what is not asked for goes");
    }
}
