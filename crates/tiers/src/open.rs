use cache_core::cache::{Backend, StorageOptions};
use cache_core::error::ConfigError;
use cache_core::storage::StorageError;

/// Why a URL could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not valid, or names something that this build leaves out.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The storage could not be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Opens what a URL names, to be registered with a cache.
///
/// | URL | what it opens |
/// |---|---|
/// | `memory://tinylfu?max_entries=10000`, `memory://lru?max_bytes=1000000` | objects in this process |
/// | `local://tlfu`, `local://lru` | the same, as Cacheme writes it |
/// | `sqlite://cache.db?table=cache&pool_size=10`, `sqlite:///cache.db` | a file beside the program |
/// | `sqlite:////var/cache/tiers.db` | a file by its absolute path |
/// | `file:///var/cache/audio?max_bytes=64GiB`, `file://./audio` | a folder of files, for large values |
/// | `redis://localhost:6379/0?key_prefix=shop` | a Redis or Valkey server; `rediss://` by TLS |
/// | `redis-cluster://a:7000,b:7001`, `redis-sentinel://a,b?master=m` | a cluster, or the master of a group |
/// | `postgres://user:password@host/database?table=cache` | a table on a PostgreSQL server |
/// | `mongodb://localhost/shop?collection=cache`, `mongodb+srv://..` | a collection of MongoDB |
/// | `mysql://user:password@host/database?table=cache`, `mariadb://..` | a table on a MySQL or MariaDB server |
///
/// The options of each are documented with its crate. Beside them, every one but memory takes those
/// of [`StorageOptions`]: how long its calls may take, and when it is left alone.
///
/// # Errors
/// [`OpenError::Config`] for a URL that is not valid or a storage that this build leaves out (with
/// the feature that brings it), [`OpenError::Storage`] if opening failed. Neither shows a password.
pub async fn open(url: &str) -> Result<Backend, OpenError> {
    let Some((scheme, _)) = url.split_once(':') else {
        return Err(not_a_url(url, "it has no scheme, such as `sqlite://`").into());
    };
    match scheme {
        #[cfg(feature = "memory")]
        "memory" | "local" => Ok(cache_memory::Memory::open(url)?.into()),
        #[cfg(not(feature = "memory"))]
        "memory" | "local" => Err(missing(scheme, "memory").into()),
        _ => {
            let (options, url) = StorageOptions::take_from_url(url)?;
            let backend = open_storage(scheme, &url).await?;
            Ok(match (backend, options) {
                (Backend::Storage(storage), Some(options)) => Backend::Guarded(storage, options),
                (backend, _) => backend,
            })
        }
    }
}

async fn open_storage(scheme: &str, url: &str) -> Result<Backend, OpenError> {
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(cache_sqlite::SqliteOptions::from_url(url)?.open().await?.into()),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(missing(scheme, "sqlite").into()),
        #[cfg(feature = "redis")]
        _ if is_redis(scheme) => {
            Ok(cache_redis::RedisOptions::from_url(url)?.open().await?.into_storage().into())
        }
        #[cfg(not(feature = "redis"))]
        _ if is_redis(scheme) => Err(missing(scheme, "redis").into()),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            Ok(cache_postgres::PostgresOptions::from_url(url)?.open().await?.into())
        }
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(missing(scheme, "postgres").into()),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(cache_mysql::MySqlOptions::from_url(url)?.open().await?.into()),
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(missing(scheme, "mysql").into()),
        #[cfg(feature = "mongodb")]
        "mongodb" | "mongodb+srv" => {
            Ok(cache_mongodb::MongoDbOptions::from_url(url)?.open().await?.into_storage().into())
        }
        #[cfg(not(feature = "mongodb"))]
        "mongodb" | "mongodb+srv" => Err(missing(scheme, "mongodb").into()),
        #[cfg(feature = "filesystem")]
        "file" => {
            let storage = cache_filesystem::FilesystemOptions::from_url(url)?.open().await?;
            Ok(storage.into_storage().into())
        }
        #[cfg(not(feature = "filesystem"))]
        "file" => Err(missing(scheme, "filesystem").into()),
        _ => Err(not_a_url(url, "its scheme is none that is known").into()),
    }
}

/// `redis`, `rediss`, `valkey`, `valkeys`, and each with `-cluster` or `-sentinel`.
fn is_redis(scheme: &str) -> bool {
    let server = scheme.strip_suffix("-cluster").or_else(|| scheme.strip_suffix("-sentinel"));
    matches!(server.unwrap_or(scheme), "redis" | "rediss" | "valkey" | "valkeys")
}

#[cfg(not(all(
    feature = "memory",
    feature = "sqlite",
    feature = "filesystem",
    feature = "redis",
    feature = "postgres",
    feature = "mysql",
    feature = "mongodb"
)))]
fn missing(scheme: &str, feature: &'static str) -> ConfigError {
    ConfigError::FeatureMissing { what: format!("`{scheme}://`"), feature }
}

/// Everything behind the scheme may hold a password, and is left out.
fn not_a_url(url: &str, problem: &str) -> ConfigError {
    let shown = match url.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://.."),
        None => "..".to_owned(),
    };
    ConfigError::Url { url: shown, problem: problem.to_owned() }
}
