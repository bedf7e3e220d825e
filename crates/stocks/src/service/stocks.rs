use std::fmt;
use std::sync::Arc;

use cache_twse::best_four_points::BestFourPoints;
use cache_twse::daily::DayTrade;
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::{Stock, TwseErrorKind};
use futures_util::future::join;
use tiers::cache::{Cache, Invalidation};
use tiers::error::{ConfigError, Error};
use tiers::handle::Handle;
use tiers::stats::NodeStats;

use super::history;
use crate::answer::{Answer, StockInfo};
use crate::error::StockServiceError;
use crate::market::StockMarket;
use crate::node::{InfoNode, MonthNode, PointsNode, QuoteNode, definition, tag};
use crate::options::StockServiceOptions;
use crate::sources::{Infos, Months, Points, Quotes, Shared};

/// Stocks through tiers; cheap to clone.
///
/// Whatever is asked of several stocks is answered for each on its own, in their order, also where a
/// stock stands twice.
#[derive(Clone)]
pub struct StockService {
    cache: Cache,
    pub(super) shared: Arc<Shared>,
    pub(super) months: Handle<MonthNode>,
    quotes: Handle<QuoteNode>,
    infos: Handle<InfoNode>,
    points: Handle<PointsNode>,
}

/// What was counted, by what is kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StockStats {
    /// Months of histories.
    pub months: NodeStats,
    /// Quotes.
    pub quotes: NodeStats,
    /// What stocks are.
    pub infos: NodeStats,
    /// Best four points.
    pub points: NodeStats,
}

impl StockStats {
    /// All of them.
    pub fn all(&self) -> [&NodeStats; 4] {
        [&self.months, &self.quotes, &self.infos, &self.points]
    }

    /// Hits over requests, of all of them; 0 without requests.
    pub fn hit_rate(&self) -> f64 {
        let sum = |of: fn(&NodeStats) -> u64| self.all().map(of).iter().sum::<u64>();
        let requests = sum(NodeStats::requests);
        if requests == 0 { 0.0 } else { sum(|stats| stats.hits) as f64 / requests as f64 }
    }
}

impl StockService {
    /// A service on a cache, whose storages the options name.
    ///
    /// # Errors
    /// [`ConfigError`] if a storage is not registered, or the cache has a service already.
    pub fn new(
        cache: Cache,
        market: Arc<dyn StockMarket>,
        options: StockServiceOptions,
    ) -> Result<Self, ConfigError> {
        let (months, quotes) =
            (definition::<MonthNode>(&options), definition::<QuoteNode>(&options));
        let (infos, points) =
            (definition::<InfoNode>(&options), definition::<PointsNode>(&options));
        let StockServiceOptions { calendar, lifetimes, clock, .. } = options;
        let shared = Arc::new(Shared { market, calendar, lifetimes, clock });
        let months = cache.bind_as(months, Months(Arc::clone(&shared)))?;
        let quotes = cache.bind_as(quotes, Quotes(Arc::clone(&shared)))?;
        let source = Infos { shared: Arc::clone(&shared), quotes: quotes.clone() };
        let infos = cache.bind_as(infos, source)?;
        let source = Points { shared: Arc::clone(&shared), months: months.clone() };
        let points = cache.bind_as(points, source)?;
        Ok(Self { cache, shared, months, quotes, infos, points })
    }

    /// What was traded on the last `days` days up to today, ascending.
    ///
    /// # Errors
    /// For each stock on its own. A history that lacks a month that could not be had is an error; one
    /// that begins with the listing is not.
    pub async fn histories(
        &self,
        stocks: &[Stock],
        days: u32,
    ) -> Vec<Result<Answer<Vec<DayTrade>>, StockServiceError>> {
        history::of(&self.shared, &self.months, stocks, days).await
    }

    /// Quotes of round lots; the market is asked for all that are missing at once.
    ///
    /// # Errors
    /// For each stock on its own.
    pub async fn quotes(&self, stocks: &[Stock]) -> Vec<Result<Answer<Quote>, StockServiceError>> {
        self.quotes_in(stocks, QuoteUnit::Lots).await
    }

    /// Quotes of odd lots, as [`quotes`](Self::quotes).
    ///
    /// # Errors
    /// For each stock on its own.
    pub async fn odd_lot_quotes(
        &self,
        stocks: &[Stock],
    ) -> Vec<Result<Answer<Quote>, StockServiceError>> {
        self.quotes_in(stocks, QuoteUnit::Shares).await
    }

    async fn quotes_in(
        &self,
        stocks: &[Stock],
        unit: QuoteUnit,
    ) -> Vec<Result<Answer<Quote>, StockServiceError>> {
        let of = |stock: &Stock| QuoteNode { stock: stock.clone(), unit };
        let nodes: Vec<QuoteNode> = stocks.iter().map(of).collect();
        let answers = self.quotes.get_many(&nodes).await;
        let now = self.shared.wall();
        let answers = stocks.iter().zip(answers).map(|(stock, answer)| match answer {
            Ok(held) => Ok(held.answer(now, Clone::clone)),
            Err(error) => Err(StockServiceError::of(stock, error, TwseErrorKind::UnknownSymbol)),
        });
        answers.collect()
    }

    /// What stocks are.
    ///
    /// # Errors
    /// For each stock on its own.
    pub async fn infos(
        &self,
        stocks: &[Stock],
    ) -> Vec<Result<Answer<StockInfo>, StockServiceError>> {
        let nodes = stocks.iter().map(|stock| InfoNode { stock: stock.clone() });
        let answers = self.infos.get_many(&nodes.collect::<Vec<_>>()).await;
        let now = self.shared.wall();
        let answers = stocks.iter().zip(answers).map(|(stock, answer)| match answer {
            Ok(held) => Ok(held.answer(now, Clone::clone)),
            Err(error) => Err(StockServiceError::of(stock, error, TwseErrorKind::UnknownSymbol)),
        });
        answers.collect()
    }

    /// What stocks' last days say.
    ///
    /// # Errors
    /// For each stock on its own; [`StockServiceError::TooFewDays`] for one that is new.
    pub async fn best_four_points(
        &self,
        stocks: &[Stock],
    ) -> Vec<Result<Answer<BestFourPoints>, StockServiceError>> {
        let nodes = stocks.iter().map(|stock| PointsNode { stock: stock.clone() });
        let answers = self.points.get_many(&nodes.collect::<Vec<_>>()).await;
        let now = self.shared.wall();
        let answers = stocks.iter().zip(answers).map(|(stock, answer)| match answer {
            Ok(held) => Ok(held.answer(now, Clone::clone)),
            Err(error) => Err(StockServiceError::of(stock, error, TwseErrorKind::NoData)),
        });
        answers.collect()
    }

    /// Forgets all that is kept of a stock, and of no other.
    ///
    /// # Errors
    /// As [`Cache::invalidate_tag`].
    pub async fn invalidate(&self, stock: &Stock) -> Result<Invalidation, Error> {
        self.cache.invalidate_tag(&tag(stock)).await
    }

    /// Asks the market for a stock anew: its newest month, its quote, and what is made of them. Readers
    /// are served what is there until then.
    ///
    /// # Errors
    /// [`StockServiceError`] of the first that failed; the others are refreshed all the same.
    pub async fn refresh(&self, stock: &Stock) -> Result<(), StockServiceError> {
        let month = history::months(&self.shared, 1).pop();
        let newest = async {
            let Some(month) = month else { return Ok(()) };
            let node = MonthNode { stock: stock.clone(), month };
            match self.months.refresh(&node).await {
                Ok(_) => self.points.refresh(&PointsNode { stock: stock.clone() }).await.map(drop),
                Err(error) => Err(error),
            }
        };
        let quote = QuoteNode { stock: stock.clone(), unit: QuoteUnit::Lots };
        let quote = async { self.quotes.refresh(&quote).await.map(drop) };
        let (newest, quote) = join(newest, quote).await;
        match newest.err().or(quote.err()) {
            Some(error) => Err(StockServiceError::of(stock, error, TwseErrorKind::NoData)),
            None => Ok(()),
        }
    }

    /// What was counted since the service was made.
    pub fn stats(&self) -> StockStats {
        StockStats {
            months: self.months.stats(),
            quotes: self.quotes.stats(),
            infos: self.infos.stats(),
            points: self.points.stats(),
        }
    }

    /// The cache that it is on.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}

impl fmt::Debug for StockService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StockService").field("shared", &self.shared).finish_non_exhaustive()
    }
}
