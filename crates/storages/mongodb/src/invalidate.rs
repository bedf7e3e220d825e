//! Invalidations: the fence is raised, pending parts are taken away, and only then values go.
//!
//! A fill that read the fence before it was raised has its pending part in the collection by then,
//! or has published: in the first pass it loses the part, or what it published meanwhile is found
//! by the second. One pass over both could miss a document that moves from one to the other.
//!
//! The counter is raised first, so an entry may be read under a stamp that its invalidation does not
//! pass. What is put in its place by that stamp is removed with it, or finds it gone. Where the entry
//! stays, for it is only expired, it keeps its token and can be replaced still, by what was made of it
//! while it was unexpired. So all is done twice: after the second raise that is refused, and what came
//! before it is unexpired now, and is removed.

use cache_core::key::Tag;
use cache_core::storage::{Invalidated, InvalidationMode, Selector, StorageError};
use mongodb::bson::{Document, doc};

use crate::connection::{Call, Find, STEP};
use crate::fence::raises;
use crate::read::{pages_of, range, text};
use crate::schema::field;
use crate::storage::Shared;
use crate::write::is_older;

/// What an invalidated entry that is kept is fresh until. A touch tells by it that the entry was
/// invalidated since it was read, and leaves it alone.
pub(crate) const EXPIRED: i64 = 0;

impl Shared {
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        let mut call = self.connection.call("invalidate");
        let mut entries = self.raise_and_end(&mut call, selector, mode, false).await?;
        if mode == InvalidationMode::Expire {
            entries +=
                self.raise_and_end(&mut call, selector, InvalidationMode::Remove, true).await?;
        }
        Ok(Invalidated { entries })
    }

    async fn raise_and_end(
        &self,
        call: &mut Call,
        selector: &Selector,
        mode: InvalidationMode,
        again: bool,
    ) -> Result<u64, StorageError> {
        let cells = selector.cells();
        if cells.as_ref().is_some_and(Vec::is_empty) {
            return Ok(0);
        }
        let fence = self.connection.advance(call, cells.is_none()).await?;
        let mark = fence.counter;
        // In this order: what is announced after the raise reads the raised cells.
        let mut statements = raises(cells.unwrap_or_default(), mark);
        statements.extend(withdrawals(selector));
        for chunk in statements.chunks(STEP) {
            self.connection.update(call, chunk.to_vec(), true).await?.whole()?;
            self.connection.renew(call);
        }
        let mut entries = 0;
        for pages in pages_of(selector, STEP) {
            let mut last = None;
            loop {
                let mut filter = pages.filter(last.as_deref());
                // What is as new as the mark was loaded after the raise.
                filter.extend(is_older(mark));
                if again || mode == InvalidationMode::Expire {
                    filter.insert(field::FRESH_UNTIL, doc! { "$ne": EXPIRED });
                }
                if let Selector::Keys(_) = selector {
                    entries += self.end(call, filter, mode).await?;
                    self.connection.renew(call);
                    break;
                }
                let (found, meant) = self.page(call, &filter, selector).await?;
                last = found.last().cloned();
                if !meant.is_empty() {
                    let mut filter = filter;
                    filter.insert(field::ID, doc! { "$in": meant });
                    entries += self.end(call, filter, mode).await?;
                }
                self.connection.renew(call);
                if found.len() < STEP {
                    break;
                }
            }
        }
        Ok(entries)
    }

    /// Ids of one page, and which of them are meant.
    async fn page(
        &self,
        call: &Call,
        filter: &Document,
        selector: &Selector,
    ) -> Result<(Vec<String>, Vec<String>), StorageError> {
        let find = Find::new(filter.clone(), STEP)
            .only(doc! { field::ID: 1 })
            .sorted(doc! { "_id": 1 })
            .limited();
        let found = self.connection.find(call, find, text).await?;
        let found: Vec<String> = found.into_iter().flatten().collect();
        let meant = found.iter().filter(|id| match selector {
            Selector::Pattern(pattern) => {
                cache_core::key::Key::parse(id).is_ok_and(|key| pattern.matches(&key))
            }
            _ => true,
        });
        let meant = meant.cloned().collect();
        Ok((found, meant))
    }

    /// Removes or expires what matches still.
    async fn end(
        &self,
        call: &Call,
        filter: Document,
        mode: InvalidationMode,
    ) -> Result<u64, StorageError> {
        match mode {
            InvalidationMode::Remove => self.connection.delete(call, filter).await,
            InvalidationMode::Expire => {
                let update = doc! { "$set": { field::FRESH_UNTIL: EXPIRED } };
                let statement = doc! { "q": filter, "u": update, "multi": true };
                self.connection.update(call, vec![statement], true).await?.whole()
            }
        }
    }
}

/// The statements that take away pending parts.
fn withdrawals(selector: &Selector) -> Vec<Document> {
    let texts =
        |tags: &[Tag]| -> Vec<String> { tags.iter().map(|tag| tag.as_str().to_owned()).collect() };
    let all = || doc! { "$unset": { field::PENDING: "" } };
    let some = |tags: Document| doc! { "$pull": { field::PENDING: { "tags": tags } } };
    let statement = |q: Document, u: Document| doc! { "q": q, "u": u, "multi": true };
    match selector {
        Selector::Keys(keys) => keys
            .chunks(STEP)
            .map(|keys| {
                let keys: Vec<_> = keys.iter().map(cache_core::key::Key::as_str).collect();
                let q = doc! { "_id": { "$in": keys }, field::PENDING: { "$exists": true } };
                statement(q, all())
            })
            .collect(),
        Selector::AnyTag(tags) => {
            let any = doc! { "$in": texts(tags) };
            vec![statement(doc! { field::PENDING_TAGS: any.clone() }, some(any))]
        }
        Selector::AllTags(tags) => {
            let every = doc! { "$all": texts(tags) };
            let q = doc! { field::PENDING: { "$elemMatch": { "tags": every.clone() } },
            field::PENDING_TAGS: texts(tags).first().cloned().unwrap_or_default() };
            vec![statement(q, some(every))]
        }
        // The floor is raised: whatever is on its way in this cache is refused.
        Selector::Pattern(pattern) => {
            let q = doc! { field::PENDING_TAGS: pattern.prefix(), "_id": range(&pattern.literal_head()) };
            vec![statement(q, all())]
        }
        Selector::Namespace(prefix) => {
            vec![statement(doc! { field::PENDING_TAGS: prefix.as_str() }, all())]
        }
        _ => Vec::new(),
    }
}
