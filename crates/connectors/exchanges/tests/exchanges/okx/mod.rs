mod dialect;
mod feeds;
mod pages;
mod ranges;
mod refusals;
mod setup;

use crate::suite::through_the_cache;

through_the_cache!(
    setup::SPOT_OF_LATE:
    bug_6_a_hole_is_asked_for_once,
    bug_8_all_who_wait_get_the_error,
    bug_8_every_fault_is_a_typed_error_and_passes,
    bug_9_a_hundred_readers_ask_for_each_page_once,
    bug_11_a_feed_goes_on_after_a_lost_connection,
    a_venue_that_wants_to_be_left_alone_is,
    a_feed_that_is_shut_out_waits,
);

/// Where volumes stand in another column.
mod contracts {
    use super::setup;
    use crate::suite::through_the_cache;

    through_the_cache!(
        setup::PERPETUAL_OF_LATE:
        bug_9_a_hundred_readers_ask_for_each_page_once,
        bug_11_a_feed_goes_on_after_a_lost_connection,
    );
}
