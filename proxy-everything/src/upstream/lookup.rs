//! The proxy's own resolver. Receives a name that may be looked up, hands on what DNS says of it, within the deadline.
//! Asks the servers of the policy, or else those of the system's `/etc/resolv.conf`, and never any other; `/etc/hosts`
//! comes first. Names are complete as they are: no search domain is ever added.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::{Query, ResponseCode},
        rr::{Name, Record, RecordType},
    },
    system_conf::parse_resolv_conf,
};
use tokio::time::timeout;

/// Files that say how the system resolves names.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Answers that are kept; one has 64 KiB at most, and most have 100 octets.
const CACHED: u64 = 1024;
/// How long an answer may be kept at least and at most: what says zero would make each question a message to the servers
/// of its domain, and nothing is worth more than a day.
const TTL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(24 * 60 * 60)];
/// How long a client may keep what stands in `/etc/hosts`, seconds.
const HOSTS_TTL: u32 = 5;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist.
    #[error("it does not exist")]
    NoName,
    /// It exists, but has no record of the type.
    #[error("it has no such record")]
    NoRecord,
    /// The servers did not answer in time.
    #[error("the resolver did not answer in time")]
    Timeout,
    /// The servers could not be reached, or could not answer.
    #[error("the resolver could not answer")]
    Failed,
    /// There is nobody to ask.
    #[error("the proxy has no resolver: /etc/resolv.conf names none, and the policy has no dns.servers")]
    NoServer,
}

/// Looks names up. Made anew by itself when the system's files change.
pub(super) struct Lookups {
    servers: Vec<SocketAddr>,
    deadline: Duration,
    made: Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    resolver: TokioResolver,
    hosts: std::sync::Arc<Hosts>,
    files: [Option<SystemTime>; 2],
}

impl Lookups {
    /// With `servers`, or those of the system if there are none. Opens nothing yet.
    pub(super) fn new(servers: &[SocketAddr], deadline: Duration) -> Self {
        Self { servers: servers.to_vec(), deadline, made: Mutex::default() }
    }

    /// The records of `kind`, with the names that led to them if it is an alias; at least one.
    pub(super) async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, LookupError> {
        self.look_up(&self.made()?, complete(name)?, kind).await
    }

    async fn look_up(&self, made: &Made, name: Name, kind: RecordType) -> Result<Vec<Record>, LookupError> {
        if let Some(found) = from_hosts(&made.hosts, &name, kind) {
            return found;
        }
        match timeout(self.deadline, made.resolver.lookup(name, kind)).await {
            Err(_) => Err(LookupError::Timeout),
            Ok(Ok(found)) => Ok(found.answers().to_vec()),
            Ok(Err(error)) => Err(explain(&error)),
        }
    }

    /// Every address; IPv4 first, because a machine without IPv6 is more common than one without IPv4.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let (made, name) = (self.made()?, complete(name)?);
        let of = |kind| self.look_up(&made, name.clone(), kind);
        let (v4, v6) = tokio::join!(of(RecordType::A), of(RecordType::AAAA));
        let both = match (v4, v6) {
            (Ok(v4), Ok(v6)) => [v4, v6].concat(),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => one,
            (Err(LookupError::NoName | LookupError::NoRecord), Err(error)) | (Err(error), Err(_)) => {
                return Err(error);
            }
        };
        Ok(both.iter().filter_map(|record| record.data.ip_addr()).collect())
    }

    fn made(&self) -> Result<Made, LookupError> {
        let files = FILES.map(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.files == files) {
            return Ok(made.clone());
        }
        let servers = match self.servers.as_slice() {
            [] => system_servers(&fs::read_to_string(FILES[0]).unwrap_or_default()),
            servers => servers.iter().map(server).collect(),
        };
        let resolver = resolver(servers, self.deadline).map_err(|error| explain(&error))?;
        let hosts = Hosts::from_system().unwrap_or_default().into();
        Ok(made.insert(Made { resolver, hosts, files }).clone())
    }
}

/// The name as it is: nothing is ever added to it.
fn complete(name: &str) -> Result<Name, LookupError> {
    let mut name = Name::from_ascii(name).map_err(|_| LookupError::NoName)?;
    name.set_fqdn(true);
    Ok(name)
}

/// Without servers it still knows `localhost`, and whatever else needs none.
fn resolver(servers: Vec<NameServerConfig>, deadline: Duration) -> Result<TokioResolver, NetError> {
    if servers.is_empty() {
        tracing::warn!("names cannot be looked up: {}", LookupError::NoServer);
    }
    let mut options = ResolverOpts::default();
    // Twice within the deadline, which is ours.
    (options.timeout, options.attempts) = (deadline / 2, 1);
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHED;
    [options.positive_min_ttl, options.positive_max_ttl] = TTL.map(Some);
    [options.negative_min_ttl, options.negative_max_ttl] = TTL.map(Some);
    let config = ResolverConfig::from_name_servers(servers);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_options(options).build()
}

/// Of all that `/etc/resolv.conf` says only the servers matter; a search list that cannot be read is no reason to have none.
fn system_servers(text: &str) -> Vec<NameServerConfig> {
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("nameserver")).collect();
    parse_resolv_conf(lines.join("\n")).map_or_else(|_| Vec::new(), |(config, _)| config.name_servers)
}

/// Whether each of the system's servers, and there is one, is a loopback address: it can only be asked in the network where
/// it listens.
pub fn system_servers_are_local() -> bool {
    are_local(&fs::read_to_string(FILES[0]).unwrap_or_default())
}

fn are_local(text: &str) -> bool {
    let servers = system_servers(text);
    !servers.is_empty() && servers.iter().all(|server| server.ip.is_loopback())
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port);
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// A name that stands in the file for one family has no addresses of the other: no server is asked for what the operator
/// wrote down.
fn from_hosts(hosts: &Hosts, name: &Name, kind: RecordType) -> Option<Result<Vec<Record>, LookupError>> {
    let of = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let addresses = [RecordType::A, RecordType::AAAA].map(|kind| (kind, of(kind)));
    if addresses.iter().all(|(_, found)| found.is_none()) {
        return None;
    }
    let found = addresses.into_iter().find(|(family, _)| *family == kind).and_then(|(_, found)| found);
    let mut records = found.map_or_else(Vec::new, |found| found.answers().to_vec());
    records.iter_mut().for_each(|record| record.ttl = HOSTS_TTL);
    Some(if records.is_empty() { Err(LookupError::NoRecord) } else { Ok(records) })
}

fn explain(error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => match response_code {
            ResponseCode::NXDomain => LookupError::NoName,
            ResponseCode::NoError => LookupError::NoRecord,
            _ => LookupError::Failed,
        },
        NetError::Timeout => LookupError::Timeout,
        NetError::NoConnections => LookupError::NoServer,
        error => {
            tracing::debug!(%error, "a name could not be looked up");
            LookupError::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_loopback_and_no_server_is_asked() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let lookups = Lookups::new(&[silent.local_addr().unwrap()], Duration::from_secs(60));
        for name in ["localhost", "some.localhost"] {
            let found = lookups.addresses(name).await.unwrap();
            assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{name}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_a_timeout() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let lookups = Lookups::new(&[silent.local_addr().unwrap()], Duration::from_millis(200));
        assert_eq!(lookups.addresses("a.test").await, Err(LookupError::Timeout));
    }

    #[tokio::test]
    async fn without_a_server_nobody_is_asked() {
        for (text, count) in [
            ("", 0),
            ("# nameserver 192.0.2.53\nnameserver nonsense\n", 0),
            ("search a..b \\\\\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:5\n", 2),
        ] {
            assert_eq!(system_servers(text).len(), count, "{text}");
        }
        let resolver = resolver(Vec::new(), Duration::from_secs(60)).unwrap();
        let error = resolver.lookup("a.test.", RecordType::A).await.unwrap_err();
        assert_eq!(explain(&error), LookupError::NoServer);
        assert!(resolver.lookup("localhost.", RecordType::A).await.is_ok());
    }

    #[test]
    fn a_local_server() {
        for (text, expected) in [
            ("", false),
            ("nameserver 192.0.2.53\n", false),
            ("nameserver 127.0.0.11\noptions ndots:0\n", true),
            ("nameserver ::1\nnameserver 127.0.0.53\n", true),
            ("nameserver 127.0.0.53\nnameserver 192.0.2.53\n", false),
        ] {
            assert_eq!(are_local(text), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_in_the_hosts_file_is_all_there_is() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"192.0.2.1 a.test\n"[..]).unwrap();
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let found = from_hosts(&hosts, &name("a.test."), RecordType::A).unwrap().unwrap();
        assert_eq!((found.len(), found[0].ttl), (1, HOSTS_TTL));
        for kind in [RecordType::AAAA, RecordType::HTTPS] {
            assert_eq!(from_hosts(&hosts, &name("a.test."), kind), Some(Err(LookupError::NoRecord)));
        }
        assert_eq!(from_hosts(&hosts, &name("b.test."), RecordType::A), None);
    }
}
