//! Reads candles through memory, SQLite and an exchange: a venue on loopback that speaks as Binance
//! does, so that nothing leaves the machine.
//!
//! ```text
//! cargo run --release --example candles [-- --svg FILE] [--json]
//! cargo run --release --example candles -- --replay FILE.csv[.gz] [--columns ts,open,..] [--timeframe 1m]
//! ```

use clap::Parser;
use example_candles::{AnyError, Arguments, run};

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    run(Arguments::parse()).await
}
