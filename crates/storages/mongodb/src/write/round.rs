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
use crate::fence::{Fence, raise, raise_and_tell};
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
    /// Cells as they were before they were raised.
    before: HashMap<usize, u64>,
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
        let mut call = self.connection.call("write");
        let mark = match steps.iter().any(|step| step.change.raises()) {
            true => self.connection.advance(&call, false).await?.counter,
            false => 0,
        };
        let steps = self.prepare(&call, steps, mark, outcomes).await?;
        let updates = self.raise_updates(&call, &steps, mark).await?;
        let fence = self.fence_of(&mut call, &steps, &updates).await?;
        self.carry_out(&call, steps, mark, fence.as_ref(), &updates, outcomes).await
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
        let (of, written) = loop {
            let mut statements = Vec::new();
            let mut of = Vec::new();
            for step in &mut steps {
                // Anew for each try: one whose reply was lost may arrive after all the others, and
                // must not be what a publication finds that was as late.
                step.ticket = fastrand::i64(..);
                if let Some((tags, _)) = step.change.checked() {
                    let tags: Vec<_> = tags.into_iter().map(Tag::as_str).collect();
                    statements.push(announce(&step.key, &tags, step.ticket));
                    of.push(step.place);
                } else if step.change.raises_at_once() {
                    statements.push(raise(cell_of_key(&step.key), mark));
                    of.push(step.place);
                }
            }
            if statements.is_empty() {
                return Ok(steps);
            }
            let tried = self.connection.update(&call.once(), statements, false).await;
            if let Some(written) = self.connection.judge(call, &mut tries, Ok(tried)).await? {
                break (of, written);
            }
        };
        let mut failed = HashSet::new();
        for (at, error) in written.errors {
            let place = of[at];
            failed.insert(place);
            outcomes[place] = Some(Err(error));
        }
        steps.retain(|step| !failed.contains(&step.place));
        Ok(steps)
    }

    /// Looks at what updates are to replace, and raises their keys' cells, noting what those were.
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
        let cells: HashSet<usize> = updated().map(|step| cell_of_key(&step.key)).collect();
        let raised = cells.into_iter().map(|cell| async move {
            let before = raise_and_tell(&self.connection, call, cell, mark).await?;
            Ok::<_, StorageError>((cell, before))
        });
        let before = try_join_all(raised).await?.into_iter().collect();
        Ok(Updates { seen, before })
    }

    /// Reads the fence as far as the steps need it.
    async fn fence_of(
        &self,
        call: &mut Call,
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
            let cell = cell_of_key(&step.key);
            let unpassed = updates.before.get(&cell).is_some_and(|it| *it <= stamp.mark);
            let old = updates.seen.get(step.key.as_str());
            unpassed
                && fence.admits_tags(stamp, tags)
                && old.is_none_or(|seen| fence.admits_tags(stamp, &seen.tags))
        };
        let (mut certain, mut certain_of) = (Vec::new(), Vec::new());
        let (mut conditional, mut conditional_of) = (Vec::new(), Vec::new());
        for step in steps {
            let admitted = admitted(&step);
            let place = step.place;
            let (outcome, statement) = match &step.change {
                Change::Set { entry: Some(entry) } => {
                    (Outcome::Stored, set(&step.key, entry, mark))
                }
                Change::Set { entry: None } | Change::Update { entry: None, .. } => {
                    (Outcome::TooLarge, remove(&step.key, mark))
                }
                Change::Update { .. } if !admitted => (Outcome::Fenced, remove(&step.key, mark)),
                Change::Fill { .. } | Change::Put { .. } if !admitted => {
                    (Outcome::Fenced, withdraw(&step.key, step.ticket))
                }
                _ => {
                    conditional.push(under_condition(&step, mark, updates));
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

/// The statement of a step whose outcome shows in whether it finds its document.
fn under_condition(step: &Step, mark: u64, updates: &Updates) -> Document {
    let (key, ticket) = (&step.key, step.ticket);
    match &step.change {
        Change::Fill { entry, stamp } => {
            publish(key, entry, ticket, stamp.mark, Condition::NotNewer(stamp.mark))
        }
        Change::Put { entry, expected: Some(token), stamp } => {
            let condition = Condition::Expected(*token, stamp.mark);
            // It may have been made of the entry that was read, which an invalidation that has
            // raised the counter is yet to remove.
            since(0, publish(key, entry, ticket, stamp.mark, condition))
        }
        Change::Put { entry, expected: None, stamp } => {
            publish(key, entry, ticket, stamp.mark, Condition::Nothing(stamp.mark))
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
