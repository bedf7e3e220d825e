//! What is kept. Every entry of a stock bears the tag `stock:tse_2330`, by which it is invalidated and
//! nothing else is.

use std::time::Duration;

use cache_twse::Stock;
use cache_twse::best_four_points::BestFourPoints;
use cache_twse::daily::MonthHistory;
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::text::Month;
use tiers::node::NodeDefinition;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;

use crate::answer::{Held, StockInfo};
use crate::options::StockServiceOptions;

/// A stock's days in one month.
#[derive(Node, Clone, Debug, PartialEq, Eq, Hash)]
#[node(key = "stock:month:{stock}:{month}", value = Held<MonthHistory>, name = "stock_months",
       tags("stock:{stock}"), tiers(memory))]
pub(crate) struct MonthNode {
    pub(crate) stock: Stock,
    pub(crate) month: Month,
}

/// What a stock is quoted at, in lots or shares.
#[derive(Node, Clone, Debug, PartialEq, Eq, Hash)]
#[node(key = "stock:quote:{stock}:{unit}", value = Held<Quote>, name = "stock_quotes",
       tags("stock:{stock}"), tiers(memory))]
pub(crate) struct QuoteNode {
    pub(crate) stock: Stock,
    pub(crate) unit: QuoteUnit,
}

/// What a stock is.
#[derive(Node, Clone, Debug, PartialEq, Eq, Hash)]
#[node(key = "stock:info:{stock}", value = Held<StockInfo>, name = "stock_infos",
       tags("stock:{stock}"), tiers(memory))]
pub(crate) struct InfoNode {
    pub(crate) stock: Stock,
}

/// What a stock's last days say.
#[derive(Node, Clone, Debug, PartialEq, Eq, Hash)]
#[node(key = "stock:points:{stock}", value = Held<BestFourPoints>, name = "stock_points",
       tags("stock:{stock}"), tiers(memory))]
pub(crate) struct PointsNode {
    pub(crate) stock: Stock,
}

/// The label of all entries of a stock.
pub(crate) fn tag(stock: &Stock) -> String {
    format!("stock:{stock}")
}

/// So many loads wait in the limiter's line at once; the others wait before it, where no timeout
/// counts.
const LOADS_MAX: usize = 4;
const LOAD_TIMEOUT: Duration = Duration::from_secs(180);

/// A type's definition with the service's tiers.
pub(crate) fn definition<N: Node>(options: &StockServiceOptions) -> NodeDefinition {
    let tiers = options.tiers.iter().map(TierDefinition::new);
    let mut definition =
        N::definition().tiers(tiers).loads_max(LOADS_MAX).load_timeout(Some(LOAD_TIMEOUT));
    if !options.stale_max.is_zero() {
        definition = definition.stale(StaleOptions::new().if_error(options.stale_max));
    }
    definition
}
