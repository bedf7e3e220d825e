//! Processes that are killed: what a queue loses with them, and who loads in their place.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tiers::node::Across;
use tiers::policy::write_behind::WriteBehind;
use tiers::prelude::*;
use tiers::source::NoSource;

use crate::support::{User, UserNode, user, within};

const FILE: &str = "TIERS_TEST_FILE";
const QUEUED_MAX: u64 = 8;
const LEASE_TTL: Duration = Duration::from_secs(2);

/// Starts one of the processes below, and waits until it has said so much.
fn started(
    name: &str,
    file: &Path,
    lines: usize,
) -> (Child, Vec<String>, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", name, "--ignored", "--nocapture"]).env(FILE, file);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let out = BufReader::new(child.stdout.take().expect("is piped")).lines();
    // A line that was cut off has no `;`.
    let mut told =
        out.map_while(Result::ok).filter_map(|line| line.strip_suffix(';').map(str::to_owned));
    let first = told.by_ref().take(lines).collect();
    (child, first, told)
}

fn file() -> PathBuf {
    PathBuf::from(std::env::var(FILE).expect("started by another test"))
}

async fn cache(file: &Path) -> Cache {
    let sqlite = Sqlite::open(&format!("sqlite://{}", file.display())).await.expect("opens");
    Cache::builder().storage("sqlite", sqlite).build().expect("a valid cache")
}

fn queued() -> NodeDefinition {
    let options = WriteBehind::to_storages()
        .queued_max(QUEUED_MAX as usize)
        .batch_max(4)
        .delay(Duration::from_millis(1));
    UserNode::definition().tiers([TierDefinition::new("sqlite")]).write_behind(options)
}

/// Writes one value after the other, and says what was accepted.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of another test"]
async fn writer() {
    let cache = cache(&file()).await;
    let users = cache.bind_as::<UserNode>(queued(), NoSource).expect("binds");
    for id in 1.. {
        users.write_behind(&user(id), User { id, version: id }).await.expect("gets room");
        println!("{id};");
    }
}

#[tokio::test]
async fn a_killed_process_loses_no_more_than_its_queue_holds() {
    for accepted in [1, 60, 250] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache.db");
        let (mut child, mut told, rest) = started("written_by_processes::writer", &path, accepted);
        child.kill().expect("is running");
        told.extend(rest);
        child.wait().expect("is gone");
        let last: u64 = told.last().expect("something was accepted").parse().expect("a number");
        let cache = cache(&path).await;
        let users = cache.bind_as::<UserNode>(queued(), NoSource).expect("binds");
        let mut lost = 0;
        for id in 1..=last {
            match users.peek(&user(id)).await.expect("is open") {
                Some(found) => assert_eq!(found.version, id),
                None => lost += 1,
            }
        }
        assert!(lost <= QUEUED_MAX, "{lost} of {last} are lost");
        cache.close().await.expect("closes");
    }
}

fn leased() -> NodeDefinition {
    let across = Across::new("sqlite").ttl(LEASE_TTL);
    UserNode::definition().tiers([TierDefinition::new("sqlite")]).across(across)
}

/// Takes the lease of a load that does not end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of another test"]
async fn holder() {
    let cache = cache(&file()).await;
    let source = source_fn(|_: UserNode| async move {
        println!("loads;");
        std::future::pending::<Result<Loaded<User>, LoadError>>().await
    });
    let users = cache.bind_as::<UserNode>(leased(), source).expect("binds");
    users.get(&user(1)).await.expect("is killed before");
}

#[tokio::test]
async fn the_next_loads_when_the_holder_of_a_lease_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    let (mut child, _, _rest) = started("written_by_processes::holder", &path, 1);
    let cache = cache(&path).await;
    let source =
        source_fn(
            |node: UserNode| async move { Ok::<_, LoadError>(User { id: node.id, version: 2 }) },
        );
    let users = cache.bind_as::<UserNode>(leased(), source).expect("binds");
    let waiting = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    // It lives, and is not taken over from: it extends what it holds.
    tokio::time::sleep(LEASE_TTL + LEASE_TTL / 4).await;
    assert!(!waiting.is_finished(), "the holder lives");
    child.kill().expect("is running");
    child.wait().expect("is gone");
    let killed = Instant::now();
    let got = within(waiting).await.expect("no panic").expect("a value");
    assert_eq!((got.version, users.stats().across.waited), (2, 1));
    // The lease ends, and whoever waits looks again within a quarter of a second; the rest is for
    // a machine that is busy.
    assert!(killed.elapsed() < LEASE_TTL + Duration::from_secs(3), "{:?}", killed.elapsed());
}
