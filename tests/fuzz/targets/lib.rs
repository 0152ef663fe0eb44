//! What is fed with any bytes: each target takes some, and panics if a rule does not hold for them. Seeds are in `seeds/`, a folder
//! for each; every test run reads them, and `make fuzz` goes on from there.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "panicking is how a target tells"
)]

mod document;
mod frames;
mod head;
mod host;
mod overrides;
mod path;
mod question;
mod record;
mod replace;
mod sniff;

use arbitrary::{Arbitrary, Unstructured};

/// One target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("document", |bytes| text(bytes, document::run)),
    ("frames", |bytes| made(bytes, frames::run)),
    ("head", head::run),
    ("host", |bytes| text(bytes, host::run)),
    ("overrides", |bytes| text(bytes, overrides::run)),
    ("path", |bytes| made(bytes, path::run)),
    ("question", question::run),
    ("record", |bytes| made(bytes, record::run)),
    ("replace", |bytes| made(bytes, replace::run)),
    ("sniff", sniff::run),
];

fn text(bytes: &[u8], run: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        run(text);
    }
}

fn made<'a, T: Arbitrary<'a>>(bytes: &'a [u8], run: impl Fn(T)) {
    if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        run(input);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_target_has_seeds_and_holds_for_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        for (name, target) in TARGETS {
            let seeds: Vec<_> = fs::read_dir(folder.join(name)).expect(name).collect();
            assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
            for seed in seeds {
                target(&fs::read(seed.expect(name).path()).expect(name));
            }
        }
        assert_eq!(fs::read_dir(folder).expect("seeds").count(), TARGETS.len());
    }
}
