mod feeds;
mod history;
mod pages;
mod setup;

use crate::suite::through_the_cache;

// A hole is a flat row here, and has a test of its own.
through_the_cache!(
    setup::KRAKEN:
    bug_8_all_who_wait_get_the_error,
    bug_8_every_fault_is_a_typed_error_and_passes,
    bug_9_a_hundred_readers_ask_for_each_page_once,
    bug_11_a_feed_goes_on_after_a_lost_connection,
    a_venue_that_wants_to_be_left_alone_is,
    a_feed_that_is_shut_out_waits,
    an_allowance_that_is_used_up_says_how_long,
);
