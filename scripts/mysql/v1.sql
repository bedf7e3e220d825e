-- Tiers, MySQL and MariaDB storage, schema version 1. {table} is the name given by `table`.
--
-- Times are Unix milliseconds; a negative one never comes (-1: no end). 64-bit unsigned numbers
-- (stamp, token, checksum, origin) are kept as the signed numbers with the same bits. Keys and tags
-- are UTF-8, compared by their bytes. Run again, the script makes what is missing.

-- One row: the table's identity, the fence's counter, the version. It is made first and its row
-- last, so that a script that was interrupted is told from a table of something else.
CREATE TABLE IF NOT EXISTS `{table}_meta` (
    id            SMALLINT NOT NULL,              -- 1
    origin        BIGINT   NOT NULL,              -- random, made with the row
    counter       BIGINT   NOT NULL,              -- the fence's: raised by every invalidation
    version       INT      NOT NULL,              -- of this schema
    cell_function VARBINARY(32) NOT NULL,         -- how keys and tags are put onto cells
    PRIMARY KEY (id)
) ENGINE = InnoDB;

-- Entries.
CREATE TABLE IF NOT EXISTS `{table}` (
    `key`         VARBINARY(512) NOT NULL,        -- prefix:key:version
    expire_at     BIGINT   NOT NULL,              -- past it, the entry is not there
    fresh_until   BIGINT   NOT NULL,              -- past it, the entry is stale; 0: invalidated
    created_at    BIGINT   NOT NULL,              -- when the value was loaded or set
    last_accessed BIGINT   NOT NULL,              -- Unix milliseconds, written in batches
    idle_ms       BIGINT,                         -- sliding expiry
    stamp         BIGINT   NOT NULL,              -- the fence's mark under which it was stored
    token         BIGINT   NOT NULL,              -- told from every other write of the key
    checksum      BIGINT   NOT NULL,
    decoded_bytes BIGINT   NOT NULL,              -- length of the payload before compression
    size_bytes    BIGINT   NOT NULL,              -- length of the payload as stored
    kind          SMALLINT NOT NULL,              -- 0 value, 1 the source had none
    data_type     SMALLINT NOT NULL,              -- codec: 0 bytes, 1 msgpack, 2 json, 3 bincode, ..
    compressed    SMALLINT NOT NULL,              -- 0 no, 1 zstd, 2 lz4
    tags          MEDIUMBLOB,                     -- a JSON array of prefix:tag, sorted; NULL: none
    value         LONGBLOB NOT NULL,
    PRIMARY KEY (`key`),
    -- Clean-up finds what has expired.
    KEY `{table}_expire_at` (expire_at),
    -- Eviction finds what was used least recently, and counts without a look at the rows.
    KEY `{table}_last_accessed` (last_accessed, size_bytes)
) ENGINE = InnoDB;

-- Which entries bear a tag, and the fence's cell of the tag.
CREATE TABLE IF NOT EXISTS `{table}_tags` (
    tag   VARBINARY(512) NOT NULL,
    `key` VARBINARY(512) NOT NULL,
    cell  SMALLINT       NOT NULL,
    PRIMARY KEY (tag, `key`),
    KEY `{table}_tags_key` (`key`)
) ENGINE = InnoDB;

-- The fence's cells: 4,096 rows, of which a missing one refuses every fill.
CREATE TABLE IF NOT EXISTS `{table}_fence` (
    cell SMALLINT NOT NULL,
    mark BIGINT   NOT NULL,
    PRIMARY KEY (cell)
) ENGINE = InnoDB;

-- One row, held by the process whose turn it is to count and evict.
CREATE TABLE IF NOT EXISTS `{table}_totals` (
    id         SMALLINT NOT NULL,                 -- 1
    entries    BIGINT   NOT NULL,                 -- as last counted
    bytes      BIGINT   NOT NULL,                 -- of payloads
    counted_at BIGINT   NOT NULL,                 -- Unix milliseconds
    PRIMARY KEY (id)
) ENGINE = InnoDB;

INSERT IGNORE INTO `{table}_fence` (cell, mark)
WITH digits (d) AS (
    SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3
    UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7
)
SELECT a.d * 512 + b.d * 64 + c.d * 8 + d.d, 0
FROM digits a CROSS JOIN digits b CROSS JOIN digits c CROSS JOIN digits d;

INSERT IGNORE INTO `{table}_totals` (id, entries, bytes, counted_at) VALUES (1, 0, 0, 0);

INSERT IGNORE INTO `{table}_meta` (id, origin, counter, version, cell_function)
VALUES (
    1,
    CAST(CONV(LEFT(REPLACE(UUID(), '-', ''), 8), 16, 10) AS SIGNED) * 1000000007
        + FLOOR(RAND() * 1000000007),
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)),
    1,
    'xxh3-64/4096'
);
