use bytes::Bytes;
use url::Url;

use super::http::Http;
use super::options::{TwseOptions, TwseOptionsError, address, join};
use super::session::Session;
use crate::daily::{
    MarketDay, MonthHistory, stock_day, tpex_market_day, tpex_month, twse_market_day,
};
use crate::error::{Retry, TwseError, TwseErrorKind};
use crate::listing::Listings;
use crate::quote::{Quote, QuoteUnit, quotes};
use crate::stock::{Market, Stock};
use crate::text::{Day, Month};

/// So many stocks are asked for by one call for quotes; more are several calls.
pub const QUOTES_MAX: usize = 100;

/// Both markets.
///
/// It keeps nothing but a session, and repeats nothing but a call for quotes whose session has
/// ended. A call waits its turn by the [limiter](crate::limiter::Limiter); once a market has said
/// that it is asked too often, those that follow are held back for as long as it said.
#[derive(Debug)]
pub struct Twse {
    http: Http,
    listed: Url,
    over_the_counter: Url,
    quotes: Url,
    session: Session,
    options: TwseOptions,
}

impl Twse {
    /// A client by these options. Nothing is asked yet.
    ///
    /// # Errors
    /// [`TwseOptionsError`] if an address is none, or TLS cannot be set up.
    pub fn new(options: TwseOptions) -> Result<Self, TwseOptionsError> {
        let listed = address(&options.listed)?;
        let over_the_counter = address(&options.over_the_counter)?;
        let quotes = address(&options.quotes)?;
        let http = Http::new(&options, [&listed, &over_the_counter, &quotes])?;
        Ok(Self { http, listed, over_the_counter, quotes, session: Session::default(), options })
    }

    /// Since when stocks are traded, as the options say.
    pub fn listings(&self) -> &Listings {
        &self.options.listings
    }

    /// A stock's days in one month. One call, or none where it is known that there is nothing.
    ///
    /// # Errors
    /// [`TwseError`]; [`TwseErrorKind::NoData`] where the market has none, or what the
    /// [listings](Self::listings) say.
    pub async fn month(&self, stock: &Stock, month: Month) -> Result<MonthHistory, TwseError> {
        self.options.listings.check(stock, month)?;
        let (url, read): (_, fn(&[u8], &Stock, Month) -> _) = match stock.market() {
            Market::Listed => {
                let day = month.first_day().compact();
                let query =
                    [("date", day.as_str()), ("stockNo", stock.code()), ("response", "json")];
                (join(&self.listed, "/rwd/zh/afterTrading/STOCK_DAY", &query), stock_day)
            }
            Market::OverTheCounter => {
                let day = slashes(month.first_day());
                let query = [("code", stock.code()), ("date", day.as_str()), ("response", "json")];
                let path = "/www/zh-tw/afterTrading/tradingStock";
                (join(&self.over_the_counter, path, &query), tpex_month)
            }
        };
        let body = self.call(url, None).await?.0;
        self.note(read(&body, stock, month))
    }

    /// All stocks of a market on one day. One call.
    ///
    /// # Errors
    /// [`TwseError`]; [`TwseErrorKind::NoData`] for a day without a session.
    pub async fn market_day(&self, market: Market, day: Day) -> Result<MarketDay, TwseError> {
        match market {
            Market::Listed => {
                let date = day.compact();
                // All but warrants.
                let query = [("date", date.as_str()), ("type", "ALLBUT0999"), ("response", "json")];
                let url = join(&self.listed, "/rwd/zh/afterTrading/MI_INDEX", &query);
                let body = self.call(url, None).await?.0;
                self.note(twse_market_day(&body, day))
            }
            Market::OverTheCounter => {
                let date = slashes(day);
                let query = [("date", date.as_str()), ("response", "json")];
                let path = "/www/zh-tw/afterTrading/dailyQuotes";
                let body = self.call(join(&self.over_the_counter, path, &query), None).await?.0;
                self.note(tpex_market_day(&body, day))
            }
        }
    }

    /// Quotes of round lots, in the order of `stocks`, one answer for each. One call for each
    /// [`QUOTES_MAX`] of them, and one more where there is no session yet.
    ///
    /// # Errors
    /// For each stock on its own: [`TwseErrorKind::UnknownSymbol`] if the market does not have it,
    /// and whatever befell the call that it was part of.
    pub async fn quotes(&self, stocks: &[Stock]) -> Vec<Result<Quote, TwseError>> {
        self.quotes_in(stocks, QuoteUnit::Lots).await
    }

    /// Quotes of odd lots, as [`quotes`](Self::quotes).
    ///
    /// # Errors
    /// As [`quotes`](Self::quotes).
    pub async fn odd_lot_quotes(&self, stocks: &[Stock]) -> Vec<Result<Quote, TwseError>> {
        self.quotes_in(stocks, QuoteUnit::Shares).await
    }

    async fn quotes_in(&self, stocks: &[Stock], unit: QuoteUnit) -> Vec<Result<Quote, TwseError>> {
        let mut answers = Vec::with_capacity(stocks.len());
        for part in stocks.chunks(QUOTES_MAX) {
            match self.part(part, unit).await {
                Ok(part) => answers.extend(part),
                Err(error) => answers.extend(part.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    async fn part(
        &self,
        stocks: &[Stock],
        unit: QuoteUnit,
    ) -> Result<Vec<Result<Quote, TwseError>>, TwseError> {
        let known = self.session.current();
        let was_known = known.is_some();
        let answer = self.part_by(stocks, unit, known).await;
        match answer {
            // A session that has ended is refused in words, or by a page.
            Err(error)
                if was_known
                    && matches!(error.kind(), TwseErrorKind::Refused | TwseErrorKind::NotJson) =>
            {
                self.part_by(stocks, unit, None).await
            }
            answer => answer,
        }
    }

    async fn part_by(
        &self,
        stocks: &[Stock],
        unit: QuoteUnit,
        opened: Option<super::session::Opened>,
    ) -> Result<Vec<Result<Quote, TwseError>>, TwseError> {
        let opened = match opened {
            Some(opened) => opened,
            None => {
                let cookies = self.call(join(&self.quotes, "/stock/index.jsp", &[]), None).await?.1;
                self.session.opened(cookies)
            }
        };
        let channels: Vec<String> = stocks.iter().map(|stock| format!("{stock}.tw")).collect();
        let (channels, now) = (channels.join("|"), self.options.clock.wall().unix_ms().to_string());
        let path = match unit {
            QuoteUnit::Lots => "/stock/api/getStockInfo.jsp",
            QuoteUnit::Shares => "/stock/api/getOddInfo.jsp",
        };
        let query =
            [("ex_ch", channels.as_str()), ("json", "1"), ("delay", "0"), ("_", now.as_str())];
        let body = self.call(join(&self.quotes, path, &query), opened.cookies()).await;
        let answer = body.and_then(|(body, _)| self.note(quotes(&body, stocks, unit)));
        if answer.is_err() {
            self.session.lost(&opened);
        }
        answer
    }

    async fn call(
        &self,
        url: Url,
        cookies: Option<&str>,
    ) -> Result<(Bytes, Option<String>), TwseError> {
        self.options.limiter.acquire().await?;
        let reply = self.http.get(url, cookies).await;
        let reply = self.note(reply)?;
        Ok((reply.body, reply.cookies))
    }

    /// Holds the others back where an error concerns all.
    fn note<T>(&self, answer: Result<T, TwseError>) -> Result<T, TwseError> {
        if let Err(error) = &answer
            && error.kind().concerns_market()
            && let Retry::After(pause) = error.retry()
        {
            self.options.limiter.hold(error.kind(), pause);
        }
        answer
    }
}

fn slashes(day: Day) -> String {
    day.to_string().replace('-', "/")
}
