//! What a connection is, and how one is made.

use std::time::Duration;

use cache_core::config::Secret;
use cache_core::storage::StorageError;
use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};

use super::tls;
use crate::config::{Host, RedisOptions, Servers};
use crate::error::failure;

/// A command, and the slot of the keys that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) slot: Slot,
    pub(crate) command: Cmd,
}

/// An open connection: any number of calls share it, and clones are the same connection.
#[derive(Clone)]
pub(crate) enum Channel {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

/// Makes connections.
pub(crate) struct Connector {
    target: Target,
    timeout: Duration,
}

enum Target {
    Server(Client),
    Sentinel(Group),
    Cluster(Box<ClusterClient>),
}

/// The master of a group, to be asked for at each connection.
struct Group {
    sentinels: Vec<ConnectionAddr>,
    master: String,
    sentinel_username: Option<String>,
    sentinel_password: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    database: u16,
    certificates: Option<TlsCertificates>,
}

impl Channel {
    /// Sends commands at once; the answers stand in their order.
    ///
    /// # Errors
    /// If nothing is known about any of them.
    pub(crate) async fn send(&self, commands: &[Routed]) -> RedisResult<Vec<RedisResult<Value>>> {
        match (self, commands) {
            (_, [one]) => Ok(vec![self.send_one(one).await]),
            (Self::Server(connection), commands) => {
                let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                for routed in commands {
                    pipeline.add_command(routed.command.clone());
                }
                let answers =
                    connection.clone().req_packed_commands(&pipeline, 0, commands.len()).await?;
                Ok(answers.into_iter().map(Value::extract_error).collect())
            }
            (Self::Cluster(connection), commands) => {
                // Those to one node go out together: its connection is shared by all.
                let answers = commands.iter().map(|routed| send_routed(connection, routed));
                Ok(join_all(answers).await)
            }
        }
    }

    /// Sends one command.
    pub(crate) async fn send_one(&self, routed: &Routed) -> RedisResult<Value> {
        match self {
            Self::Server(connection) => {
                let answer = connection.clone().req_packed_command(&routed.command).await;
                answer.and_then(Value::extract_error)
            }
            Self::Cluster(connection) => send_routed(connection, routed).await,
        }
    }
}

async fn send_routed(connection: &ClusterConnection, routed: &Routed) -> RedisResult<Value> {
    let route = Route::with_slot(routed.slot, SlotAddr::Master);
    let node = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
    let answer = connection.clone().route_command(routed.command.clone(), node).await;
    answer.and_then(Value::extract_error)
}

impl Connector {
    /// # Errors
    /// [`StorageError`] if the options do not fit together, or a file cannot be read.
    pub(crate) fn new(options: &RedisOptions) -> Result<Self, StorageError> {
        let invalid = |source| failure("open", source);
        let certificates = match &options.tls {
            Some(files) => {
                tls::install_provider();
                Some(tls::certificates(files)?)
            }
            None => None,
        };
        let address = |host: &Host| address(host, certificates.is_some());
        let target = match &options.servers {
            Servers::One(host) => {
                let mut info = info(address(host)).map_err(invalid)?;
                info = info.set_redis_settings(settings(options, ProtocolVersion::RESP2));
                Target::Server(
                    match certificates {
                        Some(certificates) => Client::build_with_tls(info, certificates),
                        None => Client::open(info),
                    }
                    .map_err(invalid)?,
                )
            }
            Servers::Cluster(hosts) => {
                let nodes = hosts.iter().map(|host| info(address(host)));
                let nodes = nodes.collect::<RedisResult<Vec<_>>>().map_err(invalid)?;
                let client = cluster(options, nodes, certificates.as_ref());
                Target::Cluster(Box::new(client.map_err(invalid)?))
            }
            Servers::Sentinel { sentinels, master, username, password } => {
                Target::Sentinel(Group {
                    sentinels: sentinels.iter().map(address).collect(),
                    master: master.clone(),
                    sentinel_username: username.clone(),
                    sentinel_password: password.clone(),
                    username: options.username.clone(),
                    password: options.password.clone(),
                    database: options.database,
                    certificates,
                })
            }
        };
        Ok(Self { target, timeout: options.timeout })
    }

    /// Whether the keys lie on several nodes.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster(_))
    }

    pub(crate) async fn connect(&self) -> RedisResult<Channel> {
        // Each call has its own limit, retries included: a second timer would only cost.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        match &self.target {
            Target::Server(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                connection.await.map(Channel::Server)
            }
            Target::Sentinel(group) => {
                let mut client = group.builder()?.build()?;
                let connection = client.get_async_connection_with_config(&config).await;
                connection.map(Channel::Server)
            }
            Target::Cluster(client) => client.get_async_connection().await.map(Channel::Cluster),
        }
    }
}

impl Group {
    fn builder(&self) -> RedisResult<SentinelClientBuilder> {
        // They are asked in order: one that is silent must not be the first each time.
        let mut sentinels = self.sentinels.clone();
        fastrand::shuffle(&mut sentinels);
        let mut builder =
            SentinelClientBuilder::new(sentinels, &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(self.database.into());
        if let Some(username) = &self.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password.reveal());
        }
        if let Some(username) = &self.sentinel_username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.reveal());
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        Ok(builder)
    }
}

fn cluster(
    options: &RedisOptions,
    nodes: Vec<ConnectionInfo>,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<ClusterClient> {
    // With RESP3 a connection that is lost is noticed at once, not by the next call.
    let mut builder = ClusterClientBuilder::new(nodes)
        .use_protocol(ProtocolVersion::RESP3)
        .retries(4)
        .min_retry_wait(10)
        .max_retry_wait(400)
        .connection_timeout(options.timeout)
        .response_timeout(options.timeout);
    if let Some(username) = &options.username {
        builder = builder.username(username);
    }
    if let Some(password) = &options.password {
        builder = builder.password(password.reveal());
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates.clone());
    }
    builder.build()
}

fn address(host: &Host, tls: bool) -> ConnectionAddr {
    let Host { name: host, port } = host.clone();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn info(address: ConnectionAddr) -> RedisResult<ConnectionInfo> {
    let info = address.into_connection_info()?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

fn settings(options: &RedisOptions, protocol: ProtocolVersion) -> RedisConnectionInfo {
    let mut settings =
        RedisConnectionInfo::default().set_db(options.database.into()).set_protocol(protocol);
    if let Some(username) = &options.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password.reveal());
    }
    settings
}
