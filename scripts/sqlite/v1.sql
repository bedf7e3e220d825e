-- Tiers, SQLite storage, schema version 1. {table} is the name given by `table`.
--
-- Times are Unix milliseconds; a negative one never comes (-1: no end). 64-bit unsigned numbers
-- (id, stamp, token, checksum, origin) are kept as the signed numbers with the same bits.

-- Entries. The value stands last, so that reading any other column touches no overflow page.
CREATE TABLE "{table}" (
    id            INTEGER PRIMARY KEY,         -- XXH3-64 of the key; the key is compared as well
    expire_at     INTEGER NOT NULL,            -- past it, the entry is not there
    fresh_until   INTEGER NOT NULL,            -- past it, the entry is stale
    created_at    INTEGER NOT NULL,            -- when the value was loaded or set
    cleanup_at    INTEGER,                     -- when clean-up looks at it: not after expire_at;
                                               -- NULL: only where it never expires
    last_accessed INTEGER NOT NULL,            -- Unix microseconds, distinct within a process
    access_count  INTEGER NOT NULL DEFAULT 0,
    idle_ms       INTEGER,                     -- sliding expiry
    stamp         INTEGER NOT NULL,            -- the fence's mark under which it was stored
    token         INTEGER NOT NULL,            -- told from every other write of the key
    checksum      INTEGER NOT NULL,
    kind          INTEGER NOT NULL,            -- 0 value, 1 the source had none
    data_type     INTEGER NOT NULL,            -- codec: 0 bytes, 1 msgpack, 2 json, 3 bincode, ..
    compressed    INTEGER NOT NULL,            -- 0 no, 1 zstd, 2 lz4
    decoded_bytes INTEGER NOT NULL,            -- length of the payload before compression
    size_bytes    INTEGER NOT NULL,            -- length of the payload as stored
    key           TEXT    NOT NULL,            -- prefix:key:version
    tags          TEXT,                        -- JSON array, sorted; NULL: none
    value         BLOB    NOT NULL
) STRICT;

-- Patterns and prefixes are ranges of keys.
CREATE INDEX "{table}_key" ON "{table}" (key);
-- Clean-up finds what may have expired. An entry that is set again or renewed keeps its place here,
-- so that the index is not written each time: clean-up puts it to its new end when it comes to it.
CREATE INDEX "{table}_cleanup_at" ON "{table}" (cleanup_at) WHERE cleanup_at IS NOT NULL;
-- last_accessed changes with every write and has no index: eviction takes the oldest of a sample of
-- neighbouring ids, which as hashes are as good as random. Nothing asks by created_at or data_type.

-- Which entries bear a tag; kept in the transaction of their entry. The primary key is the index.
CREATE TABLE "{table}_tags" (
    tag TEXT    NOT NULL,                      -- prefix:tag
    id  INTEGER NOT NULL,                      -- of the entry
    PRIMARY KEY (tag, id)
) STRICT, WITHOUT ROWID;

-- The fence's cells; one that is not there was never raised.
CREATE TABLE "{table}_fence" (
    cell INTEGER PRIMARY KEY,
    mark INTEGER NOT NULL
) STRICT;

-- One row: the fence's counter and floor, the table's identity, running totals.
CREATE TABLE "{table}_meta" (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    counter       INTEGER NOT NULL,
    floor         INTEGER NOT NULL,
    origin        INTEGER NOT NULL,            -- random, made with the row
    entries       INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL,
    version       INTEGER NOT NULL,            -- of this schema
    flushed_at    INTEGER NOT NULL,
    cell_function TEXT    NOT NULL             -- how keys and tags are put onto cells
) STRICT;

INSERT INTO "{table}_meta" VALUES (
    1,
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER),
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER),
    random(), 0, 0, 1, 0, 'xxh3-64/4096'
);

-- What was done in each interval, by operation, and how large the store was at its end.
CREATE TABLE "{table}_stats" (
    id            INTEGER PRIMARY KEY,
    timestamp     INTEGER NOT NULL,
    operation     TEXT    NOT NULL,            -- get, get_many, write, invalidate
    calls         INTEGER NOT NULL,
    hits          INTEGER NOT NULL,            -- keys found
    misses        INTEGER NOT NULL,            -- keys not found
    failures      INTEGER NOT NULL,
    total_us      INTEGER NOT NULL,
    longest_us    INTEGER NOT NULL,
    entries       INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL,
    stored_bytes  INTEGER NOT NULL
) STRICT;

-- Retention removes the oldest.
CREATE INDEX "{table}_stats_timestamp" ON "{table}_stats" (timestamp);
