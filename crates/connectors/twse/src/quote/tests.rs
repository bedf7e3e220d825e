use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Stock, TwseErrorKind};

/// Made by hand in the market's shape: one between two trades, one after the close.
fn reply() -> Value {
    json!({
        "msgArray": [
            {"tv": "-", "s": "-", "z": "-", "a": "849.0000_850.0000_851.0000_852.0000_853.0000_",
             "b": "848.0000_847.0000_846.0000_845.0000_844.0000_", "f": "170_372_260_647_514_",
             "g": "6_50_126_107_255_", "c": "2330", "ex": "tse", "d": "20240516", "t": "10:44:54",
             "tlong": "1715827494000", "h": "856.0000", "l": "844.0000", "o": "852.0000",
             "n": "台積電", "nf": "台灣積體電路製造股份有限公司", "u": "922.0000", "v": "23350",
             "w": "756.0000", "y": "839.0000"},
            {"tv": "45", "s": "45", "z": "610.0000", "a": "-", "b": "0.0000_610.0000_609.0000_",
             "f": "-", "g": "12_7_1_", "c": "6488", "ex": "otc", "d": "20240516", "t": "13:30:00",
             "tlong": "1715837400000", "h": "610.0000", "l": "570.0000", "o": "571.0000",
             "n": "環球晶", "nf": "", "u": "610.0000", "v": "1234", "w": "500.0000", "y": "555.0000"},
        ],
        "userDelay": 5000, "rtcode": "0000", "rtmessage": "OK",
    })
}

fn asked() -> Vec<Stock> {
    ["otc_6488", "tse_9999", "tse_2330"].map(|text| text.parse().unwrap()).to_vec()
}

fn read(reply: &Value) -> Vec<Result<Quote, crate::TwseError>> {
    quotes(reply.to_string().as_bytes(), &asked(), QuoteUnit::Lots).unwrap()
}

#[test]
fn answers_stand_in_the_order_of_what_was_asked() {
    let answers = read(&reply());
    let closed = answers[0].as_ref().unwrap();
    assert_eq!((closed.last, closed.last_size, closed.volume), (Some(610.0), Some(45), Some(1234)));
    // At the limit: nobody asks, and some bid whatever it costs.
    assert!(closed.asks.is_empty() && closed.full_name.is_none());
    assert_eq!(closed.bids[0], Level { price: None, size: 12 });
    assert_eq!(closed.bids[2], Level { price: Some(609.0), size: 1 });
    let unknown = answers[1].as_ref().unwrap_err();
    assert_eq!(unknown.kind(), TwseErrorKind::UnknownSymbol);
    let open = answers[2].as_ref().unwrap();
    assert_eq!((open.last, open.last_size, open.open), (None, None, Some(852.0)));
    assert_eq!((open.bids.len(), open.asks[4].size), (5, 514));
    assert_eq!(
        (open.reference, open.limit_up, open.limit_down),
        (Some(839.0), Some(922.0), Some(756.0))
    );
    assert_eq!((open.day.to_string().as_str(), open.at_unix_ms), ("2024-05-16", 1_715_827_494_000));
    assert_eq!(open.value(), Some(848.5), "the middle between two trades");
    assert_eq!(closed.value(), Some(610.0));
}

#[test]
fn odd_lots_are_counted_by_shares() {
    let stock = [asked()[2].clone()];
    let answers = quotes(reply().to_string().as_bytes(), &stock, QuoteUnit::Shares).unwrap();
    let quote = answers[0].as_ref().unwrap();
    assert_eq!((quote.unit, quote.volume), (QuoteUnit::Shares, Some(23_350)));
}

#[test]
fn a_refusal_is_no_empty_answer() {
    let refusal = |code: &str, said: &str| {
        let reply = json!({"rtcode": code, "rtmessage": said, "msgArray": []}).to_string();
        quotes(reply.as_bytes(), &asked(), QuoteUnit::Lots).unwrap_err().kind()
    };
    assert_eq!(refusal("9999", "參數不足"), TwseErrorKind::Refused);
    assert_eq!(refusal("5001", "查無資料"), TwseErrorKind::Refused);
    assert_eq!(refusal("5002", "查詢過於頻繁"), TwseErrorKind::RateLimited);
    let shape = quotes(b"{\"rtcode\":\"0000\"}", &asked(), QuoteUnit::Lots).unwrap_err();
    assert_eq!(shape.kind(), TwseErrorKind::Malformed);
    let nobody = json!({"rtcode": "0000", "msgArray": []}).to_string();
    let answers = quotes(nobody.as_bytes(), &asked(), QuoteUnit::Lots).unwrap();
    let unknown = |answer: &Result<Quote, crate::TwseError>| {
        answer.as_ref().is_err_and(|error| error.kind() == TwseErrorKind::UnknownSymbol)
    };
    assert!(answers.iter().all(unknown));
}

#[test]
fn a_quote_that_cannot_be_read_fails_alone() {
    for (field, text) in [
        ("z", json!("abc")),
        ("z", json!("0.0000")),
        ("z", json!("857.0000")),
        ("h", json!("843.0000")),
        ("l", json!("853.0000")),
        ("u", json!("855.0000")),
        ("w", json!("845.0000")),
        ("v", json!("-5")),
        ("d", json!("20240517")),
        ("d", json!("2024")),
        ("tlong", json!("")),
        ("tlong", json!("9999999999999999999999")),
        ("n", json!("-")),
        ("a", json!("849.0000_848.0000_851.0000_852.0000_853.0000_")),
        ("b", json!("848.0000_849.0000_846.0000_845.0000_844.0000_")),
        ("a", json!("849.0000_850.0000_")),
        ("f", json!("170_372_260_647_514_9_")),
        ("g", json!("6_50_126_x_255_")),
        ("g", json!("-")),
        ("o", json!(852)),
    ] {
        let mut reply = reply();
        reply["msgArray"][0][field] = text.clone();
        let answers = read(&reply);
        let error = answers[2].as_ref().expect_err(&format!("{field} = {text} is accepted"));
        assert_eq!(error.kind(), TwseErrorKind::Malformed);
        assert!(answers[0].is_ok(), "{field} = {text}: {:?}", answers[0]);
    }
    let mut twice = reply();
    let again = twice["msgArray"][0].clone();
    twice["msgArray"].as_array_mut().unwrap().push(again);
    assert_eq!(read(&twice)[2].as_ref().unwrap_err().kind(), TwseErrorKind::Malformed);
}

proptest! {
    #[test]
    fn whatever_bytes_come_nothing_panics_and_what_is_accepted_agrees_with_itself(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut body = reply().to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if !whole {
            body.truncate(cut.index(body.len()));
        }
        let Ok(answers) = quotes(&body, &asked(), QuoteUnit::Lots) else { return Ok(()) };
        prop_assert_eq!(answers.len(), 3);
        for (quote, stock) in answers.iter().zip(asked()).filter_map(|(answer, stock)| Some((answer.as_ref().ok()?, stock))) {
            prop_assert_eq!(&quote.stock, &stock);
            prop_assert!(quote.high >= quote.low && quote.bids.len() <= 5 && quote.asks.len() <= 5);
        }
    }

    #[test]
    fn half_a_reply_is_an_error(cut in any::<prop::sample::Index>()) {
        let body = reply().to_string().into_bytes();
        let error = quotes(&body[..cut.index(body.len())], &asked(), QuoteUnit::Lots).expect_err("it is accepted");
        prop_assert!(matches!(error.kind(), TwseErrorKind::Truncated | TwseErrorKind::Malformed));
    }
}

/// Values taken from recorded replies by eye.
#[test]
fn recorded_replies_are_read() {
    let Some(folder) = std::env::var_os("TIERS_TEST_TWSE_REPLIES") else { return };
    let stock: [Stock; 1] = ["tse_2330".parse().unwrap()];
    let read = |name: &str, unit| {
        let body = std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
        quotes(&body, &stock, unit).unwrap().remove(0).unwrap()
    };
    let close = read("mis_getStockInfo_2330_close.json", QuoteUnit::Lots);
    assert_eq!(
        (close.last, close.volume, close.last_size),
        (Some(593.0), Some(18_323), Some(4_174))
    );
    assert_eq!(close.at_unix_ms, 1_703_831_400_000);
    let odd = read("mis_getOddInfo_2330.json", QuoteUnit::Shares);
    assert_eq!((odd.last, odd.volume, odd.last_size), (Some(592.0), Some(691_301), Some(4_071)));
    assert_eq!(odd.asks[1], Level { price: Some(593.0), size: 309_022 });
    for (number, volume) in [(0, 23_350), (1, 23_384), (2, 23_388)] {
        let quote = read(&format!("mis_getStockInfo_2330_intraday{number}.json"), QuoteUnit::Lots);
        assert_eq!((quote.last, quote.volume), (None, Some(volume)));
    }
}
