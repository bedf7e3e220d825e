//! Private servers for tests: each listens on free loopback ports, keeps its data in a temporary
//! folder, and ends with the value that stands for it, or with the process if that is killed.
//!
//! | module | what is in it |
//! |---|---|
//! | [`Redis`], [`RedisTls`], [`RedisCluster`], [`RedisSentinel`], [`Postgres`], [`MariaDb`], [`MongoDb`] | the servers |
//! | [`Server`] | what all of them can do: kill, restart, pause, resume |
//! | [`Proxy`] | a TCP proxy that cuts, stalls and refuses, between a client and any server |
//! | [`Kind`] | the servers by name, for programs that start them all |
//! | [`tools`] | the programs that must be installed, and the Debian packages that bring them |
//!
//! Nothing here is asynchronous: starting takes from 50 ms (Redis) to 10 s (MariaDB's folder).
//! From asynchronous code, call it on a thread that may block.
//!
//! ```no_run
//! let redis = tiers_servers::Redis::start()?;
//! println!("{}", redis.url());
//! redis.kill()?; // as if the machine had died
//! redis.restart()?; // on the same port, with the same folder
//! # Ok::<(), anyhow::Error>(())
//! ```

mod certificates;
mod kinds;
mod port;
mod process;
mod proxy;
mod run;
mod server;
pub mod tools;
mod watchdog;
mod wire;

pub use kinds::{
    Kind, MariaDb, MongoDb, Postgres, Redis, RedisCluster, RedisSentinel, RedisTls, Running,
};
pub use process::Life;
pub use proxy::Proxy;
pub use server::Server;
