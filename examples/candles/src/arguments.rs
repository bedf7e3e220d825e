use std::path::PathBuf;

use clap::Parser;

/// Reads candles through memory -> SQLite -> an exchange on loopback.
#[derive(Debug, Parser)]
#[command(name = "candles")]
pub struct Arguments {
    /// Prints one JSON object per step, and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Writes the picture of what is known to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub svg: Option<PathBuf>,
    /// Reads these recorded candles through instead: CSV, which may be compressed by gzip.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// The columns in the file's order, for a file whose first line does not name them: `ts` (in
    /// milliseconds since 1970), `open`, `high`, `low`, `close` and `volume`; others are passed over.
    #[arg(long, value_delimiter = ',', requires = "replay")]
    pub columns: Option<Vec<String>>,
    /// How long a recorded candle lasts, as exchanges write it: `1m` is a minute, `1M` a month.
    #[arg(long, default_value = "1m")]
    pub timeframe: String,
}
