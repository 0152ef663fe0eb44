//! What a secret can be read of that takes time: a program, a store, a server. Each is one file; here is what they have in common, one
//! reading with a deadline.

use std::time::Duration;

use handlers::KeyValue;

use super::{
    command::Command,
    github::GithubApp,
    jwt::JwtBearer,
    oauth::OAuth2,
    value::{MAX_BYTES, Reading},
    vault::Vault,
};

/// For one reading of a server, all requests of it together.
const DEADLINE: Duration = Duration::from_secs(10);

/// One of them.
pub(super) enum Source {
    Command(Command),
    Redis(StoredKey),
    Vault(Box<Vault>),
    OAuth2(Box<OAuth2>),
    JwtBearer(Box<JwtBearer>),
    GithubApp(Box<GithubApp>),
    /// Whatever a test wants.
    #[cfg(test)]
    Scripted(super::cached::tests::Script),
}

impl Source {
    /// The values that are there now. Why there are none is said without any of them.
    pub(super) async fn read(&self) -> Result<Reading, String> {
        match self {
            Self::Command(command) => command.read().await,
            Self::Redis(stored) => stored.read().await,
            Self::Vault(vault) => vault.read().await,
            Self::OAuth2(oauth) => oauth.read().await,
            Self::JwtBearer(jwt) => jwt.read().await,
            Self::GithubApp(app) => app.read().await,
            #[cfg(test)]
            Self::Scripted(script) => script.read().await,
        }
    }

    /// How long that may take.
    pub(super) fn deadline(&self) -> Duration {
        match self {
            // It keeps its own time, so that nothing of it is left.
            Self::Command(command) => command.limit() + DEADLINE,
            _ => DEADLINE,
        }
    }
}

/// A key of a store.
pub(super) struct StoredKey {
    pub(super) store: std::sync::Arc<dyn KeyValue>,
    pub(super) key: String,
    pub(super) lasts: Duration,
}

impl StoredKey {
    async fn read(&self) -> Result<Reading, String> {
        let values = self.store.get(vec![self.key.clone()]).await.map_err(|error| error.to_string())?;
        let value = values.into_iter().next().flatten().ok_or("the store has no such key")?;
        if value.len() > MAX_BYTES {
            return Err("its value has more than 64 KiB".to_owned());
        }
        let text = str::from_utf8(&value).map_err(|_| "its value is not UTF-8")?;
        Ok(Reading::of(text.to_owned(), self.lasts))
    }
}
