-- Tiers, SQLite storage: the log of events, version 1. Made when a backplane first uses it, where tables
-- may be made.

-- Events, numbered without holes: SQLite has one writer at a time. An empty one marks a place only.
CREATE TABLE IF NOT EXISTS "{table}_events" (
    id    INTEGER PRIMARY KEY,
    event BLOB NOT NULL
) STRICT;
