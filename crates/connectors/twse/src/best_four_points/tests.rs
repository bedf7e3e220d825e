use proptest::prelude::*;
use serde_json::Value;

use super::bias::{averages, cents, continuous, pivot};
use super::*;
use crate::daily::{DayPrices, DayTrade, MonthHistory, stock_day, tpex_month, tpex_month_legacy};

/// Days of volume, open and close.
fn days(rows: &[(u64, f64, f64)]) -> Vec<DayTrade> {
    let mut day = "2024-01-01".parse::<crate::text::Day>().unwrap();
    let mut days = Vec::new();
    for (shares, open, close) in rows {
        let prices = DayPrices::checked(*open, open.max(*close), open.min(*close), *close);
        days.push(DayTrade { day, shares: *shares, value: 1, trades: 1, prices, change: None });
        day = day.tomorrow();
    }
    days
}

#[test]
fn cents_are_rounded_half_to_even_of_the_exact_number() {
    for (value, rounded) in [
        (0.125, 0.12),
        (0.375, 0.38),
        (1.005, 1.0),
        (2.675, 2.67),
        (146.805, 146.81),
        (-0.125, -0.12),
    ] {
        assert_eq!(cents(value), rounded, "{value}");
    }
    assert_eq!(averages(&[1.0, 2.0, 4.0, 4.0], 3), [2.33, 3.33]);
    assert!(averages(&[1.0], 3).is_empty());
}

#[test]
fn a_day_without_a_move_counts_as_downwards() {
    assert_eq!(continuous(&[1.0, 2.0, 3.0]), 2);
    assert_eq!(continuous(&[3.0, 2.0, 3.0]), 1);
    assert_eq!(continuous(&[1.0, 2.0, 2.0]), -1);
    assert_eq!(continuous(&[2.0, 2.0, 1.0]), -2);
    assert_eq!(continuous(&[2.0]), 0);
}

#[test]
fn a_turn_lies_one_or_two_days_back() {
    let turned = |bias: &[f64], highest| pivot(bias, highest).map(|it| (it.turned, it.days_back));
    assert_eq!(turned(&[0.1, 0.2, 0.5, 0.3, 0.1], true), Some((true, 2)));
    assert_eq!(turned(&[0.1, 0.5, 0.2, 0.3, 0.1], true), Some((false, 3)));
    assert_eq!(turned(&[0.1, 0.2, 0.3, 0.4, 0.5], true), Some((false, 0)));
    assert_eq!(turned(&[9.0, 0.1, 0.2, 0.3, 0.5, 0.4], true), Some((true, 1)), "of five alone");
    assert_eq!(turned(&[-0.5, -0.4, -0.9, -0.3, -0.1], false), Some((true, 2)));
    assert_eq!(turned(&[0.5, -0.4, -0.9, -0.3, -0.1], false), Some((false, 2)), "all below zero");
    assert_eq!(turned(&[-0.5, -0.4, -0.1, -0.3, -0.2], true), Some((false, 2)), "above zero");
    assert_eq!(
        turned(&[-0.3, -0.3, -0.3, -0.3, -0.3], false),
        Some((false, 4)),
        "the first of equals"
    );
    assert_eq!(turned(&[], true), None);
}

#[test]
fn signs_are_told_with_their_numbers_and_the_gate_holds_back() {
    // Averages of three: 10, 10, 10, 10.33; of six: 10.17.
    let flat = [(100, 10.0, 10.0); 5];
    let rise = days(&[&flat[..], &[(200, 10.0, 11.0)]].concat());
    let points = BestFourPoints::of(&rise).unwrap();
    assert_eq!((points.buy, points.sell), ([true, false, true, true], [false; 4]));
    assert_eq!(points.compat(), Some(Advice { side: Side::Buy, points: vec![1, 3, 4] }));
    assert_eq!(points.gated(), None);
    let fall = days(&[&flat[..], &[(50, 10.0, 9.0)]].concat());
    let points = BestFourPoints::of(&fall).unwrap();
    // The average fell, but it had not risen before: no turn.
    assert_eq!((points.buy, points.sell), ([false; 4], [false, true, false, true]));
    assert_eq!(points.compat(), Some(Advice { side: Side::Sell, points: vec![2, 4] }));
    // Nothing moved: no average is above the other, and not to have moved is downwards.
    let points = BestFourPoints::of(&days(&[(100, 10.0, 10.0); 6])).unwrap();
    assert_eq!((points.buy, points.sell), ([false; 4], [false; 4]));
    assert_eq!((points.compat(), points.gated()), (None, None));
}

#[test]
fn days_without_prices_are_passed_over_and_six_with_them_are_needed() {
    let mut six = days(&[(100, 10.0, 10.0); 6]);
    let whole = BestFourPoints::of(&six).unwrap();
    let last = *six.last().unwrap();
    six.insert(3, DayTrade { prices: None, shares: 7, ..last });
    assert_eq!(BestFourPoints::of(&six).unwrap(), whole);
    six.pop();
    assert_eq!(BestFourPoints::of(&six), Err(TooFewDays { days: 5 }));
    assert_eq!(BestFourPoints::of(&[]), Err(TooFewDays { days: 0 }));
}

proptest! {
    #[test]
    fn compat_says_all_that_gated_says(
        rows in prop::collection::vec((1u64..5, 900u32..1_100, 900u32..1_100), 6..30),
    ) {
        let rows: Vec<_> = rows.into_iter()
            .map(|(volume, open, close)| (volume, f64::from(open) / 100.0, f64::from(close) / 100.0))
            .collect();
        let points = BestFourPoints::of(&days(&rows)).unwrap();
        if let Some(gated) = points.gated() {
            let signs = if gated.side == Side::Buy { points.buy } else { points.sell };
            prop_assert!(gated.points.iter().all(|number| signs[usize::from(*number) - 1]));
            prop_assert!(points.compat().is_some());
        }
        // A sign and its counterpart exclude each other.
        prop_assert!((0..4).all(|sign| !(points.buy[sign] && points.sell[sign])));
    }
}

/// Scores that other programs have computed from recorded replies, in both forms.
#[test]
fn recorded_scores_are_equal_in_both_forms() {
    let Some(folder) = std::env::var_os("TIERS_TEST_TWSE_REPLIES") else { return };
    let file = |name: &str| std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
    let read = |series: &str| -> MonthHistory {
        let (name, stock) = series
            .split_once('_')
            .map(|(market, rest)| {
                let (code, month) = rest.split_once('_').unwrap();
                let market = if market == "twse" { "tse" } else { "otc" };
                ((code.to_owned(), month.to_owned()), format!("{market}_{code}").parse().unwrap())
            })
            .unwrap();
        let (code, compact) = name;
        let month = format!("{}-{}", &compact[..4], &compact[4..]).parse().unwrap();
        match (series.starts_with("twse"), compact.as_str()) {
            (true, _) => {
                stock_day(&file(&format!("twse_STOCK_DAY_{code}_{compact}.json")), &stock, month)
            }
            (false, "201505") => tpex_month_legacy(
                &file(&format!("tpex_legacy_st43_{code}_{compact}.json")),
                &stock,
                month,
            ),
            _ => tpex_month(
                &file(&format!("tpex_tradingStock_{code}_{compact}.json")),
                &stock,
                month,
            ),
        }
        .unwrap()
    };
    let names = ["量大收紅", "量縮價不跌", "三日均價由下往上", "三日均價大於六日均價"];
    let names_to_sell = ["量大收黑", "量縮價跌", "三日均價由上往下", "三日均價小於六日均價"];
    let goldens: Vec<Value> = serde_json::from_slice(&file("bfp_goldens.json")).unwrap();
    assert!(goldens.len() > 30);
    for golden in goldens {
        let days = read(golden["series"].as_str().unwrap()).days;
        let count = usize::try_from(golden["n"].as_u64().unwrap()).unwrap();
        let points = BestFourPoints::of(&days[..count]).unwrap();
        let signs = |name: &str| -> Vec<bool> {
            golden[name].as_array().unwrap().iter().map(|sign| sign.as_bool().unwrap()).collect()
        };
        assert_eq!(
            (points.buy.to_vec(), points.sell.to_vec()),
            (signs("buy"), signs("sell")),
            "{golden}"
        );
        for (name, pivot) in [("minus_bias", points.lowest), ("plus_bias", points.highest)] {
            let told = &golden[name];
            assert_eq!(told[0].as_bool(), Some(pivot.turned), "{golden}");
            assert_eq!(told[1].as_u64(), Some(pivot.days_back as u64), "{golden}");
            assert_eq!(told[2].as_f64().map(f64::to_bits), Some(pivot.value.to_bits()), "{golden}");
        }
        let told = golden["twstock_result"]
            .as_array()
            .map(|told| (told[0].as_bool().unwrap(), told[1].as_str().unwrap().to_owned()));
        let found = points.compat().map(|advice| {
            let buy = advice.side == Side::Buy;
            let names = if buy { names } else { names_to_sell };
            let names: Vec<_> =
                advice.points.iter().map(|it| names[usize::from(*it) - 1]).collect();
            (buy, names.join(", "))
        });
        assert_eq!(told, found, "{golden}");
        let side =
            points.gated().map(|advice| if advice.side == Side::Buy { "buy" } else { "sell" });
        assert_eq!(golden["gated_result"].as_str(), side, "{golden}");
    }
}
