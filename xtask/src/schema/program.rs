//! The schemas of the storages, for administrators. `cargo xtask schema` builds and runs this.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use cache_mongodb::MongoDbOptions;
use cache_mysql::MySqlOptions;
use cache_postgres::PostgresOptions;
use cache_sqlite::{SCHEMA_VERSION, SqliteOptions, check_schema, schema_script};
use clap::{Parser, Subcommand, ValueEnum};

/// Print, apply or check the schema of a storage.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask schema", bin_name = "cargo xtask schema")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the script that makes the schema
    Print {
        storage: Storage,
        /// The storage's URL, for the names in it: `sqlite://cache.db?table=cache`,
        /// `postgres://user@host/database?schema=app&table=cache`,
        /// `mysql://user@host/database?table=cache`,
        /// `mongodb://host/database?collection=cache`
        #[arg(long)]
        url: Option<String>,
    },
    /// Make the schema, or bring it to the version of this release
    Apply {
        storage: Storage,
        /// The storage's URL: `sqlite://cache.db?table=cache`
        #[arg(long)]
        url: String,
    },
    /// Check that the schema is there, in the version of this release; changes nothing
    Check {
        storage: Storage,
        /// The storage's URL: `sqlite://cache.db?table=cache`
        #[arg(long)]
        url: String,
    },
}

/// The storages that have a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Storage {
    Sqlite,
    Postgres,
    #[value(name = "mongodb")]
    MongoDb,
    Mysql,
}

fn main() -> ExitCode {
    match run(Arguments::parse().action) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed.
fn run(action: Action) -> anyhow::Result<String> {
    match action {
        Action::Print { storage: Storage::Sqlite, url } => {
            let options = match url {
                Some(url) => SqliteOptions::from_url(&url)?,
                None => SqliteOptions::temporary(),
            };
            Ok(schema_script(options.table_name())?)
        }
        Action::Print { storage: Storage::Postgres, url } => {
            // A server that is not asked.
            let url = url.as_deref().unwrap_or("postgres://localhost");
            Ok(PostgresOptions::from_url(url)?.schema_script()?)
        }
        Action::Print { storage: Storage::Mysql, url } => {
            let url = url.as_deref().unwrap_or("mysql://localhost/cache");
            Ok(MySqlOptions::from_url(url)?.schema_script()?)
        }
        Action::Apply { storage: Storage::Mysql, url } => {
            let options = MySqlOptions::from_url(&url)?;
            block_on(options.clone().apply_schema())??;
            Ok(sound_mysql(&options))
        }
        Action::Check { storage: Storage::Mysql, url } => {
            let options = MySqlOptions::from_url(&url)?;
            block_on(options.clone().check_schema())??;
            Ok(sound_mysql(&options))
        }
        Action::Apply { storage: Storage::Sqlite, url } => apply_sqlite(&url),
        Action::Apply { storage: Storage::Postgres, url } => {
            let options = PostgresOptions::from_url(&url)?;
            block_on(options.clone().apply_schema())??;
            Ok(sound_postgres(&options))
        }
        Action::Check { storage: Storage::Postgres, url } => {
            let options = PostgresOptions::from_url(&url)?;
            block_on(options.clone().check_schema())??;
            Ok(sound_postgres(&options))
        }
        Action::Print { storage: Storage::MongoDb, url } => {
            // A server that is not asked.
            let url = url.as_deref().unwrap_or("mongodb://localhost");
            Ok(MongoDbOptions::from_url(url)?.schema_script()?)
        }
        Action::Apply { storage: Storage::MongoDb, url } => {
            let options = MongoDbOptions::from_url(&url)?.cleanup_interval(None);
            let applied = sound_mongodb(&options);
            block_on(async { options.open().await?.into_storage().close().await })??;
            Ok(applied)
        }
        Action::Check { storage: Storage::MongoDb, url } => {
            let options = MongoDbOptions::from_url(&url)?;
            block_on(options.check_schema())??;
            Ok(sound_mongodb(&options))
        }
        Action::Check { storage: Storage::Sqlite, url } => {
            let options = SqliteOptions::from_url(&url)?;
            let Some(path) = options.path() else { bail!("a temporary database has no schema") };
            check_schema(path, options.table_name())?;
            Ok(sound(&options))
        }
    }
}

/// Opening makes the schema and migrates it; nothing else is to run meanwhile.
fn apply_sqlite(url: &str) -> anyhow::Result<String> {
    let options = SqliteOptions::from_url(url)?.cleanup_interval(None).stats_interval(None);
    if options.path().is_none() {
        bail!("a temporary database has no schema");
    }
    let applied = sound(&options);
    block_on(async { options.open().await?.into_storage().close().await })??;
    Ok(applied)
}

fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    Ok(runtime.block_on(work))
}

fn sound_postgres(options: &PostgresOptions) -> String {
    let (schema, table) = (options.schema_name(), options.table_name());
    let version = cache_postgres::SCHEMA_VERSION;
    format!("table `{schema}.{table}` has schema version {version}\n")
}

fn sound_mongodb(options: &MongoDbOptions) -> String {
    let (database, collection) = (options.database_name(), options.collection_name());
    let version = cache_mongodb::SCHEMA_VERSION;
    format!("collection `{database}.{collection}` has schema version {version}\n")
}

fn sound_mysql(options: &MySqlOptions) -> String {
    let version = cache_mysql::SCHEMA_VERSION;
    format!("table `{}` has schema version {version}\n", options.table_name())
}

fn sound(options: &SqliteOptions) -> String {
    let path = options.path().unwrap_or("".as_ref()).display();
    format!("{path}: table `{}` has schema version {SCHEMA_VERSION}\n", options.table_name())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const STORAGE: Storage = Storage::Sqlite;

    fn url(folder: &TempDir, table: &str) -> String {
        format!("sqlite://{}?table={table}", folder.path().join("cache.db").display())
    }

    #[test]
    fn the_script_is_for_the_table_of_the_url() {
        let default = run(Action::Print { storage: STORAGE, url: None }).unwrap();
        assert!(default.contains("CREATE TABLE \"cache\""), "{default}");
        let url = Some("sqlite://x.db?table=other".to_owned());
        let other = run(Action::Print { storage: STORAGE, url }).unwrap();
        assert!(other.contains("CREATE TABLE \"other\""), "{other}");
        assert!(!other.contains("CREATE TABLE \"cache\""), "{other}");
    }

    #[test]
    fn a_collection_has_its_indexes_once_they_were_applied() {
        let server = tiers_servers::MongoDb::start().unwrap();
        let url = format!("{}&collection=prices", server.url());
        let storage = Storage::MongoDb;
        let check = || run(Action::Check { storage, url: url.clone() });
        assert!(check().is_err());
        assert!(check().is_err(), "the check made the collection");
        let applied = run(Action::Apply { storage, url: url.clone() }).unwrap();
        assert!(applied.contains("collection `cache.prices`"), "{applied}");
        assert_eq!(check().unwrap(), applied);
        let script = run(Action::Print { storage, url: Some(url.clone()) }).unwrap();
        assert!(script.contains("createCollection(\"prices\")"), "{script}");
        let default = run(Action::Print { storage, url: None }).unwrap();
        assert!(default.contains("createCollection(\"cache\")"), "{default}");
    }

    #[test]
    fn what_was_applied_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let url = url(&folder, "kept");
        let applied = run(Action::Apply { storage: STORAGE, url: url.clone() }).unwrap();
        assert!(applied.contains("table `kept`"), "{applied}");
        assert_eq!(run(Action::Check { storage: STORAGE, url: url.clone() }).unwrap(), applied);
        // Again: nothing to do.
        assert_eq!(run(Action::Apply { storage: STORAGE, url }).unwrap(), applied);
    }

    #[test]
    fn a_check_makes_no_file_and_no_table() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Action::Check { storage: STORAGE, url: url(&folder, "kept") };
        assert!(run(missing).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        run(Action::Apply { storage: STORAGE, url: url(&folder, "kept") }).unwrap();
        let check = || run(Action::Check { storage: STORAGE, url: url(&folder, "other") });
        assert!(check().is_err());
        assert!(check().is_err(), "the check made the table");
    }

    #[test]
    fn a_file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let text = "no database, but long enough to be looked at as one: ".repeat(4);
        fs::write(&path, &text).unwrap();
        assert!(run(Action::Apply { storage: STORAGE, url: url(&folder, "kept") }).is_err());
        assert!(run(Action::Check { storage: STORAGE, url: url(&folder, "kept") }).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_server_has_a_schema_once_it_was_applied() {
        let server = tiers_servers::Postgres::start().unwrap();
        let url = format!("{}?schema=app&table=prices", server.url());
        let storage = Storage::Postgres;
        let check = || run(Action::Check { storage, url: url.clone() });
        assert!(check().is_err());
        assert!(check().is_err(), "the check made the table");
        let applied = run(Action::Apply { storage, url: url.clone() }).unwrap();
        assert!(applied.contains("table `app.prices`"), "{applied}");
        assert_eq!(check().unwrap(), applied);
        let script = run(Action::Print { storage, url: Some(url.clone()) }).unwrap();
        assert!(script.contains("CREATE TABLE \"app\".\"prices\""), "{script}");
        let default = run(Action::Print { storage, url: None }).unwrap();
        assert!(default.contains("CREATE TABLE \"public\".\"cache\""), "{default}");
    }

    #[test]
    fn mysql_has_a_schema_once_it_was_applied() {
        let server = tiers_servers::MariaDb::start().unwrap();
        let url = format!("{}?table=prices", server.url());
        let storage = Storage::Mysql;
        let check = || run(Action::Check { storage, url: url.clone() });
        assert!(check().is_err());
        assert!(check().is_err(), "the check made the table");
        let applied = run(Action::Apply { storage, url: url.clone() }).unwrap();
        assert!(applied.contains("table `prices`"), "{applied}");
        assert_eq!(check().unwrap(), applied);
        let script = run(Action::Print { storage, url: Some(url.clone()) }).unwrap();
        assert!(script.contains("CREATE TABLE IF NOT EXISTS `prices` ("), "{script}");
        let default = run(Action::Print { storage, url: None }).unwrap();
        assert!(default.contains("CREATE TABLE IF NOT EXISTS `cache` ("), "{default}");
    }

    #[test]
    fn storages_without_a_schema_are_refused() {
        for line in [
            &["schema", "print", "memory"][..],
            &["schema", "apply", "sqlite"],
            &["schema", "check", "sqlite"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
        assert!(Arguments::try_parse_from(["schema", "print", "sqlite"]).is_ok());
    }
}
