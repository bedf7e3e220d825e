use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::storage::{Outcome, Selector, Write, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_mixed_batch_is_answered_in_order),
        case!(writes_of_one_batch_follow_each_other),
        case!(a_large_batch_is_carried_out_whole).exclusive(),
        case!(overwriting_replaces_the_entry_and_its_tags),
        case!(a_fill_replaces_what_has_the_same_stamp),
        case!(trap_22_a_fill_does_not_replace_what_is_newer),
    ]
}

async fn a_mixed_batch_is_answered_in_order(context: Context) -> CaseResult {
    let client = context.client();
    let [filled, fenced, set, updated, put, kept, touched, untouched] =
        ["filled", "fenced", "set", "updated", "put", "kept", "touched", "untouched"]
            .map(|label| context.key(label));
    let (filled, fenced, set, updated) = (filled?, fenced?, set?, updated?);
    let (put, kept, touched, untouched) = (put?, kept?, touched?, untouched?);
    let old = client.stamp(&fenced).await?;
    client.remove_key(&fenced).await?;
    client.set(&kept, context.value(&kept, "before")).await?;
    client.set(&touched, context.value(&touched, "touched")).await?;
    let token = client.present(&touched).await?.token;
    let asked = [filled.clone(), updated.clone(), put.clone()];
    let stamps = context.storage().stamps(&asked).await?;
    ensure_eq!(stamps.len(), 3, "stamps for three keys");

    let until = context.now().after(std::time::Duration::from_secs(60));
    let touch = |token| WriteAction::Touch { token, fresh_until: until, kept_until: until };
    let value = |key| context.value(key, "after");
    let actions = vec![
        (&filled, WriteAction::Fill { entry: value(&filled), stamp: stamps[0] }, Outcome::Stored),
        (&fenced, WriteAction::Fill { entry: value(&fenced), stamp: old }, Outcome::Fenced),
        (&set, WriteAction::Set { entry: value(&set) }, Outcome::Stored),
        (
            &updated,
            WriteAction::Update { entry: value(&updated), stamp: stamps[1] },
            Outcome::Stored,
        ),
        (
            &put,
            WriteAction::PutIfUnchanged { entry: value(&put), expected: None, stamp: stamps[2] },
            Outcome::Stored,
        ),
        (
            &kept,
            WriteAction::PutIfUnchanged {
                entry: value(&kept),
                expected: None,
                stamp: client.stamp(&kept).await?,
            },
            Outcome::ConditionFailed,
        ),
        (&touched, touch(token), Outcome::Stored),
        (&untouched, touch(token), Outcome::ConditionFailed),
    ];
    let expected: Vec<Outcome> = actions.iter().map(|(_, _, outcome)| *outcome).collect();
    let writes = actions.into_iter().map(|(key, action, _)| Write { key: key.clone(), action });
    let outcomes = context.storage().write(writes.collect()).await?;
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure_eq!(outcomes, expected, "the outcomes of a mixed batch");

    let keys = [&filled, &fenced, &set, &updated, &put, &kept, &touched, &untouched];
    let payloads =
        ["after", "", "after", "after", "after", "before", "touched", ""].map(str::as_bytes);
    for (key, expected) in keys.into_iter().zip(payloads) {
        let payload = client.payload(key).await?.unwrap_or_default();
        ensure_eq!(&payload[..], expected, "the payload of {key} after the batch");
    }
    ensure_eq!(client.present(&touched).await?.kept_until, until, "the end of what was touched");
    Ok(())
}

async fn writes_of_one_batch_follow_each_other(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("twice")?;
    let stamp = client.stamp(&key).await?;
    let (first, second) = (context.value(&key, "first"), context.value(&key, "second"));
    let token = first.token;
    let until = context.now().after(std::time::Duration::from_secs(60));
    let actions = [
        WriteAction::Set { entry: first },
        WriteAction::Fill { entry: context.value(&key, "too old"), stamp },
        WriteAction::Touch { token, fresh_until: until, kept_until: until },
        WriteAction::Set { entry: second },
        WriteAction::Touch { token, fresh_until: until, kept_until: until },
    ];
    let writes = actions.into_iter().map(|action| Write { key: key.clone(), action }).collect();
    let outcomes = context.storage().write(writes).await?;
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let expected = [
        Outcome::Stored,
        Outcome::Fenced,
        Outcome::Stored,
        Outcome::Stored,
        Outcome::ConditionFailed,
    ];
    ensure_eq!(outcomes, expected, "the outcomes of writes to one key");
    ensure_eq!(
        client.payload(&key).await?.as_deref(),
        Some(&b"second"[..]),
        "what stands in the end"
    );
    Ok(())
}

async fn a_large_batch_is_carried_out_whole(context: Context) -> CaseResult {
    let tag = context.tag("batch")?;
    // Above the number of bound parameters that databases take.
    let mut keys = Vec::new();
    for number in 0..1_500 {
        keys.push(context.exact_key(&format!("batch:{number}"), "v1")?);
    }
    let stamps = context.storage().stamps(&keys).await?;
    ensure_eq!(stamps.len(), keys.len(), "stamps of a large batch");
    let writes = keys.iter().zip(stamps).map(|(key, stamp)| {
        let entry = context.tagged(key, key.as_str(), &[&tag]);
        Write { key: key.clone(), action: WriteAction::Fill { entry, stamp } }
    });
    let outcomes = context.storage().write(writes.collect()).await?;
    ensure_eq!(outcomes.len(), keys.len(), "outcomes of a large batch");
    for outcome in outcomes {
        ensure_eq!(outcome?, Outcome::Stored, "a fill in a large batch");
    }
    let held = context.client().held(&keys).await?;
    ensure_eq!(held.iter().filter(|held| **held).count(), keys.len(), "entries of a large batch");
    let removed = context.client().remove(&Selector::Keys(keys.clone())).await?;
    ensure_eq!(removed, keys.len() as u64, "entries that a large removal counts");
    let held = context.client().held(&keys).await?;
    ensure!(!held.contains(&true), "a large removal has left something");
    Ok(())
}

async fn overwriting_replaces_the_entry_and_its_tags(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("overwritten")?;
    let (old, both, new) = (context.tag("old")?, context.tag("both")?, context.tag("new")?);
    client.set(&key, context.tagged(&key, "first", &[&old, &both])).await?;
    let stamp = client.stamp(&key).await?;
    let second = context.tagged(&key, "second", &[&both, &new]);
    ensure_eq!(client.fill(&key, second, stamp).await?, Outcome::Stored, "a fill over an entry");
    ensure_eq!(
        client.remove_tag(&old).await?,
        0,
        "entries that bear a tag of what was overwritten"
    );
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"second"[..]), "what stands");
    client.set(&key, context.tagged(&key, "third", &[&new])).await?;
    ensure_eq!(client.remove_tag(&both).await?, 0, "entries that bear a tag of what was set over");
    ensure!(client.holds(&key).await?, "removed by a tag that it no longer bears");
    ensure_eq!(client.remove_tag(&new).await?, 1, "entries that bear the new tag");
    ensure!(!client.holds(&key).await?, "not removed by its new tag");
    // Written again without tags, it is out of reach for all of them.
    client.set(&key, context.value(&key, "fourth")).await?;
    client.remove(&Selector::AnyTag(vec![old, both, new])).await?;
    ensure!(client.holds(&key).await?, "removed by a tag of an entry that is long gone");
    Ok(())
}

async fn a_fill_replaces_what_has_the_same_stamp(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("again")?;
    let stamp = client.stamp(&key).await?;
    for payload in ["first", "second"] {
        let outcome = client.fill(&key, context.value(&key, payload), stamp).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill under a stamp that nothing has passed");
        let found = client.payload(&key).await?;
        ensure_eq!(found.as_deref(), Some(payload.as_bytes()), "what the fill left");
    }
    Ok(())
}

async fn trap_22_a_fill_does_not_replace_what_is_newer(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other) = (context.key("newer")?, context.tag("other")?);
    let old = client.stamp(&key).await?;
    // Raises the counter, but no cell of the key: what is refused below is refused by the entry.
    client.remove_tag(&other).await?;
    let new = client.stamp(&key).await?;
    ensure!(new.mark > old.mark, "an invalidation did not raise the counter");
    let outcome = client.fill(&key, context.value(&key, "newer"), new).await?;
    ensure_eq!(outcome, Outcome::Stored, "the newer fill");
    let outcome = client.fill(&key, context.value(&key, "older"), old).await?;
    ensure_eq!(outcome, Outcome::Fenced, "the older fill");
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"newer"[..]), "what stands");
    Ok(())
}
