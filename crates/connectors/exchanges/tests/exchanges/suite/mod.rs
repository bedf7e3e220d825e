//! What every connector has to hold beneath the cache that it is made for, against the local venue
//! in its exchange's dialect.
//!
//! An exchange says what it is in an [`Exchange`], and names the tests in [`through_the_cache`].

mod faults;
mod feeds;
mod pages;
mod ranges;
mod world;

pub(crate) use faults::{
    a_venue_that_wants_to_be_left_alone_is, bug_8_all_who_wait_get_the_error,
    bug_8_every_fault_is_a_typed_error_and_passes,
};
pub(crate) use feeds::{
    a_feed_that_is_shut_out_waits, bug_11_a_feed_goes_on_after_a_lost_connection,
};
pub(crate) use pages::{
    a_call_asks_for_its_slots_and_is_answered_newest_first,
    an_allowance_that_is_used_up_says_how_long, the_row_that_grows_is_among_them,
};
pub(crate) use ranges::{
    bug_6_a_hole_is_asked_for_once, bug_9_a_hundred_readers_ask_for_each_page_once,
};
pub(crate) use world::{
    Exchange, MINUTE_MS, START_MS, World, at, call, range, row_of, rows, until,
};

/// Runs these tests of the suite for an exchange.
macro_rules! through_the_cache {
    ($exchange:path: $($test:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::suite::$test(&$exchange).await;
            }
        )+
    };
}

pub(crate) use through_the_cache;
