-- Tiers, MySQL storage: the log of events, version 1. Made when a backplane first uses it, where tables
-- may be made.

-- Events, numbered without holes in the order in which they become visible. Row 0 holds the number of
-- the last one, and is locked by an append until its commit. An empty event marks a place only.
CREATE TABLE IF NOT EXISTS `{table}_events` (
    id    BIGINT   NOT NULL,
    last  BIGINT   NOT NULL,                      -- in row 0; otherwise 0
    event LONGBLOB NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

-- By the clock: a log that was emptied never goes on with numbers that were given out.
INSERT IGNORE INTO `{table}_events` (id, last, event)
VALUES (0, TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)), '');
