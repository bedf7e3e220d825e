use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TestStorage;
use super::mutant::Mutant;
use crate::backplane::{EventLog, Page, Position};
use crate::storage::{StorageError, StorageErrorKind};

/// Its log of events. Reads wait in real time, whatever clock the storage goes by.
#[async_trait]
impl EventLog for TestStorage {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        self.refuse_events_if_closed("append")?;
        self.client.log.append(events).await
    }

    async fn end(&self) -> Result<Position, StorageError> {
        self.refuse_events_if_closed("end")?;
        self.client.log.end().await
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.refuse_events_if_closed("read")?;
        let mut page = self.client.log.read(after, wait, limit).await?;
        match self.client.mutant {
            Some(Mutant::EventGapHidden) => page.gap = false,
            Some(Mutant::EventsBackwards) => page.events.reverse(),
            Some(Mutant::EventsRepeated) => page.next = after.clone(),
            Some(Mutant::EventLeftOut) if page.events.len() > 1 => _ = page.events.pop(),
            _ => {}
        }
        Ok(page)
    }
}

impl TestStorage {
    fn refuse_events_if_closed(&self, operation: &'static str) -> Result<(), StorageError> {
        if self.client.closed.load(Ordering::SeqCst) {
            let (scheme, kind) = (self.client.capabilities.scheme, StorageErrorKind::Closed);
            return Err(StorageError::new(scheme, operation, kind, "the storage is closed"));
        }
        Ok(())
    }
}
