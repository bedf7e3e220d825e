-- Tiers, SQLite storage as an index of values that lie outside of it, version 1: what it has besides
-- v1.sql. {table} is the name given by `table`.
--
-- "{table}".value is then a reference of 24 bytes to its value (16 of its identity, 8 of its length,
-- both big-endian), or empty where the value is.

-- References that no entry holds any more. They go once what they refer to has been deleted.
CREATE TABLE "{table}_removed" (
    reference BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- In the transaction of the change itself, whatever made it.
CREATE TRIGGER "{table}_deleted" AFTER DELETE ON "{table}" WHEN length(old.value) > 0
BEGIN
    INSERT OR IGNORE INTO "{table}_removed" VALUES (old.value);
END;

CREATE TRIGGER "{table}_replaced" AFTER UPDATE OF value ON "{table}"
WHEN length(old.value) > 0 AND old.value IS NOT new.value
BEGIN
    INSERT OR IGNORE INTO "{table}_removed" VALUES (old.value);
END;
