-- Tiers, SQLite storage, schema version 2: counters, registers, locks and limits beside the entries.

-- What stands under a name; no invalidation of entries touches it.
CREATE TABLE "{table}_atomics" (
    name       TEXT    NOT NULL PRIMARY KEY,   -- prefix:name:kind
    number     INTEGER NOT NULL,               -- counter; version; token; arrival time
    value      BLOB    NOT NULL,               -- a register's bytes; a lock's owner
    until_us   INTEGER NOT NULL,               -- a lock's end, Unix microseconds
    expires_us INTEGER NOT NULL                -- past it, nothing is there; the largest: never
) STRICT, WITHOUT ROWID;

-- Clean-up finds what is past its end.
CREATE INDEX "{table}_atomics_expires" ON "{table}_atomics" (expires_us)
    WHERE expires_us < 9223372036854775807;

UPDATE "{table}_meta" SET version = 2;
