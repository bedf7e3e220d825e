//! A service that runs, and the folder that it runs in.

use std::cell::RefCell;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with the files of a service.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.0.path().join("cache.db")
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("orders.db")
    }

    /// Puts an order into the table, as another program would.
    pub(crate) fn insert(&self, customer: u32, order: u32, item: &str) {
        if !self.database().exists() {
            self.start("test", &[]).stop();
        }
        let database = rusqlite::Connection::open(self.database()).expect("opens");
        database
            .execute(
                "INSERT OR REPLACE INTO orders VALUES (?1, ?2, ?3, 450, 0)",
                (customer, order, item),
            )
            .expect("inserts");
    }

    pub(crate) fn command(&self, environment: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-service"));
        command
            .args(["--json", "--port", "0"])
            .env("ENVIRONMENT", environment)
            .env("DATABASE", self.database())
            .env("CACHE", self.cache())
            .args(arguments);
        command
    }

    /// Starts the service at a free port, and waits until it listens.
    pub(crate) fn start(&self, environment: &str, arguments: &[&str]) -> Service {
        let mut command = self.command(environment, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let started = read(&mut output);
        assert_eq!(started["environment"], environment);
        let address = started["address"].as_str().expect("text").to_owned();
        let running = RefCell::new(Running { child, output });
        // Built with what speaks TLS by the connectors, the client wants to know how, though it never does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Service { client: Client::new(), address, running }
    }
}

/// A service that runs; it is killed with the test.
pub(crate) struct Service {
    pub(crate) client: Client,
    address: String,
    running: RefCell<Running>,
}

struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Service {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request; a body that is not JSON is text.
    pub(crate) async fn send(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body = answer.text().await.expect("text");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(self.client.get(self.url(path))).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        let (status, told) = self.send(self.client.put(self.url(path)).json(&body)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}: {told}");
    }

    /// How many queries the table has had.
    pub(crate) async fn queries(&self) -> u64 {
        self.get("/stats").await["database_queries"].as_u64().expect("a number")
    }

    /// Asks it to end, as a supervisor does.
    pub(crate) fn terminate(&self) {
        let process = self.running.borrow().child.id().to_string();
        let killed =
            Command::new("kill").args(["-TERM", &process]).status().expect("kill is there");
        assert!(killed.success());
    }

    /// Waits for its end, which has to be a good one; gives its last words.
    pub(crate) fn ended(&self) -> Value {
        let mut running = self.running.borrow_mut();
        let last = read(&mut running.output);
        assert!(running.child.wait().expect("it is a child").success());
        last
    }

    pub(crate) fn stop(&self) -> Value {
        self.terminate();
        self.ended()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).expect("text");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// Asks again and again until it holds; fails a test that would hang.
pub(crate) async fn until<Holds: Future<Output = bool>>(holds: impl Fn() -> Holds) {
    let limit = Duration::from_secs(60);
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(limit, held).await.expect("it holds within a minute");
}
