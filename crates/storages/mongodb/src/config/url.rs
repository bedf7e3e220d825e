//! Options by URL. What is not ours is the driver's.

use cache_core::config::{UrlOptions, refuse_late_credentials, without_credentials};
use cache_core::error::ConfigError;
use mongodb::options::{ConnectionString, SelectionCriteria};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::MongoDbOptions;
use crate::error::SCHEME;

/// What stands for itself in a query.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b',');

impl MongoDbOptions {
    /// Reads a URL: `mongodb://user:password@host1:27017,host2/database?replicaSet=rs0`, or
    /// `mongodb+srv://host/database`, whose servers are looked up by DNS.
    ///
    /// The query names options: `database` (or as the path), `collection` (or `table`), `create`,
    /// `pool_size` (or `max_connections`), `timeout`, `cleanup_interval`, `access_interval`,
    /// `max_entries` (or `max_cache_size`), `max_bytes`, `value_bytes_max`, `events_max`, `events_interval`. Times are seconds (`5`,
    /// `0.5`) or with a unit (`250ms`); sizes are bytes or with a unit (`8MiB`); `off` turns an
    /// interval off. All others are handed to the driver, which takes those of MongoDB's
    /// connection strings: `replicaSet`, `tls`, `authSource`, `w`, `journal`, `readConcernLevel`,
    /// `appName`, ..
    ///
    /// # Errors
    /// [`ConfigError::Url`] if it is no such URL, [`ConfigError::Option`] for an option that is
    /// given twice or out of its range. Neither shows a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let shown = without_credentials(url);
        let problem = |problem: &str| ConfigError::Url {
            url: without_credentials(url),
            problem: problem.to_owned(),
        };
        let Some((scheme @ ("mongodb" | "mongodb+srv"), rest)) = url.split_once("://") else {
            return Err(problem("its scheme is neither `mongodb` nor `mongodb+srv`"));
        };
        refuse_late_credentials(url)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') {
            return Err(problem("it has a `#`, to be written as `%23`"));
        }
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let mut given = UrlOptions::of_query(SCHEME, query)?;
        let mut options = Self::at(String::new(), shown);
        if !path.is_empty() {
            let path = percent_decode_str(path).decode_utf8();
            options.database = path.map_err(|_| problem("its path is not UTF-8"))?.into_owned();
        }
        options = options.with(&mut given)?;
        let rest: Vec<_> = given
            .into_rest()
            .into_iter()
            .map(|(name, value)| {
                let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
                format!("{}={}", encoded(&name), encoded(&value))
            })
            .collect();
        let url = format!("{scheme}://{hosts}/{path}?{}", rest.join("&"));
        options.url = cache_core::config::Secret::new(url.trim_end_matches('?'));
        let parsed = ConnectionString::parse(options.url.reveal())
            .map_err(|refused| problem(&told(&refused, hosts)))?;
        if !matches!(parsed.read_preference, None | Some(mongodb::options::ReadPreference::Primary))
        {
            return Err(super::option(
                "readPreference",
                "must be `primary`: an invalidation that has returned must be seen",
            ));
        }
        options.write_concern = parsed.write_concern;
        options.read_concern = parsed.read_concern;
        options.validate()?;
        Ok(options)
    }

    fn with(mut self, given: &mut UrlOptions) -> Result<Self, ConfigError> {
        given.renamed("pool_size", "max_connections")?;
        given.renamed("collection", "table")?;
        given.renamed("max_entries", "max_cache_size")?;
        if let Some(database) = given.text("database") {
            self.database = database;
        }
        if let Some(collection) = given.text("collection") {
            self.collection = collection;
        }
        self.create = given.flag("create")?.unwrap_or(self.create);
        self.pool_size = given.number("pool_size")?.or(self.pool_size);
        self.timeout = given.duration("timeout")?.unwrap_or(self.timeout);
        self.cleanup_interval =
            given.interval("cleanup_interval")?.unwrap_or(self.cleanup_interval);
        self.access_interval = given.duration("access_interval")?.unwrap_or(self.access_interval);
        self.max_entries = given.number("max_entries")?.unwrap_or(self.max_entries);
        self.max_bytes = given.bytes("max_bytes")?.unwrap_or(self.max_bytes);
        self.value_bytes_max = given.bytes("value_bytes_max")?.unwrap_or(self.value_bytes_max);
        self.events_max = given.number("events_max")?.unwrap_or(self.events_max);
        self.events_interval = given.duration("events_interval")?.unwrap_or(self.events_interval);
        Ok(self)
    }
}

/// Reads are told to go to the primary, whatever else a URL says.
pub(crate) fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Primary)
}

/// What the driver says of a URL, unless that could show a password.
fn told(refused: &mongodb::error::Error, hosts: &str) -> String {
    if hosts.contains('@') {
        return "the driver does not take it; user and password must be percent-encoded, and every \
                option one of MongoDB's connection strings"
            .to_owned();
    }
    refused.to_string()
}
