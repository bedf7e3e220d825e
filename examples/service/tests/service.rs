//! The service, run as its operator would and asked by a real HTTP client.

#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod running;

use futures_util::future::join_all;
use reqwest::StatusCode;
use running::{Place, until};
use serde_json::{Value, json};

fn item(name: &str) -> Value {
    json!({ "item": name, "cents": 450 })
}

#[tokio::test]
async fn what_was_read_once_is_read_from_the_cache() {
    let place = Place::new();
    place.insert(7, 1, "tea");
    let service = place.start("production", &[]);
    let before = service.get("/customers/7/orders/1").await;
    assert_eq!(before["item"], "tea");
    // Behind the service's back, which a cache cannot know of.
    place.insert(7, 1, "coffee");
    assert_eq!(service.get("/customers/7/orders/1").await, before);
    assert_eq!(service.queries().await, 1);
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let place = Place::new();
    place.insert(7, 1, "tea");
    let service = place.start("production", &[]);
    for _ in 0..3 {
        service.get("/customers/7/orders/1").await;
    }
    let page = service.get("/metrics").await;
    let page = page.as_str().expect("text");
    for line in [
        r#"tiers_requests_total{cache="shop",node="OrderNode",outcome="hit"} 2"#,
        r#"tiers_requests_total{cache="shop",node="OrderNode",outcome="miss"} 1"#,
        r#"tiers_load_duration_seconds_count{cache="shop",node="OrderNode"} 1"#,
        r#"tiers_entries{cache="shop",tier="sqlite"} 1"#,
        "# TYPE tiers_tier_duration_seconds histogram",
    ] {
        assert!(page.lines().any(|told| told == line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_read() {
    for environment in ["production", "test"] {
        let place = Place::new();
        place.insert(7, 1, "tea");
        let service = place.start(environment, &[]);
        let list = "/customers/7/orders";
        assert_eq!(service.get(list).await.as_array().map(Vec::len), Some(1));
        assert_eq!(service.get("/customers/7/orders/1").await["shipped"], false);

        service.put("/customers/7/orders/2", item("cocoa")).await;
        assert_eq!(service.get(list).await[1]["item"], "cocoa", "{environment}");
        let queries = service.queries().await;
        assert_eq!(service.get("/customers/7/orders/2").await["item"], "cocoa");
        assert_eq!(service.queries().await, queries, "the change itself was cached");

        let shipped =
            service.send(service.client.post(service.url("/customers/7/orders/1/shipment"))).await;
        assert_eq!(shipped.1["shipped"], true);
        assert_eq!(service.get("/customers/7/orders/1").await["shipped"], true, "{environment}");
        assert_eq!(service.get(list).await[0]["shipped"], true, "{environment}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_remembered_until_it_is() {
    let place = Place::new();
    let service = place.start("production", &[]);
    let path = "/customers/7/orders/1";
    for _ in 0..2 {
        let (status, body) = service.send(service.client.get(service.url(path))).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::NOT_FOUND, &json!("there is no such order"))
        );
    }
    assert_eq!(service.queries().await, 1);
    service.put(path, item("tea")).await;
    assert_eq!(service.get(path).await["item"], "tea");
    let shipment = service.client.post(service.url("/customers/7/orders/99/shipment"));
    assert_eq!(service.send(shipment).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn all_of_a_customer_is_forgotten_by_one_tag() {
    let place = Place::new();
    for (customer, order) in [(7, 1), (7, 2), (8, 1)] {
        place.insert(customer, order, "tea");
    }
    let service = place.start("production", &[]);
    let paths = ["/customers/7/orders/1", "/customers/7/orders/2", "/customers/8/orders/1"];
    for path in paths {
        service.get(path).await;
    }
    assert_eq!(service.get("/customers/7/orders").await.as_array().map(Vec::len), Some(2));
    let (status, body) =
        service.send(service.client.delete(service.url("/customers/7/orders"))).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "removed": 2 })));

    for path in &paths[..2] {
        let (status, _) = service.send(service.client.get(service.url(path))).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    assert_eq!(service.get("/customers/7/orders").await, json!([]));
    let queries = service.queries().await;
    assert_eq!(service.get(paths[2]).await["item"], "tea");
    assert_eq!(service.queries().await, queries, "the other customer's order is still cached");
}

#[tokio::test]
async fn a_herd_makes_one_load_and_the_figures_add_up() {
    const CLIENTS: u64 = 200;
    let place = Place::new();
    place.insert(7, 1, "tea");
    let service = place.start("production", &["--latency", "1s"]);
    let answers = join_all((0..CLIENTS).map(|_| service.get("/customers/7/orders/1"))).await;
    assert!(answers.iter().all(|answer| answer["item"] == "tea"));

    let stats = service.get("/stats").await;
    assert_eq!(stats["database_queries"], 1);
    assert_eq!(stats["loads_in_flight"], 0);
    let node = &stats["nodes"][0];
    let count = |name: &str| node[name].as_u64().unwrap_or_else(|| panic!("{name} in {node}"));
    assert_eq!((node["node"].as_str(), count("loads_succeeded")), (Some("OrderNode"), 1));
    assert_eq!((count("requests"), count("hits") + count("misses")), (CLIENTS, CLIENTS));
    assert_eq!(count("misses") - count("coalesced"), 1, "{node}");
    assert!(count("coalesced") > 0, "the herd came while the load was running");
    let tiers = node["tiers"].as_array().expect("a list");
    let filled: Vec<_> = tiers.iter().map(|tier| (&tier["storage"], &tier["fills"])).collect();
    assert_eq!(filled, [(&json!("memory"), &json!(1)), (&json!("sqlite"), &json!(1))]);
    assert_eq!(stats["storages"][0]["entries"], 1);
}

#[tokio::test]
async fn a_restart_finds_sqlite_warm_and_memory_cold() {
    for (environment, queries) in [("production", 0), ("test", 1)] {
        let place = Place::new();
        place.insert(7, 1, "tea");
        let service = place.start(environment, &[]);
        service.get("/customers/7/orders/1").await;
        assert_eq!(service.stop(), json!({ "closed": true, "finished": true, "queries": 1 }));
        assert_eq!(place.cache().exists(), environment == "production");

        let service = place.start(environment, &[]);
        assert_eq!(service.get("/customers/7/orders/1").await["item"], "tea");
        assert_eq!(service.queries().await, queries, "{environment}");
    }
}

#[tokio::test]
async fn a_request_that_runs_is_answered_before_the_end() {
    let place = Place::new();
    place.insert(7, 1, "tea");
    let service = place.start("production", &["--latency", "1s"]);
    let request = tokio::spawn(service.client.get(service.url("/customers/7/orders/1")).send());
    until(|| async { service.queries().await == 1 }).await;
    service.terminate();
    let answer = request.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(service.ended()["finished"], true);

    // It was cached on the way.
    let service = place.start("production", &[]);
    service.get("/customers/7/orders/1").await;
    assert_eq!(service.queries().await, 0);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_left_behind() {
    let place = Place::new();
    let service = place.start("test", &["--latency", "1h", "--grace", "0s"]);
    let request = tokio::spawn(service.client.get(service.url("/customers/7/orders/1")).send());
    until(|| async { service.queries().await == 1 }).await;
    service.terminate();
    // Closing the cache gives the load up, so that nothing keeps the program.
    assert_eq!(service.ended()["finished"], false);
    let answer = request.await.expect("no panic");
    assert!(answer.map_or(true, |answer| answer.status().is_server_error()));
}

#[tokio::test]
async fn bad_input_is_told_and_changes_nothing() {
    let place = Place::new();
    let service = place.start("test", &[]);
    let put = |body: Value| service.client.put(service.url("/customers/7/orders/1")).json(&body);
    for (body, named) in [
        (item(""), "`item`"),
        (item(&"x".repeat(201)), "`item`"),
        (json!({ "item": "tea", "cents": -1 }), ""),
        (json!({ "item": "tea", "cents": 1, "shipped": true }), ""),
    ] {
        let (status, told) = service.send(put(body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.to_string().contains(named), "{told}");
    }
    let odd = service.client.get(service.url("/customers/seven/orders"));
    assert_eq!(service.send(odd).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(service.get("/customers/7/orders").await, json!([]));
    assert_eq!(service.get("/healthz").await, json!({ "status": "ok" }));
}

#[test]
fn a_wrong_command_line_or_file_ends_with_an_error() {
    let place = Place::new();
    std::fs::write(place.cache(), "not a database, but long enough to be taken for one".repeat(50))
        .expect("a file");
    for (arguments, expected) in [
        (&["--environment", "staging"][..], "staging"),
        (&["--latency", "soon"], "--latency"),
        (&[], "sqlite"),
    ] {
        let output = place.command("production", arguments).output().expect("it starts");
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(expected), "{told}");
    }
}
