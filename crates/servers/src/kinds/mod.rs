//! The servers.

mod mariadb;
mod mongodb;
mod postgres;
mod redis;
mod redis_cluster;
mod redis_sentinel;
mod redis_tls;

pub use mariadb::MariaDb;
pub use mongodb::MongoDb;
pub use postgres::Postgres;
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;
pub use redis_tls::RedisTls;

use crate::process::Life;
use crate::server::Server;
use crate::tools::Tool;

/// A server by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One Redis.
    Redis,
    /// Three masters with a replica each.
    RedisCluster,
    /// A master, a replica and three sentinels.
    RedisSentinel,
    /// One Redis over TLS, with a password.
    RedisTls,
    /// PostgreSQL.
    Postgres,
    /// MariaDB, which speaks MySQL's protocol.
    MySql,
    /// A server that speaks MongoDB's protocol.
    MongoDb,
}

/// A server of any kind, as it runs.
#[derive(Debug)]
pub struct Running {
    kind: Kind,
    url: String,
    started: Started,
}

/// Held for its end.
#[derive(Debug)]
enum Started {
    Redis(Redis),
    RedisCluster(RedisCluster),
    RedisSentinel(RedisSentinel),
    RedisTls(RedisTls),
    Postgres(Postgres),
    MySql(MariaDb),
    MongoDb(MongoDb),
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Redis,
        Self::RedisCluster,
        Self::RedisSentinel,
        Self::RedisTls,
        Self::Postgres,
        Self::MySql,
        Self::MongoDb,
    ];

    /// Its name for people: `redis-cluster`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::RedisSentinel => "redis-sentinel",
            Self::RedisTls => "redis-tls",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::MongoDb => "mongodb",
        }
    }

    /// The environment variable that tells tests where it is.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Redis => "TIERS_TEST_REDIS_URL",
            Self::RedisCluster => "TIERS_TEST_REDIS_CLUSTER_URL",
            Self::RedisSentinel => "TIERS_TEST_REDIS_SENTINEL_URL",
            Self::RedisTls => "TIERS_TEST_REDIS_TLS_URL",
            Self::Postgres => "TIERS_TEST_POSTGRES_URL",
            Self::MySql => "TIERS_TEST_MYSQL_URL",
            Self::MongoDb => "TIERS_TEST_MONGODB_URL",
        }
    }

    /// Whether starting it takes this tool.
    pub fn needs(self, tool: &Tool) -> bool {
        let packages: &[&str] = match self {
            Self::Redis | Self::RedisCluster | Self::RedisSentinel => &["redis-server"],
            Self::RedisTls => &["redis-server", "openssl"],
            Self::Postgres => &["postgresql-15"],
            Self::MySql => &["mariadb-server"],
            Self::MongoDb => &["python3-venv"],
        };
        tool.packages.iter().any(|package| packages.contains(package))
    }

    /// Starts it.
    ///
    /// # Errors
    /// If a program is missing, or the server does not start; with its log's end.
    pub fn start(self, life: Life) -> anyhow::Result<Running> {
        let started = match self {
            Self::Redis => Started::Redis(Redis::start_for(life)?),
            Self::RedisCluster => Started::RedisCluster(RedisCluster::start_for(life)?),
            Self::RedisSentinel => Started::RedisSentinel(RedisSentinel::start_for(life)?),
            Self::RedisTls => Started::RedisTls(RedisTls::start_for(life)?),
            Self::Postgres => Started::Postgres(Postgres::start_for(life)?),
            Self::MySql => Started::MySql(MariaDb::start_for(life)?),
            Self::MongoDb => Started::MongoDb(MongoDb::start_for(life)?),
        };
        Ok(Running { kind: self, url: started.url(), started })
    }
}

impl Started {
    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::RedisCluster(server) => server.url(),
            Self::RedisSentinel(server) => server.url(),
            Self::RedisTls(server) => server.url(),
            Self::Postgres(server) => server.url(),
            Self::MySql(server) => server.url(),
            Self::MongoDb(server) => server.url(),
        }
    }
}

impl Running {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its URL, as the storages of Tiers take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its processes.
    pub fn servers(&self) -> Vec<&Server> {
        match &self.started {
            Started::Redis(one) => vec![one],
            Started::RedisTls(one) => vec![one],
            Started::Postgres(one) => vec![one],
            Started::MySql(one) => vec![one],
            Started::MongoDb(one) => vec![one],
            Started::RedisCluster(cluster) => cluster.nodes().iter().map(|node| &**node).collect(),
            Started::RedisSentinel(set) => {
                let data = set.data().iter().map(|node| &**node);
                data.chain(set.sentinels()).collect()
            }
        }
    }
}
