//! The secrets of a document, for one instance. Receives what the document declares, hands on their slots, each of which has had a value:
//! a secret that cannot be had refuses the document. A secret that is as before keeps its slot from one generation to the next, with
//! all that its source gave; what of it is under way ends with the last generation that has it. Such a one is not asked again, so
//! that a policy can be changed while a server of secrets is down.

use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak, mpsc},
    time::Duration,
};

use handlers::{KeyValue, Secret};
use policy::{Document, InstanceFacts, InstanceText, SecretSource, VaultAuth, VaultSource};
use rustls::RootCertStore;
use tokio::runtime::{Builder, Runtime};

use super::{
    Unavailable, Visible,
    cached::Cached,
    command::Command,
    file::{SecretFile, credential},
    github::GithubApp,
    http::Http,
    jwt::JwtBearer,
    oauth::{Newest, OAuth2},
    slot::{Origin, Slot},
    source::{Source, StoredKey},
    value::{Lines, ONLY, good},
    vault::{Auth, Vault},
};
use crate::config::{ConfigError, OpenStores, Opened as OpenStore};

/// First values are read before there is a runtime that serves a workload. What is connected then stays so.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).thread_name("secrets").enable_all().build()
});

/// The slots of one instance, from one generation to the next.
#[derive(Default)]
pub struct Slots(pub(super) Mutex<Vec<Kept>>);

/// A slot, for as long as a generation has it, and what it was made of.
pub(super) struct Kept {
    name: String,
    source: SecretSource,
    lines: Lines,
    made_of: Vec<Weak<Slot>>,
    roots: Arc<RootCertStore>,
    newest: Arc<Newest>,
    slot: Weak<Slot>,
}

/// What there is for a generation.
pub struct Opened {
    /// The secrets that the instance may use, and those that they and stores are made of.
    pub slots: BTreeMap<String, Arc<Slot>>,
    /// The stores.
    pub stores: OpenStores,
}

/// For whom secrets are opened.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Who uses them.
    pub who: InstanceFacts<'a>,
    /// What the workload has been able to see.
    pub visible: &'a Visible,
    /// Who may vouch for servers.
    pub roots: &'a Arc<RootCertStore>,
}

impl Slots {
    /// Opens those of `document`, and its stores in between: some secrets are read of stores, and stores are opened with others. Waits
    /// for sources.
    pub fn open(
        &self,
        document: &Document,
        surroundings: Surroundings<'_>,
        stores: impl FnOnce(&BTreeMap<String, Arc<Secret>>) -> Result<OpenStores, ConfigError>,
    ) -> Result<Opened, ConfigError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.slot.strong_count() > 0);
        let keys = document.secrets.values().filter_map(|secret| secret.source.key()).collect();
        let mut opening =
            Opening { document, surroundings, keys, kept: &mut kept, http: None, open: BTreeMap::new() };
        let (of_stores, others) = opening.needed();
        for name in others {
            opening.slot(&name, &OpenStores::new())?;
        }
        opening.first_values()?;
        let values = opening.values_for_stores()?;
        let stores = stores(&values)?;
        for name in of_stores {
            opening.slot(&name, &stores)?;
        }
        opening.first_values()?;
        let slots = opening.open.into_iter().map(|(name, open)| (name, open.slot)).collect();
        Ok(Opened { slots, stores })
    }
}

/// Under way.
struct Opening<'a> {
    document: &'a Document,
    surroundings: Surroundings<'a>,
    /// The secrets that are private keys.
    keys: BTreeSet<&'a str>,
    kept: &'a mut Vec<Kept>,
    http: Option<Http>,
    open: BTreeMap<String, Open>,
}

struct Open {
    slot: Arc<Slot>,
    first: First,
}

/// Whether there must be a value now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Wanted,
    /// There was, at another time.
    Had,
}

impl Opening<'_> {
    /// What must be opened: secrets that are read of stores, with those that are made of such, and all others.
    fn needed(&self) -> (Vec<String>, Vec<String>) {
        let secrets = &self.document.secrets;
        let usable = secrets.iter().filter(|(_, secret)| secret.is_for(&self.surroundings.who));
        let mut left: Vec<&str> = usable.map(|(name, _)| name.as_str()).collect();
        left.extend(self.document.stores.values().flat_map(policy::StoreSource::secrets));
        let mut needed = BTreeSet::new();
        while let Some(name) = left.pop() {
            if let Some(secret) = secrets.get(name)
                && needed.insert(name)
            {
                left.extend(secret.source.secrets());
            }
        }
        needed.into_iter().map(str::to_owned).partition(|name| self.is_of_a_store(name, secrets.len()))
    }

    /// `depth` ends what goes round in circles, which no document that was read does.
    fn is_of_a_store(&self, name: &str, depth: usize) -> bool {
        let Some(secret) = self.document.secrets.get(name) else { return false };
        matches!(secret.source, SecretSource::Redis(_))
            || depth > 0 && secret.source.secrets().any(|name| self.is_of_a_store(name, depth - 1))
    }

    fn slot(&mut self, name: &str, stores: &OpenStores) -> Result<Arc<Slot>, ConfigError> {
        if let Some(open) = self.open.get(name) {
            return Ok(Arc::clone(&open.slot));
        }
        let document = self.document;
        let secret = document.secrets.get(name).ok_or_else(|| refused(name, "it is not declared"))?;
        let parts: Vec<_> =
            secret.source.secrets().map(|part| self.slot(part, stores)).collect::<Result<_, _>>()?;
        let lines = if self.keys.contains(name) { Lines::Many } else { Lines::One };
        let as_before = |kept: &&Kept| {
            kept.name == name
                && kept.lines == lines
                && kept.source == secret.source
                && self.is_made_of(kept, &parts, stores)
        };
        let before = self.kept.iter().find(as_before).and_then(|kept| kept.slot.upgrade());
        let open = match before {
            Some(slot) => Open { slot, first: First::Had },
            None => {
                Open { slot: self.made(name, &secret.source, lines, &parts, stores)?, first: First::Wanted }
            }
        };
        let slot = Arc::clone(&open.slot);
        self.open.insert(name.to_owned(), open);
        Ok(slot)
    }

    fn is_made_of(&self, kept: &Kept, parts: &[Arc<Slot>], stores: &OpenStores) -> bool {
        let same_parts = kept.made_of.len() == parts.len()
            && kept.made_of.iter().zip(parts).all(|(old, new)| std::ptr::eq(old.as_ptr(), Arc::as_ptr(new)));
        let same_store = match (&kept.source, kept.slot.upgrade().as_deref().map(Slot::origin)) {
            (SecretSource::Redis(redis), Some(Origin::Read { cached, .. })) => match cached.source() {
                Source::Redis(stored) => {
                    store(stores, &redis.store).is_some_and(|new| Arc::ptr_eq(&stored.store, new))
                }
                _ => false,
            },
            // The environment cannot change, and what the workload sees of it cannot either.
            _ => true,
        };
        same_parts
            && same_store
            && (Arc::ptr_eq(&kept.roots, self.surroundings.roots) || !asks_servers(&kept.source))
    }

    fn made(
        &mut self,
        name: &str,
        source: &SecretSource,
        lines: Lines,
        parts: &[Arc<Slot>],
        stores: &OpenStores,
    ) -> Result<Arc<Slot>, ConfigError> {
        let before = self.kept.iter().find(|kept| kept.name == name && kept.source == *source);
        let newest = before.map(|kept| Arc::clone(&kept.newest)).unwrap_or_default();
        let origin = self
            .origin(name, source, lines, parts, stores, &newest)
            .map_err(|reason| refused(name, reason))?;
        let slot = Arc::new(Slot::new(name.into(), lines, origin));
        self.kept.push(Kept {
            name: name.to_owned(),
            source: source.clone(),
            lines,
            made_of: parts.iter().map(Arc::downgrade).collect(),
            roots: Arc::clone(self.surroundings.roots),
            newest,
            slot: Arc::downgrade(&slot),
        });
        Ok(slot)
    }

    /// `parts` are the secrets of the source, in its order.
    fn origin(
        &mut self,
        name: &str,
        source: &SecretSource,
        lines: Lines,
        parts: &[Arc<Slot>],
        stores: &OpenStores,
        newest: &Arc<Newest>,
    ) -> Result<Origin, String> {
        let Surroundings { visible, .. } = self.surroundings;
        let file = |path| Origin::File(SecretFile::new(path, visible.clone()));
        let part =
            || parts.first().cloned().ok_or_else(|| "a secret that it is made of is missing".to_owned());
        let source = match source {
            SecretSource::Env(variable) => return fixed(variable, visible, lines),
            SecretSource::File(path) => return Ok(file(self.rendered(path)?.into())),
            SecretSource::Credential(name) => return Ok(file(credential(&self.rendered(name)?)?)),
            SecretSource::Vault(vault) => return self.vault(name, vault, parts),
            SecretSource::Command(command) => self.command(name, command)?,
            SecretSource::Redis(redis) => Source::Redis(StoredKey {
                store: store(stores, &redis.store).cloned().ok_or("its store is not open")?,
                key: self.rendered(&redis.key)?,
                lasts: seconds(redis.ttl_seconds),
            }),
            SecretSource::OAuth2(oauth) => {
                let mut parts = parts.iter().cloned();
                Source::OAuth2(Box::new(OAuth2 {
                    http: self.http(),
                    client_secret: oauth.client_secret.as_ref().and_then(|_| parts.next()),
                    refresh_token: oauth.refresh_token.as_ref().and_then(|_| parts.next()),
                    source: (**oauth).clone(),
                    newest: Arc::clone(newest),
                }))
            }
            SecretSource::JwtBearer(jwt) => Source::JwtBearer(Box::new(JwtBearer {
                http: self.http(),
                source: (**jwt).clone(),
                key: part()?,
            })),
            SecretSource::GithubApp(app) => Source::GithubApp(Box::new(GithubApp {
                http: self.http(),
                source: (**app).clone(),
                key: part()?,
            })),
        };
        let cached = Arc::new(Cached::new(name.into(), source));
        Ok(Origin::Read { cached, name: ONLY.to_owned() })
    }

    fn command(&self, name: &str, command: &policy::CommandSource) -> Result<Source, String> {
        let arguments = command.arguments.iter().map(|argument| self.rendered(argument));
        let Surroundings { who, visible, .. } = self.surroundings;
        Ok(Source::Command(Command {
            name: name.into(),
            program: command.program.clone(),
            arguments: arguments.collect::<Result<_, _>>()?,
            lasts: seconds(command.ttl_seconds),
            limit: seconds(command.timeout_seconds),
            instance: who.id.into(),
            class: who.class.into(),
            visible: visible.clone(),
        }))
    }

    /// The fields of a path are read together: of credentials that are made for a time, a name and a password belong to each other.
    fn vault(&mut self, name: &str, vault: &VaultSource, parts: &[Arc<Slot>]) -> Result<Origin, String> {
        let field = |cached| Ok(Origin::Read { cached, name: vault.field.clone() });
        let sibling = |kept: &Kept| {
            let SecretSource::Vault(other) = &kept.source else { return None };
            let same = VaultSource { field: vault.field.clone(), ..(**other).clone() } == *vault;
            match kept.slot.upgrade()?.origin() {
                Origin::Read { cached, .. } if same && self.is_made_of(kept, parts, &OpenStores::new()) => {
                    Some(Arc::clone(cached))
                }
                _ => None,
            }
        };
        if let Some(cached) = self.kept.iter().find_map(sibling) {
            return field(cached);
        }
        let part = || parts.first().cloned().ok_or("a secret that it is made of is missing");
        let auth = match &vault.auth {
            VaultAuth::Token(_) => Auth::Token(part()?),
            VaultAuth::AppRole { role_id, .. } => {
                Auth::AppRole { role_id: role_id.clone(), secret_id: part()? }
            }
            VaultAuth::Kubernetes { role, jwt_file } => Auth::Kubernetes {
                role: role.clone(),
                jwt: jwt_file.into(),
                visible: self.surroundings.visible.clone(),
            },
        };
        let vault = Vault {
            http: self.http(),
            address: vault.address.clone(),
            namespace: vault.namespace.clone(),
            path: self.rendered(&vault.path)?,
            auth,
            most: vault.ttl_seconds.map(seconds),
            kept: Mutex::default(),
        };
        field(Arc::new(Cached::new(name.into(), Source::Vault(Box::new(vault)))))
    }

    fn rendered(&self, text: &InstanceText) -> Result<String, String> {
        text.render(&self.surroundings.who).map_err(|error| error.to_string())
    }

    fn http(&mut self) -> Http {
        self.http.get_or_insert_with(|| Http::new(self.surroundings.roots)).clone()
    }

    /// Waits for the first value of all that have had none. Those that are at hand are looked at each time.
    fn first_values(&mut self) -> Result<(), ConfigError> {
        let mut waiting = Vec::new();
        for (name, open) in &mut self.open {
            let first = mem::replace(&mut open.first, First::Had);
            let is_at_hand = !matches!(open.slot.origin(), Origin::Read { .. });
            match open.slot.at_once() {
                Some(Err(error)) if is_at_hand || first == First::Wanted => return Err(error.into()),
                None if first == First::Wanted => waiting.push((name, begin(&open.slot)?)),
                Some(_) | None => {}
            }
        }
        waiting.into_iter().try_for_each(|(name, end)| end_of(name, &end).map(|_| ()))
    }

    /// The values that stores are opened with.
    fn values_for_stores(&self) -> Result<BTreeMap<String, Arc<Secret>>, ConfigError> {
        let mut values = BTreeMap::new();
        for (store, source) in &self.document.stores {
            for name in source.secrets() {
                let Some(open) = self.open.get(name) else {
                    let reason = format!("its secret `{name}` is itself read of a store");
                    return Err(ConfigError::Store { name: store.clone(), reason });
                };
                let value = match open.slot.at_once() {
                    Some(value) => value,
                    None => Ok(end_of(name, &begin(&open.slot)?)?),
                };
                values.insert(name.to_owned(), value?);
            }
        }
        Ok(values)
    }
}

/// Where the end of a first reading is told.
type End = mpsc::Receiver<Result<Arc<Secret>, Unavailable>>;

/// Begins a first reading, and gives where its end is told.
fn begin(slot: &Arc<Slot>) -> Result<End, ConfigError> {
    let runtime = RUNTIME.as_ref().map_err(|error| refused(slot.name(), error.to_string()))?.handle();
    let (sender, receiver) = mpsc::channel();
    let slot = Arc::clone(slot);
    let on = runtime.clone();
    runtime.spawn(async move {
        let value = slot.fetch(&on).await;
        // Whoever hears of the end may be the last who has it.
        drop(slot);
        let _ = sender.send(value);
    });
    Ok(receiver)
}

/// Waits for it.
fn end_of(name: &str, end: &End) -> Result<Arc<Secret>, ConfigError> {
    Ok(end.recv().map_err(|_| refused(name, "the reading broke off"))??)
}

fn fixed(variable: &str, visible: &Visible, lines: Lines) -> Result<Origin, String> {
    if !visible.hides_variable(variable) {
        return Err(format!(
            "the variable {variable} was in the workload's environment when it started; use a variable that was not, \
             or start the workload with this policy"
        ));
    }
    let text = std::env::var(variable)
        .map_err(|_| format!("the environment variable {variable} is not set, or not text"))?;
    Ok(Origin::Fixed(good(text)?.within(lines)?))
}

fn store<'a>(stores: &'a OpenStores, name: &str) -> Option<&'a Arc<dyn KeyValue>> {
    match stores.get(name) {
        Some(OpenStore::KeyValue(store)) => Some(store),
        _ => None,
    }
}

/// Over connections that are verified.
fn asks_servers(source: &SecretSource) -> bool {
    matches!(
        source,
        SecretSource::Vault(_)
            | SecretSource::OAuth2(_)
            | SecretSource::JwtBearer(_)
            | SecretSource::GithubApp(_)
    )
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn refused(name: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Secret { name: name.to_owned(), reason: reason.into() }
}

impl From<Unavailable> for ConfigError {
    fn from(error: Unavailable) -> Self {
        refused(&error.name, &*error.reason)
    }
}
