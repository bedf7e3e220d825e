//! Listing in pages, in the order of the keys.

use std::collections::VecDeque;

use cache_core::key::{Key, Tag};
use cache_core::storage::{EntryDetails, Selector, StorageError};
use futures_util::stream::{self, BoxStream, StreamExt};
use mongodb::bson::{Document, RawDocument, doc};

use super::document::{details, is_kept};
use crate::connection::Find;
use crate::schema::field;
use crate::storage::Shared;

const OPERATION: &str = "scan";
const PAGE: usize = 500;

/// The text that comes right after all that begin with `head`, in the order of the server: that of
/// code points. `None` where nothing does.
pub(crate) fn successor(head: &str) -> Option<String> {
    let mut head = head.to_owned();
    while let Some(last) = head.pop() {
        // Over the gap of the surrogates, which are no characters.
        let next = match u32::from(last) + 1 {
            0xD800 => char::from_u32(0xE000),
            next => char::from_u32(next),
        };
        if let Some(next) = next {
            head.push(next);
            return Some(head);
        }
    }
    None
}

/// Ids that begin with `head`.
pub(crate) fn range(head: &str) -> Document {
    let mut range = doc! { "$gte": head };
    if let Some(end) = successor(head) {
        range.insert("$lt", end);
    }
    range
}

/// What is read one after the other: keys in lists, or all that a filter lets pass, in pages.
#[derive(Clone, Debug)]
pub(crate) enum Pages {
    /// These keys.
    Keys(Vec<Key>),
    /// All that begin with this.
    Head(String),
    /// All that bear the tag and none of the others.
    Tag(Tag, Vec<Tag>),
    /// All that bear these.
    AllTags(Vec<Tag>),
}

/// In what pages a selector is read.
pub(crate) fn pages_of(selector: &Selector, step: usize) -> VecDeque<Pages> {
    match selector {
        Selector::Keys(keys) => {
            let mut keys = keys.clone();
            keys.sort();
            keys.dedup();
            keys.chunks(step).map(|chunk| Pages::Keys(chunk.to_vec())).collect()
        }
        Selector::AnyTag(tags) => {
            let tag = |(at, tag): (usize, &Tag)| Pages::Tag(tag.clone(), tags[..at].to_vec());
            tags.iter().enumerate().map(tag).collect()
        }
        Selector::AllTags(tags) if tags.is_empty() => VecDeque::new(),
        Selector::AllTags(tags) => [Pages::AllTags(tags.clone())].into(),
        Selector::Pattern(pattern) => [Pages::Head(pattern.literal_head())].into(),
        Selector::Namespace(prefix) => [Pages::Head(format!("{prefix}:"))].into(),
        // A selector of a later core: nothing is listed that might not be meant.
        _ => VecDeque::new(),
    }
}

impl Pages {
    /// Which documents are meant, after `last`.
    pub(crate) fn filter(&self, last: Option<&str>) -> Document {
        let mut id = Document::new();
        let mut filter = Document::new();
        match self {
            Self::Keys(keys) => {
                let keys: Vec<_> = keys.iter().map(Key::as_str).collect();
                id.insert("$in", keys);
            }
            Self::Head(head) => id = range(head),
            Self::Tag(tag, others) => {
                let mut tags = doc! { "$eq": tag.as_str() };
                if !others.is_empty() {
                    let others: Vec<_> = others.iter().map(Tag::as_str).collect();
                    tags.insert("$nin", others);
                }
                filter.insert(field::TAGS, tags);
            }
            Self::AllTags(tags) => {
                let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
                filter.insert(field::TAGS, doc! { "$all": tags });
            }
        }
        if let Some(last) = last {
            id.insert("$gt", last);
            id.remove("$gte");
        }
        if !id.is_empty() {
            filter.insert("_id", id);
        }
        filter
    }
}

/// How far a scan has come.
struct State<'a> {
    shared: &'a Shared,
    selector: &'a Selector,
    pages: VecDeque<Pages>,
    last: Option<String>,
    ready: VecDeque<Result<EntryDetails, StorageError>>,
    over: bool,
}

impl Shared {
    pub(crate) fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let pages = pages_of(selector, PAGE);
        let ready = VecDeque::new();
        let state = State { shared: self, selector, pages, last: None, ready, over: false };
        stream::unfold(state, |mut state| async move {
            loop {
                if let Some(next) = state.ready.pop_front() {
                    return Some((next, state));
                }
                if state.over {
                    return None;
                }
                if let Err(error) = state.read_page().await {
                    state.over = true;
                    return Some((Err(error), state));
                }
            }
        })
        .boxed()
    }
}

impl State<'_> {
    async fn read_page(&mut self) -> Result<(), StorageError> {
        self.shared.ensure_open(OPERATION)?;
        let Some(page) = self.pages.front() else {
            self.over = true;
            return Ok(());
        };
        let mut filter = page.filter(self.last.as_deref());
        filter.insert(field::STAMP, doc! { "$exists": true });
        let find = Find::new(filter, PAGE)
            .only(doc! { field::PAYLOAD: 0, field::PENDING: 0 })
            .sorted(doc! { "_id": 1 })
            .limited()
            .timed()
            .for_reader();
        let call = self.shared.connection.call(OPERATION);
        let found = self
            .shared
            .connection
            .find(&call, find, |document| (super::text(document), listed(document)));
        let found = found.await.map_err(|error| self.shared.as_closed(error))?;
        let whole = found.len() >= PAGE;
        self.last = found.last().and_then(|(key, _)| key.clone());
        let meant =
            found.into_iter().filter_map(|(_, details)| details.transpose()).filter(|details| {
                // The pages of a pattern are those of its head.
                match (self.selector, details) {
                    (Selector::Pattern(pattern), Ok(details)) => pattern.matches(&details.key),
                    _ => true,
                }
            });
        self.ready.extend(meant);
        if !whole {
            self.pages.pop_front();
            self.last = None;
        }
        Ok(())
    }
}

/// What is told of a document; nothing of an entry past its time.
fn listed(document: &RawDocument) -> Result<Option<EntryDetails>, StorageError> {
    match is_kept(document, OPERATION)? {
        true => details(document, OPERATION).map(Some),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_holds_what_begins_with_its_head(head in "\\PC{0,4}", text in "\\PC{0,6}") {
            let inside = *text >= *head && successor(&head).is_none_or(|end| *text < *end);
            prop_assert_eq!(inside, text.starts_with(&head));
        }
    }

    #[test]
    fn a_head_of_last_characters_has_an_end_or_none() {
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(successor("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(successor("\u{10FFFF}"), None);
        assert_eq!(successor(""), None);
    }
}
