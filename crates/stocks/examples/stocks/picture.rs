//! What is known of stocks: quotes, best four points, and a small chart.

use cache_twse::Stock;
use cache_twse::best_four_points::{Advice, BestFourPoints, Side};
use cache_twse::daily::DayTrade;
use comfy_table::Table;
use tiers_stocks::StockService;

/// So many days are charted.
const CHARTED: usize = 30;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) async fn print(service: &StockService, stocks: &[Stock]) {
    let quotes = service.quotes(stocks).await;
    let points = service.best_four_points(stocks).await;
    let histories = service.histories(stocks, super::DAYS).await;
    let mut table = Table::new();
    table.set_header(["stock", "name", "value", "volume", "best four points", "gated", "closes"]);
    for (((stock, quote), points), history) in stocks.iter().zip(quotes).zip(points).zip(histories)
    {
        let (name, value, volume) = match &quote {
            Ok(quote) => {
                let stale = if quote.stale { "*" } else { "" };
                let value =
                    quote.value.value().map_or("-".to_owned(), |it| format!("{it:.2}{stale}"));
                (
                    quote.value.name.clone(),
                    value,
                    quote.value.volume.unwrap_or_default().to_string(),
                )
            }
            Err(error) => (String::new(), error.to_string(), String::new()),
        };
        let points = points.ok().map(|points| points.value);
        let advice = |of: fn(&BestFourPoints) -> Option<Advice>| {
            points.as_ref().and_then(of).map_or("-".to_owned(), |advice| words(&advice))
        };
        let closes = history.map(|history| chart(&history.value)).unwrap_or_default();
        let cells = [
            stock.to_string(),
            name,
            value,
            volume,
            advice(BestFourPoints::compat),
            advice(BestFourPoints::gated),
            closes,
        ];
        table.add_row(cells);
    }
    println!("{table}\n* stale: the market could not be asked");
}

fn words(advice: &Advice) -> String {
    let side = match advice.side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    let points: Vec<String> = advice.points.iter().map(u8::to_string).collect();
    format!("{side} by {}", points.join(", "))
}

fn chart(days: &[DayTrade]) -> String {
    let closes = days.iter().filter_map(|row| row.prices).map(|prices| prices.close);
    let closes: Vec<f64> = closes.collect();
    let last = &closes[closes.len().saturating_sub(CHARTED)..];
    let low = last.iter().copied().fold(f64::INFINITY, f64::min);
    let high = last.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(f64::MIN_POSITIVE);
    let bar = |close: &f64| BARS[(((close - low) / span * 7.0).round() as usize).min(7)];
    last.iter().map(bar).collect()
}
