//! The fence where the suite cannot reach: counters that fell back, snapshots older than the counter
//! they tell, removals in parts.

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, Write, WriteAction};

use super::{Database, change, fill, key, read, set, stamp, store, tag, value, write};

/// Stamps given before a restore from a dump stay of no use after it.
pub async fn a_counter_that_fell_back_passes_the_stamps_that_it_gave<D: Database>(url: &str) {
    let chosen = D::options(url, "");
    let storage = D::open(chosen.clone()).await.unwrap();
    let mut admin = D::connect(url).await;
    let (key, other) = (key("fell"), key("cell"));
    let selector = Selector::Keys(vec![other.clone()]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    let before = stamp(&storage, &key).await;
    // As a restore from a dump leaves it.
    change::<D>(&mut admin, &chosen, D::FALL_BACK).await;
    let late = fill(&key, value(&key, "late", &[]), before);
    assert_eq!(write(&storage, late.clone()).await.unwrap(), Outcome::Fenced, "of another life");
    // A cell above the counter does not refuse for ever.
    change::<D>(&mut admin, &chosen, D::FALL_BACK).await;
    let fallen = stamp(&storage, &other).await;
    let refused = write(&storage, fill(&other, value(&other, "x", &[]), fallen)).await.unwrap();
    assert_eq!(refused, Outcome::Fenced);
    let now = stamp(&storage, &other).await;
    assert!(now.mark >= before.mark, "{} is below {}", now.mark, before.mark);
    store(&storage, vec![fill(&other, value(&other, "y", &[]), now)]).await;
    storage.invalidate(&Selector::Keys(vec![key.clone()]), InvalidationMode::Remove).await.unwrap();
    assert_eq!(write(&storage, late).await.unwrap(), Outcome::Fenced, "passed by its removal");
    storage.close().await.unwrap();
}

/// What is found is no newer by its stamp than the read that found it.
pub async fn an_entry_that_was_found_has_no_stamp_newer_than_its_read<D: Database>(url: &str) {
    let chosen = D::options(url, "");
    let storage = D::open(chosen.clone()).await.unwrap();
    let (key, mut other) = (key("snapshot"), D::connect(url).await);
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    let set_at = stamp(&storage, &key).await;
    // Raised while the read was on its way, as far as it can know.
    change::<D>(&mut other, &chosen, D::ADVANCE).await;
    let found = storage.get(&key).await.unwrap();
    assert!(found.entry.is_some());
    assert_eq!(found.stamp, set_at, "a stamp of later than the read began");
    let missed = storage.get(&super::key("missed")).await.unwrap();
    assert!(missed.stamp.mark > set_at.mark, "a miss has the stamp of now");
    // From now on it is known.
    assert_eq!(storage.get(&key).await.unwrap().stamp, missed.stamp);
    storage.close().await.unwrap();
}

/// A removal in several transactions finds each entry once.
pub async fn a_large_removal_takes_all_that_is_older_and_nothing_that_is_newer<D: Database>(
    url: &str,
) {
    let storage = D::open(D::options(url, "&timeout=60s")).await.unwrap();
    let tags = [tag("many")];
    for part in 0..13 {
        let batch = (0..D::LARGE_BATCH).map(|at| {
            let key = key(&format!("many:{part}-{at}"));
            let entry = value(&key, "x", &tags);
            set(&key, entry)
        });
        store(&storage, batch.collect()).await;
    }
    let pattern = KeyPattern::new("p", Glob::parse("many:?-*").unwrap(), Some("v1"));
    let (pattern, any) = (Selector::Pattern(pattern), Selector::AnyTag(tags.to_vec()));
    for (selector, mode, expected) in [
        (&pattern, InvalidationMode::Expire, 10 * D::LARGE_BATCH),
        (&pattern, InvalidationMode::Remove, 10 * D::LARGE_BATCH),
        (&any, InvalidationMode::Remove, 3 * D::LARGE_BATCH),
    ] {
        let invalidated = storage.invalidate(selector, mode).await.unwrap();
        assert_eq!(invalidated.entries, expected, "{mode:?} {selector:?}");
    }
    assert_eq!(storage.stats().await.unwrap().entries, 0);
    storage.close().await.unwrap();
}

/// What a load brought bears the load's stamp, whether it is sent with others of its kind or beside
/// other writes, and whatever it takes the place of.
pub async fn a_fill_is_stored_under_its_own_stamp_however_it_is_sent<D: Database>(url: &str) {
    let chosen = D::options(url, "");
    let storage = D::open(chosen.clone()).await.unwrap();
    let mut admin = D::connect(url).await;
    let (key, other) = (key("own"), key("beside"));
    let lowest = format!("SELECT min(stamp) FROM {}", D::table(&chosen));
    for beside in [vec![], vec![set(&other, value(&other, "x", &[]))]] {
        let before = stamp(&storage, &key).await;
        store(&storage, vec![fill(&key, value(&key, "before", &[tag("t")]), before)]).await;
        change::<D>(&mut admin, &chosen, D::ADVANCE).await;
        let after = stamp(&storage, &key).await;
        assert!(after.mark > before.mark);
        let mut batch = vec![fill(&key, value(&key, "after", &[]), after)];
        batch.extend(beside);
        let writes = batch.len();
        store(&storage, batch).await;
        let found = D::number(&mut admin, &lowest).await;
        assert_eq!(found as u64, after.mark, "with {writes} writes");
    }
    storage.close().await.unwrap();
}

/// Writes of one batch to one key are carried out one after the other.
pub async fn a_batch_of_all_kinds_keeps_to_its_order_on_one_cell<D: Database>(url: &str) {
    let storage = D::open(D::options(url, "")).await.unwrap();
    let key = key("order");
    let before = stamp(&storage, &key).await;
    let (first, second) = (value(&key, "first", &[]), value(&key, "second", &[]));
    let token = first.token;
    let action = |action| Write { key: key.clone(), action };
    let outcomes = storage
        .write(vec![
            fill(&key, first, before),
            action(WriteAction::PutIfUnchanged {
                entry: second,
                expected: Some(token),
                stamp: before,
            }),
            action(WriteAction::Update { entry: value(&key, "third", &[]), stamp: before }),
            fill(&key, value(&key, "late", &[]), before),
        ])
        .await
        .unwrap();
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    use Outcome::{Fenced, Stored};
    assert_eq!(outcomes, [Stored, Stored, Stored, Fenced]);
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"third");
    storage.close().await.unwrap();
}
