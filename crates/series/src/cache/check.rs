use std::sync::Arc;

use super::error::SeriesError;
use super::page::{Fetched, PageCall};
use super::patience::Patience;
use crate::row::Row;
use crate::time::Slots;

impl<R: Row> PageCall<R> {
    /// Joins the call for this page, or makes it, where it only checks what is known of `wanted`: waits
    /// for it as long as there is patience. Otherwise what is known will do for a while; if the call was
    /// sent, its answer is kept when it comes.
    pub(super) async fn check(
        self,
        wanted: Slots,
        patience: &Patience,
    ) -> Option<Result<Fetched, SeriesError>> {
        let (shared, state) = (Arc::clone(&self.shared), Arc::clone(&self.state));
        let (connection, page) = (self.connection.clone(), self.key());
        let call = self.join();
        let mark = Arc::clone(call.mark());
        // Who has waited for it in vain did so for all: nobody else waits.
        let is_late = mark.is_set();
        let waits = !is_late && patience.is_left(shared.clock.monotonic());
        if !is_late && let Some(landed) = patience.wait(&shared.clock, call.landed()).await {
            return Some(landed);
        }
        let checks = if waits { state.count_failure(page, &mark) } else { state.failures_of(page) };
        let (now, pauses) = (shared.now(Some(&connection)), &shared.options.failed);
        state.mark_failed(state.epoch(), wanted, now, pauses, checks);
        None
    }
}
