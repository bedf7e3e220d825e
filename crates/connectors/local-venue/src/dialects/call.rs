//! A call, whichever dialect it is in.

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::{Parameters, Refusal, Reply};
use crate::book::{Book, Query, Unknown};
use crate::venue::Inner;
use crate::wire::Scissors;
use crate::{Asked, Candle, Fault, Interval};

/// How an exchange is asked for candles, and answers.
pub(crate) trait Candles: Clone + Send + Sync + 'static {
    /// Under which name its calls are weighed.
    const NAME: &'static str;
    /// What a call weighs.
    const WEIGHT: u64;
    /// Over how long calls are weighed, in milliseconds of the venue's clock.
    const WINDOW_MS: i64;

    /// What a call says, as far as every exchange's calls say it.
    ///
    /// # Errors
    /// For parameters that cannot be read at all.
    fn asked(&self, parameters: &Parameters) -> Result<Asked, Refusal>;

    /// Which candles it wants.
    ///
    /// # Errors
    /// For what this exchange does not have. Whether the book has the symbol is looked at by
    /// whoever calls this.
    fn wanted(
        &self,
        asked: &Asked,
        parameters: &Parameters,
        book: &Book,
    ) -> Result<Wanted, Refusal>;

    /// The answer.
    fn answer(&self, found: &Found<'_>) -> Reply;

    /// A refusal in its words.
    fn refused(&self, refusal: &Refusal, now_ms: i64) -> Reply;
}

/// Candles of the book.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// As the symbol is listed in the book.
    pub(crate) symbol: String,
    pub(crate) interval: Interval,
    pub(crate) query: Query,
}

/// What there is to answer.
#[derive(Debug)]
pub(crate) struct Found<'call> {
    pub(crate) asked: &'call Asked,
    pub(crate) parameters: &'call Parameters,
    pub(crate) wanted: Wanted,
    /// The oldest first, with when each begins.
    pub(crate) rows: Vec<(i64, Candle)>,
    pub(crate) now_ms: i64,
    /// What is used of the allowance of this window.
    pub(crate) weight_used: u64,
}

/// The route of calls for candles.
pub(crate) fn candles<D: Candles>(dialect: D) -> MethodRouter<Arc<Inner>> {
    get(
        async move |State(inner): State<Arc<Inner>>,
                    ConnectInfo(scissors): ConnectInfo<Scissors>,
                    parameters: Parameters| {
            serve(&dialect, &inner, &scissors, &parameters).await
        },
    )
}

/// The route of calls for anything else.
pub(crate) fn other(
    answer: impl Fn(&Inner, &Parameters) -> Reply + Clone + Send + Sync + 'static,
) -> MethodRouter<Arc<Inner>> {
    get(async move |State(inner): State<Arc<Inner>>, parameters: Parameters| {
        inner.log.lock().counts.others += 1;
        answer(&inner, &parameters)
    })
}

async fn serve<D: Candles>(
    dialect: &D,
    inner: &Inner,
    scissors: &Scissors,
    parameters: &Parameters,
) -> Response {
    let asked = dialect.asked(parameters);
    inner.log.lock().asked(asked.clone().unwrap_or_default());
    let asked = match asked {
        Ok(asked) => asked,
        Err(refusal) => return dialect.refused(&refusal, inner.now_ms()).into_response(),
    };
    let (from_ms, to_ms) = (asked.from_ms.unwrap_or(0), asked.to_ms.unwrap_or(i64::MAX));
    let fault = inner.faults.lock().take(from_ms, to_ms);
    let used = inner.weigh(D::NAME, D::WEIGHT, D::WINDOW_MS);
    let failed = fault.is_some() || used.is_err();
    let mut found = used.and_then(|used| find(dialect, inner, parameters, &asked, used));
    if let Some(refusal) = fault.as_ref().and_then(Fault::refusal) {
        found = Err(refusal);
    }
    if let (Some(Fault::EmptyList), Ok(found)) = (&fault, &mut found) {
        found.rows.clear();
    }
    let reply = match &found {
        Ok(found) => dialect.answer(found),
        Err(refusal) => dialect.refused(refusal, inner.now_ms()),
    };
    {
        let mut log = inner.log.lock();
        log.counts.failed += u64::from(failed);
        // Of what breaks off nobody knows how much was read.
        if matches!(fault, None | Some(Fault::Delay(_))) {
            log.counts.rows += found.map_or(0, |found| found.rows.len() as u64);
        }
    }
    match fault {
        Some(fault) => reply.broken_by(&fault, scissors).await,
        None => reply.into_response(),
    }
}

fn find<'call, D: Candles>(
    dialect: &D,
    inner: &Inner,
    parameters: &'call Parameters,
    asked: &'call Asked,
    weight_used: u64,
) -> Result<Found<'call>, Refusal> {
    let now_ms = inner.now_ms();
    let book = inner.book.lock();
    let wanted = dialect.wanted(asked, parameters, &book)?;
    let rows = book.candles(&wanted.symbol, wanted.interval, wanted.query, now_ms);
    let rows = rows.map_err(|unknown| match unknown {
        Unknown::Symbol => Refusal::UnknownSymbol,
        Unknown::Interval => Refusal::UnknownInterval,
    })?;
    Ok(Found { asked, parameters, wanted, rows, now_ms, weight_used })
}
