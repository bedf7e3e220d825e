//! How everything is loaded, and for how long it holds.

use std::sync::Arc;
use std::time::Duration;

use cache_series::time::Time;
use cache_twse::best_four_points::BestFourPoints;
use cache_twse::calendar::{Lifetimes, MarketCalendar};
use cache_twse::daily::MonthHistory;
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::{Retry, Stock, TwseError, TwseErrorKind};
use tiers::clock::{Clock, Timestamp};
use tiers::prelude::*;

use crate::answer::{Held, StockInfo};
use crate::error::StockServiceError;
use crate::market::StockMarket;
use crate::node::{InfoNode, MonthNode, PointsNode, QuoteNode};
use crate::service::history;

/// What all sources have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) market: Arc<dyn StockMarket>,
    pub(crate) calendar: MarketCalendar,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) clock: Arc<dyn Clock>,
}

/// So long it is believed that there is no such stock.
const UNKNOWN: Duration = Duration::from_secs(3600);
/// Looked at for best four points: ten days with rows, whatever the holidays.
pub(crate) const POINTS_DAYS: u32 = 45;
/// What is made of a stale history is made anew after so long.
const STALE: Duration = Duration::from_secs(60);

impl Shared {
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    pub(crate) fn now(&self) -> Time {
        self.wall().into()
    }
}

fn failed(error: TwseError) -> LoadError {
    let permanent = error.retry() == Retry::Never;
    let error = LoadError::from(error);
    if permanent { error.permanent() } else { error }
}

/// Whether an error is the knowledge that there is nothing.
fn is_nothing(error: &TwseError) -> bool {
    matches!(
        error.kind(),
        TwseErrorKind::NoData
            | TwseErrorKind::UnknownSymbol
            | TwseErrorKind::BeforeListing
            | TwseErrorKind::Delisted
    )
}

#[derive(Debug)]
pub(crate) struct Months(pub(crate) Arc<Shared>);

impl Source<MonthNode> for Months {
    async fn load(&self, node: &MonthNode) -> Result<Loaded<Held<MonthHistory>>, LoadError> {
        let Shared { market, calendar, lifetimes, .. } = &*self.0;
        let answer = market.month(&node.stock, node.month).await;
        let now = self.0.now();
        match answer {
            Ok(history) => {
                let newest = history.days.last().map(|row| row.day);
                let newest = newest.ok_or_else(|| LoadError::message("a month without a day"))?;
                let holds = lifetimes.month(calendar, node.month, newest, now);
                Ok(Loaded::new(Held::new(history, self.0.wall(), holds)).ttl(holds))
            }
            Err(error) if is_nothing(&error) => {
                Ok(Loaded::absent().ttl(lifetimes.empty_month(calendar, node.month, now)))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Quotes(pub(crate) Arc<Shared>);

impl Quotes {
    fn answer(&self, answer: Result<Quote, TwseError>) -> Result<Loaded<Held<Quote>>, LoadError> {
        let Shared { calendar, lifetimes, .. } = &*self.0;
        match answer {
            Ok(quote) => {
                let holds = lifetimes.quote(calendar, self.0.now());
                Ok(Loaded::new(Held::new(quote, self.0.wall(), holds)).ttl(holds))
            }
            Err(error) if is_nothing(&error) => Ok(Loaded::absent().ttl(UNKNOWN)),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Source<QuoteNode> for Quotes {
    async fn load(&self, node: &QuoteNode) -> Result<Loaded<Held<Quote>>, LoadError> {
        one(self.load_many(std::slice::from_ref(node)).await)
    }

    async fn load_many(&self, nodes: &[QuoteNode]) -> Vec<Result<Loaded<Held<Quote>>, LoadError>> {
        let mut answers: Vec<_> = nodes.iter().map(|_| None).collect();
        // One call for each of the two units that is asked for.
        for unit in [QuoteUnit::Lots, QuoteUnit::Shares] {
            let places = (0..nodes.len()).filter(|at| nodes[*at].unit == unit);
            let places: Vec<usize> = places.collect();
            if places.is_empty() {
                continue;
            }
            let stocks: Vec<Stock> = places.iter().map(|at| nodes[*at].stock.clone()).collect();
            let quotes = self.0.market.quotes(&stocks, unit).await;
            for (at, quote) in places.into_iter().zip(quotes) {
                answers[at] = Some(self.answer(quote));
            }
        }
        let missing = || Err(LoadError::message("the market left a stock out"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
    }
}

/// What stocks are, as their quotes say.
#[derive(Debug)]
pub(crate) struct Infos {
    pub(crate) shared: Arc<Shared>,
    pub(crate) quotes: Handle<QuoteNode>,
}

impl Source<InfoNode> for Infos {
    async fn load(&self, node: &InfoNode) -> Result<Loaded<Held<StockInfo>>, LoadError> {
        one(self.load_many(std::slice::from_ref(node)).await)
    }

    async fn load_many(
        &self,
        nodes: &[InfoNode],
    ) -> Vec<Result<Loaded<Held<StockInfo>>, LoadError>> {
        let of = |node: &InfoNode| QuoteNode { stock: node.stock.clone(), unit: QuoteUnit::Lots };
        let quotes: Vec<QuoteNode> = nodes.iter().map(of).collect();
        let answers = self.quotes.get_many(&quotes).await.into_iter().map(|answer| match answer {
            Ok(held) => {
                let Quote { stock, name, full_name, .. } = held.value.clone();
                let holds = self.shared.lifetimes.stock_data;
                let info = StockInfo { stock, name, full_name };
                Ok(Loaded::new(Held::new(info, self.shared.wall(), holds)).ttl(holds))
            }
            Err(Error::Absent { .. }) => Ok(Loaded::absent().ttl(UNKNOWN)),
            Err(error) => Err(error.into()),
        });
        answers.collect()
    }
}

/// Best four points, made of histories.
#[derive(Debug)]
pub(crate) struct Points {
    pub(crate) shared: Arc<Shared>,
    pub(crate) months: Handle<MonthNode>,
}

impl Source<PointsNode> for Points {
    async fn load(&self, node: &PointsNode) -> Result<Loaded<Held<BestFourPoints>>, LoadError> {
        let stock = &node.stock;
        let stocks = std::slice::from_ref(stock);
        let history = history::of(&self.shared, &self.months, stocks, POINTS_DAYS).await.pop();
        let missing = || LoadError::message("no answer for a stock");
        let history = history.ok_or_else(missing)?.map_err(|error| {
            let permanent = error.retry() == Retry::Never;
            let error = LoadError::from(error);
            if permanent { error.permanent() } else { error }
        })?;
        let days = &history.value;
        let points = BestFourPoints::of(days).map_err(|source| {
            LoadError::from(StockServiceError::TooFewDays { stock: stock.clone(), source })
        })?;
        let Shared { calendar, lifetimes, .. } = &*self.shared;
        let holds = match days.last() {
            Some(row) if !history.stale => {
                lifetimes.best_four_points(calendar, row.day, self.shared.now())
            }
            _ => STALE,
        };
        Ok(Loaded::new(Held::new(points, self.shared.wall(), holds)).ttl(holds))
    }
}

fn one<V>(mut answers: Vec<Result<Loaded<V>, LoadError>>) -> Result<Loaded<V>, LoadError> {
    answers.pop().unwrap_or_else(|| Err(LoadError::message("no answer for a stock")))
}
