//! Replies here are made by hand in the markets' shape; what is expected was written down beside
//! them, not computed. `TIERS_TEST_TWSE_REPLIES` names a folder of recorded ones to read as well.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::text::{Day, Month};
use crate::{Market, Retry, Stock, TwseError, TwseErrorKind};

const STOCK_DAY: &str = r#"{"stat":"OK","date":"20240301","title":"113年02月 2330 台積電           各日成交資訊",
    "fields":["日期","成交股數","成交金額","開盤價","最高價","最低價","收盤價","漲跌價差","成交筆數"],
    "data":[["113/02/15","97,125,437","66,954,881,403","689.00","709.00","688.00","697.00","+48.00","145,239"],
            ["113/02/16","49,031,092","33,703,005,152","692.00","695.00","684.00","685.00","-12.00","62,028"],
            ["113/02/19","0","0","--","--","--","--","X0.00","0"],
            ["113/02/29","1,000","1,000,000","1,000.00","1,000.00","999.50","1,000.00"," 0.00","3"]],
    "notes":[],"total":4}"#;

const TPEX: &str = r#"{"tables":[{"title":"個股日成交資訊","date":"20240201",
    "data":[["113/02/15","1,257","117,125","91.80","94.10","91.80","93.50","1.70","820"],
            ["113/02/16＊","1,079","99,439","93.50","93.90","90.30","91.00","-2.50","804"],
            ["113/02/19","0","0","---","---","---","---","---","0"]],
    "fields":["日 期","成交張數","成交仟元","開盤","最高","最低","收盤","漲跌","筆數"],
    "notes":[],"totalCount":3,"summary":[]}],
    "date":"20240201","code":"6488","name":"環球晶","stat":"ok"}"#;

const LEGACY: &str = r#"{"stkNo":"6488","stkName":"\u74b0\u7403\u6676","reportDate":"113\/2","iTotalRecords":2,
    "aaData":[["113\/02\/15","1,257","117,125","91.80","94.10","91.80","93.50","1.70","820"],
              ["113\/02\/16","1,079","99,439","93.50","93.90","90.30","91.00","\u9664\u606f","804"]]}"#;

const MARKET_DAY: &str = r#"{"tables":[
    {"title":"指數","fields":["指數","收盤指數"],"data":[["加權","15,493.82"]]},
    {"title":"每日收盤行情","fields":["證券代號","證券名稱","成交股數","成交筆數","成交金額","開盤價","最高價","最低價","收盤價","漲跌(+/-)","漲跌價差","最後揭示買價"],
     "data":[["0050","元大台灣50","44,330,389","31,199","5,335,880,299","120.80","121.00","120.00","120.70","<p>X</p>","0.00","120.65"],
             ["2330","台積電","1,000","2","540,000","540.00","543.00","539.00","543.00","<p style= color:red>+</p>","40.00","542.00"],
             ["2302","麗正","500","4","7,000","14.00","14.00","13.90","13.90","<p style= color:green>-</p>","0.35","13.90"],
             ["910322","康師傅","0","0","0","--","--","--","--","<p> </p>","0.00","6.00"]]},
    {}],"stat":"OK","date":"20230130"}"#;

type Read = fn(&[u8], &Stock, Month) -> Result<MonthHistory, TwseError>;

fn listed() -> Stock {
    "tse_2330".parse().unwrap()
}

fn over_the_counter() -> Stock {
    "otc_6488".parse().unwrap()
}

fn february() -> Month {
    "2024-02".parse().unwrap()
}

fn read_listed(body: &[u8]) -> Result<MonthHistory, TwseError> {
    stock_day(body, &listed(), february())
}

#[test]
fn a_listed_stocks_month_is_read() {
    let history = read_listed(STOCK_DAY.as_bytes()).unwrap();
    assert_eq!(history.name.as_deref(), Some("台積電"));
    assert_eq!(history.days.len(), 4);
    let prices = DayPrices { open: 689.0, high: 709.0, low: 688.0, close: 697.0 };
    let first = DayTrade {
        day: "2024-02-15".parse().unwrap(),
        shares: 97_125_437,
        value: 66_954_881_403,
        trades: 145_239,
        prices: Some(prices),
        change: Some(48.0),
    };
    assert_eq!(history.days[0], first);
    assert_eq!(history.days[1].change, Some(-12.0));
    assert_eq!((history.days[2].prices, history.days[2].change), (None, None));
    assert_eq!(history.days[3].prices.map(|prices| prices.low), Some(999.5));
}

#[test]
fn lots_and_thousands_become_shares_and_dollars() {
    for (read, reply, days) in [(tpex_month as Read, TPEX, 3), (tpex_month_legacy, LEGACY, 2)] {
        let history = read(reply.as_bytes(), &over_the_counter(), february()).unwrap();
        assert_eq!(history.name.as_deref(), Some("環球晶"));
        assert_eq!(history.days.len(), days);
        let first = history.days[0];
        assert_eq!((first.shares, first.value, first.trades), (1_257_000, 117_125_000, 820));
        assert_eq!(first.prices.map(|prices| prices.high), Some(94.1));
        assert_eq!(history.days[1].day.to_string(), "2024-02-16");
        let change = if days == 3 { Some(-2.5) } else { None };
        assert_eq!(history.days[1].change, change);
    }
}

#[test]
fn a_markets_day_is_read() {
    let day: Day = "2023-01-30".parse().unwrap();
    let market = twse_market_day(MARKET_DAY.as_bytes(), day).unwrap();
    assert_eq!(market.stocks.len(), 4);
    assert_eq!(market.stocks["0050"].trade.change, None);
    assert_eq!(market.stocks["2330"].trade.change, Some(40.0));
    assert_eq!(market.stocks["2302"].trade.change, Some(-0.35));
    assert_eq!(
        (market.stocks["910322"].name.as_str(), market.stocks["910322"].trade.prices),
        ("康師傅", None)
    );
    let error = twse_market_day(MARKET_DAY.as_bytes(), day.tomorrow()).unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::Malformed);
    let columns = json!([
        "代號",
        "名稱",
        "收盤",
        "漲跌",
        "開盤",
        "最高",
        "最低",
        "均價",
        "成交股數",
        "成交金額(元)",
        "成交筆數",
        "x"
    ]);
    let rows = json!([[
        "6488",
        "環球晶",
        "500.00",
        "-1.50",
        "501.00",
        "502.00",
        "499.00",
        "500.3",
        "12,345",
        "6,000,000",
        "99",
        "1"
    ]]);
    let reply = |rows: &Value| {
        let count = rows.as_array().map_or(0, Vec::len);
        let table =
            json!({"date": "112/01/30", "totalCount": count, "fields": columns, "data": rows});
        json!({"date": "20230130", "stat": "ok", "tables": [table]}).to_string()
    };
    let market = tpex_market_day(reply(&rows).as_bytes(), day).unwrap();
    let trade = market.stocks["6488"].trade;
    assert_eq!(
        (trade.shares, trade.value, trade.trades, trade.change),
        (12_345, 6_000_000, 99, Some(-1.5))
    );
    assert_eq!(trade.prices.map(|prices| (prices.open, prices.close)), Some((501.0, 500.0)));
    let error = tpex_market_day(reply(&json!([])).as_bytes(), day).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (TwseErrorKind::NoData, Retry::Never));
}

/// Bug 8 of the model: whatever went wrong became an empty list.
#[test]
fn bug_8_nothing_is_an_error_and_says_when_to_ask_again() {
    use TwseErrorKind::*;
    for (reply, kind) in [
        (r#"{"stat":"很抱歉，沒有符合條件的資料!"}"#, NoData),
        (r#"{"stat":"查詢日期小於99年1月4日，請重新查詢!"}"#, BeforeArchive),
        (r#"{"stat":"OK"}"#, Malformed),
        (r#"{"stat":"OK","title":"113年02月 2330 台積電","fields":[],"data":[]}"#, Malformed),
        (r#"{"status":"OK"}"#, Malformed),
        ("<html><title>502</title></html>", NotJson),
        ("", Truncated),
    ] {
        assert_eq!(read_listed(reply.as_bytes()).unwrap_err().kind(), kind, "{reply}");
    }
    let empty = edited(STOCK_DAY, |reply| {
        reply["data"] = json!([]);
        reply["total"] = json!(0);
    });
    assert_eq!(read_listed(empty.as_bytes()).unwrap_err().kind(), NoData);
    let empty = edited(TPEX, |reply| {
        reply["tables"][0]["data"] = json!([]);
        reply["tables"][0]["totalCount"] = json!(0);
    });
    let error = tpex_month(empty.as_bytes(), &over_the_counter(), february()).unwrap_err();
    assert_eq!(error.kind(), NoData);
    let empty = edited(LEGACY, |reply| {
        reply["aaData"] = json!([]);
        reply["iTotalRecords"] = json!(0);
    });
    let error = tpex_month_legacy(empty.as_bytes(), &over_the_counter(), february()).unwrap_err();
    assert_eq!(error.kind(), NoData);
}

#[test]
fn a_reply_to_another_question_is_refused() {
    let march: Month = "2024-03".parse().unwrap();
    let other: Stock = "tse_2317".parse().unwrap();
    let body = STOCK_DAY.as_bytes();
    assert_eq!(stock_day(body, &other, february()).unwrap_err().kind(), TwseErrorKind::Malformed);
    assert_eq!(stock_day(body, &listed(), march).unwrap_err().kind(), TwseErrorKind::Malformed);
    let otc = Stock::new(Market::OverTheCounter, "6489").unwrap();
    for (read, body) in [(tpex_month as Read, TPEX), (tpex_month_legacy, LEGACY)] {
        assert!(read(body.as_bytes(), &otc, february()).is_err());
        assert!(read(body.as_bytes(), &over_the_counter(), march).is_err());
    }
}

fn edited(reply: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut reply: Value = serde_json::from_str(reply).unwrap();
    edit(&mut reply);
    reply.to_string()
}

/// A change to a reply after which it must not be accepted.
#[derive(Clone, Debug)]
enum Damage {
    Cell(usize, usize, String),
    DropCell(usize),
    DropRow(usize),
    RepeatRow(usize),
    SwapRows,
    DropColumn(usize),
    SwapColumns(usize),
    OtherMonth,
    HighBelowLow(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bad = prop::sample::select(vec![
        "",
        "x",
        "-5",
        "1e9",
        "12,34",
        "NaN",
        "１００",
        "0x10",
        "1.2.3",
        " 1 0",
        "99999999999999999999",
    ]);
    prop_oneof![
        (0usize..4, prop::sample::select(vec![0usize, 1, 2, 8]), bad)
            .prop_map(|(row, column, text)| Damage::Cell(row, column, text.to_owned())),
        (prop::sample::select(vec![0usize, 1, 3]), 3usize..7)
            .prop_map(|(row, column)| Damage::Cell(row, column, "--".to_owned())),
        (0usize..4).prop_map(Damage::DropCell),
        (0usize..4).prop_map(Damage::DropRow),
        (0usize..4).prop_map(Damage::RepeatRow),
        Just(Damage::SwapRows),
        (0usize..9).prop_map(Damage::DropColumn),
        (0usize..8).prop_map(Damage::SwapColumns),
        Just(Damage::OtherMonth),
        prop::sample::select(vec![0usize, 1, 3]).prop_map(Damage::HighBelowLow),
    ]
}

fn apply(reply: &mut Value, damage: &Damage) {
    let rows = reply["data"].as_array_mut().unwrap();
    match damage {
        Damage::Cell(row, column, text) => rows[*row][*column] = json!(text),
        Damage::DropCell(row) => {
            rows[*row].as_array_mut().unwrap().pop();
        }
        Damage::DropRow(row) => {
            rows.remove(*row);
        }
        Damage::RepeatRow(row) => {
            let again = rows[*row].clone();
            rows.insert(*row, again);
            reply["total"] = json!(5);
        }
        Damage::SwapRows => rows.swap(0, 1),
        Damage::DropColumn(at) => {
            reply["fields"].as_array_mut().unwrap().remove(*at);
        }
        Damage::SwapColumns(at) => reply["fields"].as_array_mut().unwrap().swap(*at, at + 1),
        Damage::OtherMonth => rows[3][0] = json!("113/03/01"),
        Damage::HighBelowLow(row) => rows[*row].as_array_mut().unwrap().swap(4, 5),
    }
}

proptest! {
    #[test]
    fn a_damaged_reply_is_an_error(damage in damage()) {
        let reply = edited(STOCK_DAY, |reply| apply(reply, &damage));
        let error = read_listed(reply.as_bytes()).expect_err("it is accepted");
        prop_assert_eq!(error.kind(), TwseErrorKind::Malformed);
        prop_assert!(matches!(error.retry(), Retry::After(_)));
    }

    #[test]
    fn half_a_reply_is_half_a_reply(cut in 1usize..STOCK_DAY.len()) {
        let error = read_listed(&STOCK_DAY.as_bytes()[..cut]).expect_err("it is accepted");
        let kind = error.kind();
        // A cut within a character leaves bytes that are no text.
        prop_assert!(matches!(kind, TwseErrorKind::Truncated | TwseErrorKind::Malformed), "{}", error);
        if std::str::from_utf8(&STOCK_DAY.as_bytes()[..cut]).is_ok() {
            prop_assert_eq!(kind, TwseErrorKind::Truncated);
        }
    }

    #[test]
    fn whatever_bytes_come_nothing_panics_and_nothing_is_empty(
        reply in prop::sample::select(vec![STOCK_DAY, TPEX, LEGACY, MARKET_DAY]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut body = reply.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for read in [stock_day as Read, tpex_month, tpex_month_legacy] {
            for stock in [listed(), over_the_counter()] {
                if let Ok(history) = read(&body, &stock, february()) {
                    prop_assert!(!history.days.is_empty());
                    prop_assert!(history.days.iter().all(|row| row.day.month() == february()));
                    prop_assert!(history.days.is_sorted_by(|one, next| one.day < next.day));
                }
            }
        }
        let day: Day = "2023-01-30".parse().unwrap();
        for read in [twse_market_day as fn(&[u8], Day) -> _, tpex_market_day] {
            if let Ok(market) = read(&body, day) {
                prop_assert!(!market.stocks.is_empty());
            }
        }
    }
}

/// Values taken from recorded replies by eye.
#[test]
fn recorded_replies_are_read() {
    let Some(folder) = std::env::var_os("TIERS_TEST_TWSE_REPLIES") else { return };
    let file = |name: &str| std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
    let may: Month = "2015-05".parse().unwrap();
    let history = stock_day(&file("twse_STOCK_DAY_2330_201505.json"), &listed(), may).unwrap();
    let last = *history.days.last().unwrap();
    assert_eq!((history.days.len(), last.shares, last.trades), (20, 61_983_862, 8_252));
    assert_eq!(last.prices, DayPrices::checked(147.0, 147.5, 145.5, 146.0));
    let later: Month = "2025-05".parse().unwrap();
    let history = stock_day(&file("twse_STOCK_DAY_2330_202505.json"), &listed(), later).unwrap();
    assert_eq!(history.days[9].prices, DayPrices::checked(1000.0, 1000.0, 993.0, 993.0));
    let stock = "otc_6223".parse().unwrap();
    let legacy = file("tpex_legacy_st43_6223_201505.json");
    let history = tpex_month_legacy(&legacy, &stock, may).unwrap();
    let sixth = history.days[5];
    assert_eq!((history.days.len(), sixth.shares, sixth.value), (20, 3_400_000, 294_740_000));
    assert_eq!((sixth.change, sixth.trades), (Some(-6.3), 2_031));
    let stock = "otc_2926".parse().unwrap();
    let history = tpex_month(&file("tpex_tradingStock_2926_202505.json"), &stock, later).unwrap();
    assert_eq!((history.days.len(), history.name.as_deref()), (11, Some("誠品生活")));
    assert_eq!(history.days[2].value, 1_330_000);
    let day: Day = "2023-01-30".parse().unwrap();
    let market = twse_market_day(&file("twse_MI_INDEX_all_20230130.json"), day).unwrap();
    assert_eq!(market.stocks.len(), 1_182);
    let first = &market.stocks["0051"].trade;
    assert_eq!((first.shares, first.trades, first.change), (61_870, 199, Some(1.35)));
    let no_data = file("tpex_dailyclose_no_data.json");
    let error = tpex_market_day(&no_data, "2023-01-01".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::NoData);
    let error = stock_day(&file("twse_no_data.json"), &listed(), may).unwrap_err();
    assert_eq!(error.kind(), TwseErrorKind::NoData);
}
