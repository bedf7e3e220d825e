-- Tiers, MySQL and MariaDB storage, schema version 2: counters, registers, locks and limits beside
-- the entries. Run again, the script makes what is missing.

-- What stands under a name; no invalidation of entries touches it. Times are Unix microseconds.
CREATE TABLE IF NOT EXISTS `{table}_atomics` (
    name       VARBINARY(512) NOT NULL,           -- prefix:name:kind
    number     BIGINT   NOT NULL,                 -- counter; version; token; arrival time
    until_us   BIGINT   NOT NULL,                 -- a lock's end
    expires_us BIGINT   NOT NULL,                 -- past it, nothing is there; the largest: never
    value      LONGBLOB NOT NULL,                 -- a register's bytes; a lock's owner
    PRIMARY KEY (name),
    -- Clean-up finds what is past its end.
    KEY `{table}_atomics_expires` (expires_us)
) ENGINE = InnoDB;

UPDATE `{table}_meta` SET version = 2;
