//! What became of statements whose count alone does not tell.

use std::collections::HashMap;

use cache_core::storage::{Outcome, StorageError};
use mongodb::bson::{RawDocument, doc};

use super::statements::{remove, withdraw};
use super::{Change, Outcomes, Step};
use crate::connection::{Call, Find, Written};
use crate::read::is_kept;
use crate::schema::field;
use crate::storage::Shared;

/// What stands under a key, within its time.
#[derive(Clone, Copy, Debug)]
struct Standing {
    token: i64,
    fresh_until: i64,
}

impl Shared {
    /// Notes what became of each step. The server tells how many statements found their document,
    /// not which: where some did not, what stands is read.
    pub(super) async fn settle(
        &self,
        call: &Call,
        written: Written,
        steps: Vec<Step>,
        mark: u64,
        outcomes: &mut Outcomes,
    ) -> Result<(), StorageError> {
        // A touch finds an entry past its time, too, and does not change it.
        let all = written.matched as usize == steps.len()
            && written.changed as usize == steps.len()
            && written.errors.is_empty();
        for step in &steps {
            outcomes[step.place] = all.then_some(Ok(Outcome::Stored));
        }
        for (at, error) in written.errors {
            outcomes[steps[at].place] = Some(Err(error));
        }
        let unknown: Vec<Step> =
            steps.into_iter().filter(|step| outcomes[step.place].is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = unknown.iter().map(|step| step.key.as_str()).collect();
        let filter = doc! { "_id": { "$in": &ids }, field::STAMP: { "$exists": true } };
        let find = Find::new(filter, ids.len())
            .only(doc! { field::TOKEN: 1, field::FRESH_UNTIL: 1, field::KEPT_UNTIL: 1 })
            .timed();
        let operation = call.operation;
        let found = self.connection.find(call, find, move |it| standing(it, operation)).await?;
        let standing: HashMap<String, Standing> = found.into_iter().flatten().collect();
        let mut left_over = Vec::new();
        for step in unknown {
            let outcome = judged(&step, standing.get(step.key.as_str()));
            match step.change {
                Change::Touch { .. } => {}
                // What it found in its way is newer, or changed since it looked.
                Change::Update { .. } if outcome == Outcome::Fenced => {
                    left_over.push(remove(&step.key, mark));
                }
                _ => left_over.push(withdraw(&step.key, step.ticket)),
            }
            outcomes[step.place] = Some(Ok(outcome));
        }
        if left_over.is_empty() {
            return Ok(());
        }
        self.connection.update(call, left_over, false).await?.whole().map(drop)
    }
}

/// What became of a step, by what stands under its key after it.
fn judged(step: &Step, standing: Option<&Standing>) -> Outcome {
    let token = standing.map(|standing| standing.token);
    match &step.change {
        Change::Fill { entry, .. } | Change::Update { entry: Some(entry), .. } => {
            let ours = token == Some(entry.token.0 as i64);
            if ours { Outcome::Stored } else { Outcome::Fenced }
        }
        Change::Put { entry, expected, .. } => match token {
            Some(token) if token == entry.token.0 as i64 => Outcome::Stored,
            // What it expects is there: it was refused by an invalidation or a newer stamp.
            token if token == expected.map(|token| token.0 as i64) => Outcome::Fenced,
            _ => Outcome::ConditionFailed,
        },
        Change::Touch { token: wanted, fresh_until, .. } => match standing {
            Some(standing)
                if standing.token == wanted.0 as i64
                    && standing.fresh_until == fresh_until.unix_ms() as i64 =>
            {
                Outcome::Stored
            }
            _ => Outcome::ConditionFailed,
        },
        // These are not conditional.
        Change::Set { .. } | Change::Update { entry: None, .. } => Outcome::Fenced,
    }
}

fn standing(document: &RawDocument, operation: &'static str) -> Option<(String, Standing)> {
    if !is_kept(document, operation).ok()? {
        return None;
    }
    let key = document.get_str(field::ID).ok()?.to_owned();
    let token = document.get_i64(field::TOKEN).ok()?;
    Some((key, Standing { token, fresh_until: document.get_i64(field::FRESH_UNTIL).ok()? }))
}
