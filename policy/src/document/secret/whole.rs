//! What secrets mean together: that none is made of itself, that the stores they are read from are what they need, and that no two
//! placeholders of one workload are taken for each other.
//!
//! Receives a whole document and the places of what its last part declares; hands on the first mistake. It is judged again with every
//! part, because a later part may say anew what a name is.

use std::collections::{BTreeMap, BTreeSet};

use super::{PlaceholderLook, Secret, SecretSource, StoreSort, source::no_redis};
use crate::{
    Fault, StoreSource,
    document::{Document, whole::Places},
    fault::{Position, clip},
};

/// Most placeholders of one document: each is looked for in every request.
const MAX_PLACEHOLDERS: usize = 256;
/// Names of a circle that are told.
const MAX_TOLD: usize = 8;

/// All secrets of a document.
pub(in crate::document) fn check(
    document: &Document,
    secrets: &Places,
    stores: &Places,
) -> Result<(), Fault> {
    for secret in document.secrets.values() {
        let SecretSource::Redis(redis) = &secret.source else { continue };
        if document.stores.get(&redis.store).map(StoreSort::from) != Some(StoreSort::Redis) {
            return Err(no_redis(&redis.store, stores.first([&redis.store])));
        }
    }
    if let Some(circle) = circle(document) {
        let told = |name: &&str| format!("`{}`", clip(name));
        let (first, more) = (circle.first().map(told).unwrap_or_default(), circle.len() > MAX_TOLD);
        let more = if more { " → …" } else { "" };
        let path = circle.iter().take(MAX_TOLD).map(told).collect::<Vec<_>>().join(" → ");
        let owners = circle.iter().filter_map(|name| match &document.secrets.get(*name)?.source {
            SecretSource::Redis(redis) => Some(redis.store.as_str()),
            _ => None,
        });
        let at = secrets.find(circle.iter().copied()).or_else(|| stores.find(owners));
        let message = format!("secret {first} is made of itself: {path}{more} → {first}");
        return Err(Fault::new(at.unwrap_or(Position::START), message));
    }
    placeholders(document, secrets)
}

/// The names of secrets each of which is made of the next, and the last of the first.
fn circle(document: &Document) -> Option<Vec<&str>> {
    let made_of = |secret| made_of(document, secret);
    let edges: BTreeMap<&str, Vec<&str>> =
        document.secrets.iter().map(|(name, secret)| (name.as_str(), made_of(secret))).collect();
    let mut done = BTreeSet::new();
    for &start in edges.keys() {
        let (mut path, mut on_path) = (vec![(start, 0)], BTreeSet::from([start]));
        while let Some((name, turn)) = path.last_mut() {
            match edges.get(*name).and_then(|next| next.get(*turn)) {
                Some(next) if on_path.contains(next) => {
                    return Some(
                        path.iter().map(|(name, _)| *name).skip_while(|name| name != next).collect(),
                    );
                }
                Some(&next) => {
                    *turn += 1;
                    if !done.contains(next) {
                        on_path.insert(next);
                        path.push((next, 0));
                    }
                }
                None => {
                    on_path.remove(*name);
                    done.insert(*name);
                    path.pop();
                }
            }
        }
    }
    None
}

/// The names of the secrets without whose values there is none of this one.
fn made_of<'a>(document: &'a Document, secret: &'a Secret) -> Vec<&'a str> {
    let store = match &secret.source {
        SecretSource::Redis(redis) => document.stores.get(&redis.store),
        _ => None,
    };
    secret.source.secrets().chain(store.into_iter().flat_map(StoreSource::secrets)).collect()
}

fn placeholders(document: &Document, places: &Places) -> Result<(), Fault> {
    let with = document
        .secrets
        .iter()
        .filter_map(|(name, secret)| Some((name, secret, secret.placeholder.as_ref()?)));
    let all: Vec<_> = with.collect();
    if all.len() > MAX_PLACEHOLDERS {
        let names = all.iter().rev().map(|(name, ..)| *name);
        return Err(Fault::new(places.first(names), format!("more than {MAX_PLACEHOLDERS} placeholders")));
    }
    for (place, (name, secret, placeholder)) in all.iter().enumerate() {
        for (other_name, other, other_placeholder) in all.iter().take(place) {
            if !may_meet(secret, other) {
                continue;
            }
            let fault = |what: &str| {
                let message = format!(
                    "`{}` and `{}` {what}, and one instance may use both",
                    clip(other_name),
                    clip(name)
                );
                Err(Fault::new(places.first([*name, *other_name]), message))
            };
            if placeholder.env.is_some() && placeholder.env == other_placeholder.env {
                return fault("put their placeholders into the same variable");
            }
            if let (PlaceholderLook::Fixed(one), PlaceholderLook::Fixed(two)) =
                (&placeholder.look, &other_placeholder.look)
                && (one.contains(two) || two.contains(one))
            {
                return fault("have placeholders that are taken for each other");
            }
        }
    }
    Ok(())
}

/// Whether there may be an instance that both are for.
fn may_meet(one: &Secret, other: &Secret) -> bool {
    let apart = |one: &[String], other: &[String]| !one.iter().any(|name| other.contains(name));
    let only_ids = |secret: &Secret| !secret.instances.is_empty() && secret.classes.is_empty();
    let only_classes = |secret: &Secret| !secret.classes.is_empty() && secret.instances.is_empty();
    let by_id = only_ids(one) && only_ids(other) && apart(&one.instances, &other.instances);
    let by_class = only_classes(one) && only_classes(other) && apart(&one.classes, &other.classes);
    !(by_id || by_class)
}
