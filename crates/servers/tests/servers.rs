//! Each server starts, dies, comes back, and ends with its owner.

#![allow(clippy::unwrap_used, reason = "a test ends by its panic")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tiers_servers::{
    Kind, Life, MariaDb, MongoDb, Postgres, Redis, RedisCluster, RedisSentinel, RedisTls, Server,
};

fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn is_there(pid: u32) -> bool {
    // A process that has ended and waits for its parent is not there.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    status.is_ok_and(|text| !text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn dies_and_comes_back(server: &Server) {
    let (port, folder) = (server.port(), server.folder().to_owned());
    let first = server.pid().unwrap();
    assert!(accepts(port) && folder.is_dir());
    server.kill().unwrap();
    assert!(server.pid().is_none());
    // Children of PostgreSQL hold its port until they notice.
    eventually("the port is free", || !accepts(port));
    server.restart().unwrap();
    assert!(accepts(port));
    assert_ne!(server.pid(), Some(first));
    server.stop().unwrap();
    assert!(!accepts(port));
    server.restart().unwrap();
}

fn ends_when_dropped<S: std::ops::Deref<Target = Server>>(server: S) {
    dies_and_comes_back(&server);
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    drop(server);
    assert!(!is_there(pid) && !folder.exists());
}

#[test]
fn redis() {
    let server = Redis::start_with(&["--maxmemory", "64mb"]).unwrap();
    assert_eq!(server.ask("PING").as_deref(), Some("+PONG\r\n"));
    assert!(server.ask("INFO memory").unwrap().contains("maxmemory:67108864"));
    server.pause().unwrap();
    assert_eq!(server.ask("PING"), None);
    server.resume().unwrap();
    eventually("it answers again", || server.ask("PING").is_some());
    ends_when_dropped(server);
}

#[test]
fn redis_over_tls() {
    let server = RedisTls::start().unwrap();
    assert!(server.authority().is_file());
    assert!(server.url().starts_with("rediss://:s3cret@127.0.0.1:"));
    ends_when_dropped(server);
}

#[test]
fn redis_cluster_replaces_a_master() {
    let cluster = RedisCluster::start().unwrap();
    assert_eq!((cluster.nodes().len(), cluster.masters().len()), (6, 3));
    cluster.masters()[0].kill().unwrap();
    eventually("a replica becomes master", || cluster.is_whole());
}

#[test]
fn redis_sentinel_replaces_the_master() {
    let set = RedisSentinel::start().unwrap();
    let first = set.master().unwrap().port();
    set.master().unwrap().kill().unwrap();
    eventually("the replica becomes master", || {
        set.master().is_some_and(|master| master.port() != first)
    });
}

#[test]
fn postgres() {
    ends_when_dropped(Postgres::start().unwrap());
}

#[test]
fn mariadb() {
    ends_when_dropped(MariaDb::start().unwrap());
}

#[test]
fn mongodb() {
    ends_when_dropped(MongoDb::start().unwrap());
}

#[test]
fn every_kind_has_a_name_and_a_variable_of_its_own() {
    let mut names: Vec<_> =
        Kind::ALL.iter().flat_map(|kind| [kind.name(), kind.variable()]).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 2 * Kind::ALL.len());
}

/// The part of the process that is killed; run by [`a_server_ends_with_a_killed_owner`] alone.
#[test]
fn owner() {
    if std::env::var_os("TIERS_SERVERS_OWNER").is_none() {
        return;
    }
    let running = Kind::Redis.start(Life::Guarded).unwrap();
    println!("pid {}", running.servers()[0].pid().unwrap());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_server_ends_with_a_killed_owner() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--nocapture"])
        .env("TIERS_SERVERS_OWNER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("pid ").and_then(|(_, pid)| pid.trim().parse().ok()));
    let pid: u32 = pid.unwrap();
    assert!(is_there(pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the server has ended", || !is_there(pid));
}
