-- Tiers, PostgreSQL storage: the log of events, version 1. Made when a backplane first uses it, where
-- tables may be made; {schema} and {table} as in the schema itself.

-- Events, numbered without holes in the order in which they become visible. An empty one marks a
-- place only. Unlogged: readers forget all they know when the server starts anew, and appends wait
-- for no disk.
CREATE UNLOGGED TABLE IF NOT EXISTS "{schema}"."{table}_events" (
    id    bigint NOT NULL,
    event bytea  NOT NULL,
    CONSTRAINT "{table}_events_id" PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_insert_scale_factor = 0.5);

-- Appends events and removes those that are more than `p_keep` behind. One at a time, each from its
-- look at the last number to its commit: who reads a number has been able to read all below it.
-- Answers the number of the last event.
CREATE OR REPLACE FUNCTION "{schema}"."{table}_append_events"(p_events bytea[], p_keep bigint)
RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_last  bigint;
    v_count bigint := coalesce(cardinality(p_events), 0);
BEGIN
    PERFORM pg_advisory_xact_lock('"{schema}"."{table}_events"'::regclass::oid::integer, 4097);
    SELECT max(e.id) INTO v_last FROM "{schema}"."{table}_events" e;
    IF v_last IS NULL THEN
        -- By the clock: a log that was emptied never goes on with numbers that were given out.
        v_last := floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
        INSERT INTO "{schema}"."{table}_events" (id, event) VALUES (v_last, '');
    END IF;
    IF v_count > 0 THEN
        INSERT INTO "{schema}"."{table}_events" (id, event)
        SELECT v_last + u.n, u.event FROM unnest(p_events) WITH ORDINALITY u (event, n);
        v_last := v_last + v_count;
        -- What came over the bound by this, and was left over by an append before.
        DELETE FROM "{schema}"."{table}_events" e
        WHERE e.id <= v_last - p_keep AND e.id > v_last - p_keep - v_count - 256;
        IF v_last % 1024 < v_count THEN
            -- At times what is older still: the bound may have been larger.
            DELETE FROM "{schema}"."{table}_events" e WHERE e.id IN (
                SELECT o.id FROM "{schema}"."{table}_events" o
                WHERE o.id <= v_last - p_keep ORDER BY o.id LIMIT 5000);
        END IF;
    END IF;
    RETURN v_last;
END $$;
