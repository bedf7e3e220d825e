use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use cache_series::cache::{LiveRow, SeriesError, Subscription};
use cache_series::key::{Market, SeriesKey};
use cache_series::request::{Completeness, Request};
use cache_series::row::Candle;
use cache_series::session::SessionCalendar;
use cache_series::store::Scope;
use cache_series::time::{Time, Timeframe};
use tiers_local_venue::{Fault, History, Interval};

use crate::picture::{Lane, Picture, svg, terminal};
use crate::step::{Step, table, tell};
use crate::world::{World, key};
use crate::{AnyError, Arguments};

/// Monday, 13 November 2023.
const START_MS: i64 = 1_699_833_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY: i64 = 1_440;

const SPOT: &str = "BTCUSDT";
const FUTURE: &str = "BTCUSD_231124";

/// Minutes from the start on: when the symbol is listed, and what time it is.
const LISTED: i64 = DAY / 2;
const NOW: i64 = 12 * DAY + 120;
/// An outage of the venue, in which nothing was traded.
const OUTAGE: (i64, i64) = (8_000, 8_600);
/// How long the live part is heard, unheard, and heard again.
const HEARD: i64 = 30;
const UNHEARD: i64 = 10;
const HEARD_AGAIN: i64 = 6;

/// The moment so many minutes after the start.
const fn at(minute: i64) -> Time {
    Time::from_unix_ms(START_MS + minute * MINUTE_MS)
}

fn range(from: i64, to: i64) -> Request {
    Request::range(at(from), at(to))
}

/// Shows what each tier does.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    // Half an hour each night nobody trades.
    let calendar = SessionCalendar::builder("UTC0")?.weekdays(1..=7, "00:30", "00:00")?.build();
    let nights = (Scope::all().of_symbol(SPOT), calendar);
    let database = folder.path().join("history.db");
    // In the middle of a minute, so that the one before is final.
    let now_ms = START_MS + NOW * MINUTE_MS + MINUTE_MS / 2;
    let mut world = World::start(&database, now_ms, Some(nights)).await?;
    let history = history();
    world.venue.list(SPOT, history.clone());

    let minutes = key(SPOT, Market::Spot, Timeframe::Minute1)?;
    let steps = steps(&mut world, &minutes, &history, arguments.json).await?;
    let picture = picture(&world, &minutes).await?;
    if let Some(path) = &arguments.svg {
        std::fs::write(path, svg(&picture))?;
    }
    if !arguments.json {
        let coloured = std::io::stdout().is_terminal();
        println!("{}\n\n{}", table(&steps), terminal(&picture, 100, coloured));
        if let Some(path) = &arguments.svg {
            println!("the same as SVG: {}", path.display());
        }
    }
    world.close().await
}

/// Sixteen days of minutes, in one of sixteen of which nothing is traded.
fn history() -> History {
    let listed = at(LISTED).unix_ms();
    let mut history = History::generated(Interval::MINUTE, listed, 16 * DAY as usize, 42)
        .quiet(1.0 / 16.0)
        .without(at(OUTAGE.0).unix_ms(), at(OUTAGE.1).unix_ms());
    for night in 0..17 {
        let midnight = at(night * DAY).unix_ms();
        history = history.without(midnight, midnight + 30 * MINUTE_MS);
    }
    history
}

async fn steps(
    world: &mut World,
    minutes: &SeriesKey,
    history: &History,
    json: bool,
) -> Result<Vec<Step>, AnyError> {
    let mut steps = Vec::new();
    let mut done = |step: Step| {
        tell(json, &step);
        steps.push(step);
    };
    let two_days = range(5 * DAY, 7 * DAY);
    done(world.read("cold", "two days", minutes, two_days).await?.0);
    done(world.read("warm", "the same", minutes, two_days).await?.0);
    let four_days = range(4 * DAY, 8 * DAY);
    done(world.read("extended", "a day more on both sides", minutes, four_days).await?.0);
    // Far from the rest, so that a hole lies between.
    world.series(minutes)?.read(range(10 * DAY + 100, 10 * DAY + 600)).await?;
    let with_hole = range(4 * DAY, 10 * DAY + 600);
    let what = "six days, two of them a hole";
    done(world.read("hole", what, minutes, with_hole).await?.0);
    done(live(world, minutes, history).await?);
    world.restart().await?;
    done(world.read("restart", "the six days again", minutes, with_hole).await?.0);
    Ok(steps)
}

/// The history and what happens after it, with a connection that is lost in between.
async fn live(world: &World, minutes: &SeriesKey, history: &History) -> Result<Step, AnyError> {
    let before = world.venue.calls().klines;
    let began = Instant::now();
    let series = world.series(minutes)?;
    let subscription = series.subscribe(Request::last(120)).await?;
    let known = subscription.history().map_or(0, |history| history.len());

    let newest = Arc::new(AtomicI64::new(i64::MIN));
    let end = NOW + HEARD + UNHEARD + HEARD_AGAIN;
    let last = last_traded(history, end).ok_or("nothing was traded")?;
    let listening = tokio::spawn(listen(subscription, last, Arc::clone(&newest)));
    let heard = last_traded(history, NOW + HEARD).ok_or("nothing was traded")?;
    go_on(world, HEARD);
    until("the feed to be heard", || newest.load(Ordering::Acquire) >= heard).await?;

    world.venue.drop_feeds();
    until("the feed to be lost", || world.venue.feeds() == 0).await?;
    // Time goes on in small steps, in which the cache connects again; nothing is told in them.
    for _ in 0..UNHEARD * 12 {
        world.pass(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Until its pause is over, however late that began.
    until("the feed to be found again", || {
        world.pass(Duration::from_millis(5));
        world.venue.feeds() == 1
    })
    .await?;
    go_on(world, HEARD_AGAIN);
    // What the feed did not tell is final after a while, and is read.
    world.pass(Duration::from_secs(5));
    let rows = tokio::time::timeout(PATIENCE, listening).await???;
    let told = rows.len();
    let all = history.candles().range(at(NOW).unix_ms()..at(end).unix_ms()).count();
    if told != all {
        return Err(format!("{told} rows were told of, and there are {all}").into());
    }
    let what = format!(
        "{known} candles and the {told} that came after them, {UNHEARD} minutes of them unheard"
    );
    let reading = series.read(range(NOW - 60, end)).await?;
    let calls = world.venue.calls().klines - before;
    Ok(Step::new("live", what, calls, &reading, began.elapsed()))
}

/// Nothing that is waited for here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &'static str, so: impl Fn() -> bool) -> Result<(), AnyError> {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.map_err(|_| format!("waited in vain for {what}").into())
}

/// The venue goes on for so many minutes and tells of them.
fn go_on(world: &World, minutes: i64) {
    for _ in 0..minutes {
        world.venue.advance(SPOT, Interval::MINUTE, world.venue.now_ms() + MINUTE_MS);
        world.follow_venue();
    }
}

/// The slot of the last candle that is over at a minute.
fn last_traded(history: &History, minute: i64) -> Option<i64> {
    let before = history.candles().range(..at(minute).unix_ms());
    before.map(|(at, _)| at.div_euclid(MINUTE_MS)).next_back()
}

/// Rows that close, up to the one in slot `last`.
async fn listen(
    mut subscription: Subscription<Candle>,
    last: i64,
    newest: Arc<AtomicI64>,
) -> Result<Vec<LiveRow<Candle>>, SeriesError> {
    let mut rows = Vec::new();
    loop {
        let row = subscription.next().await?;
        if row.closed {
            newest.store(row.slot, Ordering::Release);
            let is_last = row.slot >= last;
            rows.push(row);
            if is_last {
                return Ok(rows);
            }
        }
    }
}

/// Reads so much more that everything there is to know is seen, and draws it.
async fn picture(world: &World, minutes: &SeriesKey) -> Result<Picture, AnyError> {
    let series = world.series(minutes)?;
    // Everything up to the third day: so it is learned since when there is anything.
    series.read(Request::until(at(2 * DAY), None)).await?;
    let failed = (at(15_440).unix_ms(), at(16_440).unix_ms());
    world.venue.fail_span(failed.0, failed.1, Fault::unavailable());
    let best_effort = range(15_500, 16_400).with_completeness(Completeness::BestEffort);
    series.read(best_effort).await?;
    world.venue.clear_faults();

    let (listed, delivered) = (at(2 * DAY).unix_ms(), at(7 * DAY).unix_ms());
    let future = History::generated(Interval::MINUTE, listed, 5 * DAY as usize, 7);
    world.venue.list(FUTURE, future);
    world.venue.deliver(FUTURE, delivered);
    let future = key(FUTURE, Market::Inverse, Timeframe::Minute1)?;
    world.series(&future)?.read(Request::until(at(NOW), None)).await?;

    let now_ms = world.venue.now_ms();
    let to = Time::from_unix_ms(now_ms - now_ms.rem_euclid(MINUTE_MS));
    let from = Time::from_unix_ms(START_MS);
    let mut lanes = Vec::new();
    for key in [minutes, &future] {
        let spans = world.series(key)?.known(from, to).await?;
        lanes.push(Lane { name: key.to_string(), spans });
    }
    let known = Request::range(from, to).with_completeness(Completeness::BestEffort).offline();
    let reading = series.read(known).await?;
    let grid = series.grid();
    let closes =
        reading.view().iter().map(|(slot, candle)| (grid.start_of(slot), candle.close)).collect();
    Ok(Picture { from, to, lanes, closes })
}
