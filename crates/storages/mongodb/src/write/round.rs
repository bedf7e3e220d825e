//! One round: announce, read the fence, publish.

use std::collections::{HashMap, HashSet};

use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Tag, Tags};
use cache_core::storage::{Outcome, StorageError};
use futures_util::future::{join, try_join_all};
use mongodb::bson::{Document, RawDocument, doc};

use super::statements::{Condition, announce, publish, remove, set, since, touch, withdraw};
use super::{Change, Outcomes, Step};
use crate::connection::{Call, Find, Tries};
use crate::error::damaged;
use crate::fence::{Fence, raises};
use crate::schema::field;
use crate::storage::Shared;

/// What stands under a key before an update.
#[derive(Clone, Debug)]
struct Seen {
    token: Option<cache_core::entry::Token>,
    tags: Tags,
}

/// What became of updates' own cells, and what they saw.
#[derive(Debug, Default)]
struct Updates {
    seen: HashMap<String, Seen>,
    /// Cells that had been raised past an update's stamp before.
    passed: HashSet<usize>,
}

impl Change {
    /// What is checked by the fence: its entry's tags and its stamp.
    fn checked(&self) -> Option<(&Tags, Stamp)> {
        match self {
            Self::Fill { entry, stamp }
            | Self::Put { entry, stamp, .. }
            | Self::Update { entry: Some(entry), stamp } => Some((&entry.tags, *stamp)),
            _ => None,
        }
    }

    fn raises(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Update { .. })
    }

    /// Whether it raises its cell without asking what that was.
    fn raises_at_once(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Update { entry: None, .. })
    }

    fn is_checked_update(&self) -> bool {
        matches!(self, Self::Update { entry: Some(_), .. })
    }
}

impl Shared {
    /// Carries out a round, whose keys differ.
    pub(super) async fn round(
        &self,
        steps: Vec<Step>,
        outcomes: &mut Outcomes,
    ) -> Result<(), StorageError> {
        let call = self.connection.call("write");
        let mark = match steps.iter().any(|step| step.change.raises()) {
            true => self.connection.advance(&call, false).await?.counter,
            false => 0,
        };
        if steps.iter().all(|step| step.change.raises_at_once()) {
            return self.raise_and_store(&call, &steps, mark, outcomes).await;
        }
        let steps = self.prepare(&call, steps, mark, outcomes).await?;
        let updates = self.raise_updates(&call, &steps, mark).await?;
        let fence = self.fence_of(&call, &steps, &updates).await?;
        self.carry_out(&call, steps, mark, fence.as_ref(), &updates, outcomes).await
    }

    /// Carries out what asks for nothing, in one command: all cells are raised before anything is
    /// stored, for the order counts.
    async fn raise_and_store(
        &self,
        call: &Call,
        steps: &[Step],
        mark: u64,
        outcomes: &mut Outcomes,
    ) -> Result<(), StorageError> {
        let mut statements = raises(steps.iter().map(|step| cell_of_key(&step.key)), mark);
        let cells = statements.len();
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            let (outcome, statement) = unconditional(step, mark);
            answers.push(Ok(outcome));
            statements.push(statement);
        }
        let mut from = 0;
        while from < statements.len() {
            let written = self.connection.update(call, statements[from..].to_vec(), true).await;
            let written = match written {
                Ok(written) => written,
                Err(error) if from <= cells => return Err(error),
                Err(error) => {
                    answers[from - cells..].fill(Err(error));
                    break;
                }
            };
            for (at, error) in written.errors {
                match (from + at).checked_sub(cells) {
                    Some(at) => answers[at] = Err(error),
                    // What guards the others may not be there.
                    None => return Err(error),
                }
            }
            // One that failed keeps only itself from being stored.
            from = written.stopped_at.map_or(statements.len(), |at| from + at);
        }
        for (step, answer) in steps.iter().zip(answers) {
            outcomes[step.place] = Some(answer);
        }
        Ok(())
    }

    /// Announces what will be checked, and raises the cells of what is not. Gives the steps that
    /// did not fail.
    async fn prepare(
        &self,
        call: &Call,
        mut steps: Vec<Step>,
        mark: u64,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Step>, StorageError> {
        let mut tries = Tries::default();
        let (cells, of, written) = loop {
            let raised = steps.iter().filter(|step| step.change.raises_at_once());
            let mut statements = raises(raised.map(|step| cell_of_key(&step.key)), mark);
            let cells = statements.len();
            let mut of = Vec::new();
            for step in &mut steps {
                // Anew for each try: one whose reply was lost may arrive after all the others, and
                // must not be what a publication finds that was as late.
                step.ticket = fastrand::i64(..);
                if let Some((tags, _)) = step.change.checked() {
                    let tags: Vec<_> = tags.into_iter().map(Tag::as_str).collect();
                    statements.push(announce(&step.key, &tags, step.ticket));
                    of.push(step.place);
                }
            }
            if statements.is_empty() {
                return Ok(steps);
            }
            let tried = self.connection.update(&call.once(), statements, false).await;
            if let Some(written) = self.connection.judge(call, &mut tries, Ok(tried)).await? {
                break (cells, of, written);
            }
        };
        let mut failed = HashSet::new();
        for (at, error) in written.errors {
            // A cell that is not raised may guard any of them.
            let Some(at) = at.checked_sub(cells) else { return Err(error) };
            let place = of[at];
            failed.insert(place);
            outcomes[place] = Some(Err(error));
        }
        steps.retain(|step| !failed.contains(&step.place));
        Ok(steps)
    }

    /// Looks at what updates are to replace, and raises their keys' cells, noting which had been
    /// raised past a stamp of theirs.
    async fn raise_updates(
        &self,
        call: &Call,
        steps: &[Step],
        mark: u64,
    ) -> Result<Updates, StorageError> {
        let updated = || steps.iter().filter(|step| step.change.is_checked_update());
        let ids: Vec<_> = updated().map(|step| step.key.as_str()).collect();
        if ids.is_empty() {
            return Ok(Updates::default());
        }
        let operation = call.operation;
        let find = Find::new(doc! { "_id": { "$in": &ids } }, ids.len())
            .only(doc! { field::TOKEN: 1, field::TAGS: 1 });
        let found = self.connection.find(call, find, move |it| seen(it, operation)).await?;
        let seen = found.into_iter().collect::<Result<_, _>>()?;
        // Of several updates of one cell the oldest decides: the others are refused with it.
        let mut cells: HashMap<usize, u64> = HashMap::new();
        for step in updated() {
            let Some((_, stamp)) = step.change.checked() else { continue };
            let oldest = cells.entry(cell_of_key(&step.key)).or_insert(stamp.mark);
            *oldest = stamp.mark.min(*oldest);
        }
        let raised = cells.into_iter().map(|(cell, stamp)| async move {
            let passed = self.connection.raise_past(call, cell, stamp, mark).await?;
            Ok::<_, StorageError>(passed.then_some(cell))
        });
        let passed = try_join_all(raised).await?.into_iter().flatten().collect();
        Ok(Updates { seen, passed })
    }

    /// Reads the fence as far as the steps need it.
    async fn fence_of(
        &self,
        call: &Call,
        steps: &[Step],
        updates: &Updates,
    ) -> Result<Option<Fence>, StorageError> {
        let mut cells = Vec::new();
        let mut checked = false;
        for step in steps {
            let Some((tags, _)) = step.change.checked() else { continue };
            checked = true;
            cells.extend(tags.into_iter().map(cell_of_tag));
            if step.change.is_checked_update() {
                let old = updates.seen.get(step.key.as_str());
                cells.extend(old.iter().flat_map(|seen| &seen.tags).map(cell_of_tag));
            } else {
                cells.push(cell_of_key(&step.key));
            }
        }
        if checked { self.connection.fence(call, cells).await.map(Some) } else { Ok(None) }
    }

    /// Publishes what the fence admits, and clears away the rest.
    async fn carry_out(
        &self,
        call: &Call,
        steps: Vec<Step>,
        mark: u64,
        fence: Option<&Fence>,
        updates: &Updates,
        outcomes: &mut Outcomes,
    ) -> Result<(), StorageError> {
        let admitted = |step: &Step| {
            let Some(((tags, stamp), fence)) = step.change.checked().zip(fence) else {
                return true;
            };
            if !step.change.is_checked_update() {
                return fence.admits(stamp, &step.key, tags);
            }
            let unpassed = !updates.passed.contains(&cell_of_key(&step.key));
            let old = updates.seen.get(step.key.as_str());
            unpassed
                && fence.admits_tags(stamp, tags)
                && old.is_none_or(|seen| fence.admits_tags(stamp, &seen.tags))
        };
        // The moment at which ends are judged: as the server told it with the fence.
        let now_ms = fence.map_or(0, |fence| fence.now_ms);
        let (mut certain, mut certain_of) = (Vec::new(), Vec::new());
        let (mut conditional, mut conditional_of) = (Vec::new(), Vec::new());
        for step in steps {
            let admitted = admitted(&step);
            let place = step.place;
            let (outcome, statement) = match &step.change {
                _ if step.change.raises_at_once() => unconditional(&step, mark),
                Change::Update { .. } if !admitted => (Outcome::Fenced, remove(&step.key, mark)),
                Change::Fill { .. } | Change::Put { .. } if !admitted => {
                    (Outcome::Fenced, withdraw(&step.key, step.ticket))
                }
                _ => {
                    conditional.push(under_condition(&step, mark, now_ms, updates));
                    conditional_of.push(step);
                    continue;
                }
            };
            certain.push(statement);
            certain_of.push(place);
            outcomes[place] = Some(Ok(outcome));
        }
        let update = |statements| self.connection.update(call, statements, false);
        let (certain, conditional) = join(update(certain), update(conditional)).await;
        match certain {
            Ok(written) => {
                for (at, error) in written.errors {
                    outcomes[certain_of[at]] = Some(Err(error));
                }
            }
            Err(error) => {
                for place in certain_of {
                    outcomes[place] = Some(Err(error.clone()));
                }
            }
        }
        self.settle(call, conditional?, conditional_of, mark, outcomes).await
    }
}

/// The statement of a step that asks for nothing, and what becomes of it.
fn unconditional(step: &Step, mark: u64) -> (Outcome, Document) {
    match &step.change {
        Change::Set { entry: Some(entry) } => (Outcome::Stored, set(&step.key, entry, mark)),
        _ => (Outcome::TooLarge, remove(&step.key, mark)),
    }
}

/// The statement of a step whose outcome shows in whether it finds its document.
fn under_condition(step: &Step, mark: u64, now_ms: i64, updates: &Updates) -> Document {
    let (key, ticket) = (&step.key, step.ticket);
    match &step.change {
        Change::Fill { entry, stamp } => {
            publish(key, entry, ticket, stamp.mark, Condition::NotNewer(stamp.mark))
        }
        Change::Put { entry, expected: Some(token), stamp } => {
            let condition = Condition::Expected(*token, stamp.mark, now_ms);
            // It may have been made of the entry that was read, which an invalidation that has
            // raised the counter is yet to remove.
            since(0, publish(key, entry, ticket, stamp.mark, condition))
        }
        Change::Put { entry, expected: None, stamp } => {
            publish(key, entry, ticket, stamp.mark, Condition::Nothing(stamp.mark, now_ms))
        }
        Change::Update { entry: Some(entry), stamp } => {
            let seen = updates.seen.get(key.as_str()).and_then(|seen| seen.token);
            since(stamp.mark, publish(key, entry, ticket, mark, Condition::Seen(seen)))
        }
        Change::Touch { token, fresh_until, kept_until } => {
            touch(key, *token, *fresh_until, *kept_until)
        }
        Change::Set { .. } | Change::Update { entry: None, .. } => remove(key, mark),
    }
}

fn seen(document: &RawDocument, operation: &'static str) -> Result<(String, Seen), StorageError> {
    let key = document.get_str(field::ID).map_err(|_| damaged(operation, field::ID))?;
    let token = document.get_i64(field::TOKEN).ok();
    let token = token.map(|token| cache_core::entry::Token(token as u64));
    let mut tags = Vec::new();
    if let Ok(array) = document.get_array(field::TAGS) {
        for tag in array {
            let tag = tag.ok().and_then(|tag| tag.as_str().map(Tag::parse));
            tags.push(tag.and_then(Result::ok).ok_or_else(|| damaged(operation, field::TAGS))?);
        }
    }
    Ok((key.to_owned(), Seen { token, tags: Tags::new(tags) }))
}
