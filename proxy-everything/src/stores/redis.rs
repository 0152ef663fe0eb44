//! A key-value store on a Redis server, shared by all who know the server.
//!
//! One connection carries the calls of all, and is opened by the first. A call that finds it broken fails, and the next one opens
//! another: what was sent may have been done, so that nothing is sent twice.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use handlers::{KeyPage, KeyValue, Secret, StoreError, Storing};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    ServerErrorKind, aio::MultiplexedConnection, cmd,
};
use tokio::sync::Mutex;

use super::{in_time, keys, refused, unavailable};

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
const RESPONSE_DEADLINE: Duration = Duration::from_secs(2);
/// For opening a connection, the response, and those in front.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many keys the server looks at for one page, in one step.
const SCAN_COUNT: usize = keys::MAX_PAGE;
/// How many steps are made for one page, while they find nothing.
const SCAN_STEPS: usize = 16;

/// Where the server is, and how it is spoken to.
#[derive(Debug)]
pub struct RedisServer {
    /// `redis://host:port/database`, without name and password.
    pub url: String,
    /// The name to log in with; none is the server's default user.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Arc<Secret>>,
    /// What all keys begin with there. Handlers do not see it.
    pub prefix: String,
}

/// The store.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    config: AsyncConnectionConfig,
    connection: Mutex<Connection>,
    prefix: String,
}

/// The connection, and how many there were before it.
#[derive(Default)]
struct Connection {
    open: Option<MultiplexedConnection>,
    before: u64,
}

impl Redis {
    /// Looks at the address, and connects to nothing yet.
    pub fn new(server: RedisServer) -> Result<Self, StoreError> {
        let RedisServer { url, username, password, prefix } = server;
        if !url.starts_with("redis://") {
            return Err(refused("the URL does not begin with redis://"));
        }
        let authority = url.trim_start_matches("redis://").split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(refused("the URL has a name or a password; they have keys of their own"));
        }
        // The error might show it.
        let info =
            url.as_str().into_connection_info().map_err(|_| refused("the URL cannot be understood"))?;
        let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = password {
            settings = settings.set_password(password.expose());
        }
        let client = Client::open(info.set_redis_settings(settings)).map_err(failed)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(RESPONSE_DEADLINE));
        keys::check_key(&format!("{prefix}a"))?;
        Ok(Self(Arc::new(Inner { client, config, connection: Mutex::default(), prefix })))
    }

    /// Runs `work` within the deadline.
    fn run<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Storing<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Box::pin(in_time(DEADLINE, work(Arc::clone(&self.0))))
    }
}

impl KeyValue for Redis {
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>> {
        self.run(|server| async move {
            keys::check_keys(&keys)?;
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let values: Vec<Option<Bytes>> = server.ask(cmd("MGET").arg(server.keys(&keys))).await?;
            keys::collect(values.into_iter().map(Ok::<_, StoreError>))
        })
    }

    fn set(&self, entries: Vec<(String, Bytes)>) -> Storing<()> {
        self.run(|server| async move {
            keys::check_entries(&entries)?;
            if entries.is_empty() {
                return Ok(());
            }
            let mut command = cmd("MSET");
            for (key, value) in &entries {
                command.arg(server.key(key)).arg(value.as_ref());
            }
            server.ask(&command).await
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.run(|server| async move {
            keys::check_keys(&keys)?;
            if keys.is_empty() {
                return Ok(());
            }
            let _: u64 = server.ask(cmd("DEL").arg(server.keys(&keys))).await?;
            Ok(())
        })
    }

    fn list(&self, prefix: String, after: Option<u64>) -> Storing<KeyPage> {
        self.run(|server| async move {
            keys::check_prefix(&prefix)?;
            server.scan(&prefix, after).await
        })
    }

    fn increment(&self, key: String, by: u64) -> Storing<u64> {
        self.run(|server| async move {
            keys::check_key(&key)?;
            let by = keys::check_step(by)?;
            let sum: i64 = server.ask(cmd("INCRBY").arg(server.key(&key)).arg(by)).await?;
            u64::try_from(sum).map_err(|_| refused("the number is negative"))
        })
    }
}

impl Inner {
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn keys(&self, keys: &[String]) -> Vec<String> {
        keys.iter().map(|key| self.key(key)).collect()
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let (mut connection, number) = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        if let Err(error) = &answer
            && (error.is_unrecoverable_error() || error.is_timeout())
        {
            let mut current = self.connection.lock().await;
            if current.before == number {
                current.open = None;
            }
        }
        answer.map_err(failed)
    }

    /// The connection and its number.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let mut current = self.connection.lock().await;
        if let Some(open) = &current.open {
            return Ok((open.clone(), current.before));
        }
        let made =
            self.client.get_multiplexed_async_connection_with_config(&self.config).await.map_err(failed)?;
        *current = Connection { open: Some(made.clone()), before: current.before + 1 };
        Ok((made, current.before))
    }

    async fn scan(&self, prefix: &str, after: Option<u64>) -> Result<KeyPage, StoreError> {
        let pattern = format!("{}*", literal(&self.key(prefix)));
        let mut cursor = after.unwrap_or(0);
        let mut keys = Vec::new();
        for _ in 0..SCAN_STEPS {
            let mut command = cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            // A key that is not text was not set by a handler.
            let (next, found): (u64, Vec<Bytes>) = self.ask(&command).await?;
            cursor = next;
            let texts = found.iter().filter_map(|key| str::from_utf8(key).ok()?.strip_prefix(&self.prefix));
            keys.extend(texts.map(str::to_owned));
            if cursor == 0 || !keys.is_empty() {
                break;
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(KeyPage { keys, cursor: (cursor != 0).then_some(cursor) })
    }
}

/// A pattern that matches `text` itself.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if "*?[]^-\\".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// Servers do not repeat passwords, but what they say about one is not needed either.
fn failed(error: RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => unavailable("the server refused name or password"),
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if error.detail().is_some_and(|text| text.contains("overflow")) =>
        {
            keys::overflow()
        }
        ErrorKind::Server(ServerErrorKind::ResponseError) | ErrorKind::Extension
            if is_about_the_value(&error) =>
        {
            refused("the value is no number")
        }
        _ => unavailable(error),
    }
}

fn is_about_the_value(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE") || error.detail().is_some_and(|text| text.contains("not an integer"))
}
