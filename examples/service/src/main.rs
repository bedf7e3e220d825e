//! A small web service over Tiers: orders of customers in a database of their own, read through
//! memory and SQLite.
//!
//! ```text
//! cargo run -p example-service -- --port 8080
//! curl -X PUT localhost:8080/customers/7/orders/1 -H 'content-type: application/json' \
//!      -d '{"item": "tea", "cents": 450}'
//! curl localhost:8080/customers/7/orders
//! curl localhost:8080/stats
//! curl localhost:8080/metrics
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `arguments` | what the command line and the environment say |
//! | `database` | the orders' own table: the source of truth |
//! | `orders` | nodes, sources, and the cache over them |
//! | `api` | the routes |
//! | `stats`, `metrics` | figures as JSON and for Prometheus |
//! | `serve` | listening, shutting down |

mod api;
mod arguments;
mod database;
mod metrics;
mod orders;
mod serve;
mod stats;

use clap::Parser;

use arguments::Arguments;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    serve::run(Arguments::parse()).await
}
