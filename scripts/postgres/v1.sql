-- Tiers, PostgreSQL storage, schema version 1. {schema} and {table} are the names given by `schema`
-- and `table`; {persistence} is UNLOGGED where the entries may be lost in a crash of the server.
--
-- Times are Unix milliseconds; a negative one never comes (-1: no end). 64-bit unsigned numbers
-- (stamp, token, checksum, origin) are kept as the signed numbers with the same bits.

-- Entries. Keys are compared by their bytes, so that patterns and prefixes are ranges of the index.
CREATE {persistence} TABLE "{schema}"."{table}" (
    expire_at     bigint   NOT NULL,           -- past it, the entry is not there
    fresh_until   bigint   NOT NULL,           -- past it, the entry is stale; 0: invalidated
    created_at    bigint   NOT NULL,           -- when the value was loaded or set
    last_accessed bigint   NOT NULL,           -- Unix milliseconds, written in batches
    idle_ms       bigint,                      -- sliding expiry
    stamp         bigint   NOT NULL,           -- the fence's mark under which it was stored
    token         bigint   NOT NULL,           -- told from every other write of the key
    checksum      bigint   NOT NULL,
    decoded_bytes bigint   NOT NULL,           -- length of the payload before compression
    size_bytes    bigint   NOT NULL,           -- length of the payload as stored
    kind          smallint NOT NULL,           -- 0 value, 1 the source had none
    data_type     smallint NOT NULL,           -- codec: 0 bytes, 1 msgpack, 2 json, 3 bincode, ..
    compressed    smallint NOT NULL,           -- 0 no, 1 zstd, 2 lz4
    key           text COLLATE "C" NOT NULL,   -- prefix:key:version
    tags          text[] COLLATE "C",          -- prefix:tag, sorted; NULL: none
    tag_cells     smallint[],                  -- the fence's cells of the tags
    value         bytea    NOT NULL,
    CONSTRAINT "{table}_key" PRIMARY KEY (key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);

-- Payloads are compressed by the cache or not worth it.
ALTER TABLE "{schema}"."{table}" ALTER COLUMN value SET STORAGE EXTERNAL;

-- Clean-up finds what has expired; what never does is not in it.
CREATE INDEX "{table}_expire_at" ON "{schema}"."{table}" (expire_at) WHERE expire_at >= 0;
-- Eviction finds what was used least recently.
CREATE INDEX "{table}_last_accessed" ON "{schema}"."{table}" (last_accessed);
-- Invalidation finds what bears a tag. No list of pending entries, which every search would read.
CREATE INDEX "{table}_tags" ON "{schema}"."{table}" USING gin (tags)
    WITH (fastupdate = off) WHERE tags IS NOT NULL;

-- The fence's cells: 4,096 rows, of which a missing one refuses every fill. Logged in any case.
CREATE TABLE "{schema}"."{table}_fence" (
    mark bigint   NOT NULL,
    cell smallint NOT NULL,
    CONSTRAINT "{table}_fence_cell" PRIMARY KEY (cell)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- One row: the table's identity, the fence's floor, the version.
CREATE TABLE "{schema}"."{table}_meta" (
    origin        bigint   NOT NULL,           -- random, made with the row
    floor         bigint   NOT NULL,           -- no fill with an older stamp
    version       integer  NOT NULL,           -- of this schema
    id            smallint NOT NULL CHECK (id = 1),
    cell_function text     NOT NULL,           -- how keys and tags are put onto cells
    CONSTRAINT "{table}_meta_id" PRIMARY KEY (id)
) WITH (fillfactor = 50);

-- The fence's counter. A sequence, since a row would be locked by every change until its commit,
-- and keep a version of every change as long as any transaction of the server is open.
CREATE SEQUENCE "{schema}"."{table}_counter" AS bigint;

-- Raises the counter past every stamp handed out so far, to the time in microseconds at least
-- (less 10 ms): a counter that fell back, with a crash or a restore, passes what it had given.
CREATE FUNCTION "{schema}"."{table}_advance"() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_mark bigint := nextval('"{schema}"."{table}_counter"');
    v_now  bigint := floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
BEGIN
    IF v_mark < v_now - 10000 THEN
        -- One at a time. Meanwhile others only add one each: fewer than 10,000 of them.
        PERFORM pg_advisory_xact_lock('"{schema}"."{table}"'::regclass::oid::integer, 4096);
        v_now := floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
        v_mark := nextval('"{schema}"."{table}_counter"');
        IF v_mark < v_now - 10000 THEN
            v_mark := setval('"{schema}"."{table}_counter"', v_now);
        END IF;
    END IF;
    RETURN v_mark;
END $$;

-- Raises cells, never lowers them. A cell that is missing is made, and with it all others that are.
CREATE FUNCTION "{schema}"."{table}_raise_cells"(p_mark bigint, p_cells smallint[])
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_found bigint;
BEGIN
    -- In one order; what deadlocks all the same is tried again.
    WITH named AS MATERIALIZED (
        SELECT DISTINCT c.cell FROM unnest(p_cells) c (cell) ORDER BY c.cell
    ), raised AS (
        UPDATE "{schema}"."{table}_fence" f SET mark = greatest(f.mark, p_mark)
        FROM named n WHERE f.cell = n.cell RETURNING 1
    )
    SELECT count(*) INTO v_found FROM raised;
    IF v_found < (SELECT count(DISTINCT c) FROM unnest(p_cells) c) THEN
        INSERT INTO "{schema}"."{table}_fence" AS f (cell, mark)
        SELECT c, p_mark FROM generate_series(0, 4095) c
        ON CONFLICT (cell) DO NOTHING;
    END IF;
END $$;

-- An invalidation's first step: waits for the writes that have passed the fence, and raises the
-- counter, then the cells, or the floor if `p_cells` is null. What it names is removed afterwards.
CREATE FUNCTION "{schema}"."{table}_raise"(p_stripes integer[], p_cells smallint[])
RETURNS TABLE (o_mark bigint, o_origin bigint) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock('"{schema}"."{table}"'::regclass::oid::integer, s)
    FROM unnest(p_stripes) s;
    o_mark := "{schema}"."{table}_advance"();
    IF p_cells IS NOT NULL THEN
        PERFORM "{schema}"."{table}_raise_cells"(o_mark, p_cells);
    ELSE
        INSERT INTO "{schema}"."{table}_meta" AS m (id, origin, floor, version, cell_function)
        VALUES (1, hashtextextended(gen_random_uuid()::text, 0), o_mark, 1, 'xxh3-64/4096')
        ON CONFLICT (id) DO UPDATE SET floor = greatest(m.floor, excluded.floor);
    END IF;
    SELECT m.origin # (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
    INTO o_origin FROM "{schema}"."{table}_meta" m WHERE m.id = 1;
    RETURN NEXT;
END $$;

-- A batch of writes, fenced. Arrays hold one element for each write; writes to one key stand in
-- parts (`p_wave`) that are carried out one after the other.
--
-- Actions: 0 fill, 1 set, 2 update, 3 put if unchanged, 4 touch, 5 remove for a value too large.
-- Outcomes: 0 stored, 1 fenced, 2 too large, 3 condition failed. The first row tells counter and
-- origin, the others what became of a write; a fill without a row was fenced, a touch without one
-- did not find its entry, and a set is always stored.
--
-- Advisory locks, shared among writes and exclusive to invalidations, order the check of the fence
-- against its raise; each statement sees what was committed before it began.
CREATE FUNCTION "{schema}"."{table}_write"(
    p_stripes integer[], p_exclusive boolean, p_raises boolean, p_waves smallint,
    p_wave smallint[], p_action smallint[], p_key text[], p_cell smallint[],
    p_mark bigint[], p_origin bigint[], p_expected bigint[],
    p_expire_at bigint[], p_fresh_until bigint[], p_created_at bigint[], p_idle_ms bigint[],
    p_token bigint[], p_checksum bigint[], p_decoded_bytes bigint[],
    p_kind smallint[], p_data_type smallint[], p_compressed smallint[],
    p_tags text[], p_tag_cells text[], p_value bytea[],
    p_cell_at bigint[], p_cells smallint[]
)
RETURNS TABLE (o_wave smallint, o_key text, o_outcome smallint, o_counter bigint, o_origin bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_now     bigint;
    v_floor   bigint;
    v_origin  bigint;
    v_counter bigint;
    v_mark    bigint;
    v_fills   bigint;
    v_stored  text[];
    v_put     text[];
    v_refused bigint[];
    v_passed  bigint[];
    v_raised  smallint[];
    v_missing boolean;
    v_highest bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'writes need the isolation level READ COMMITTED'
        USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF NOT p_raises THEN
        -- A fill that a crash of the server loses is loaded again.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF p_exclusive THEN
        PERFORM pg_advisory_xact_lock('"{schema}"."{table}"'::regclass::oid::integer, s)
        FROM unnest(p_stripes) s;
    ELSE
        PERFORM pg_advisory_xact_lock_shared('"{schema}"."{table}"'::regclass::oid::integer, s)
        FROM unnest(p_stripes) s;
    END IF;

    v_now := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    SELECT m.floor, m.origin # (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
    INTO v_floor, v_origin FROM "{schema}"."{table}_meta" m WHERE m.id = 1;
    IF NOT FOUND THEN
        -- Without an identity nothing that was loaded before is taken.
        v_mark := "{schema}"."{table}_advance"();
        INSERT INTO "{schema}"."{table}_meta" (id, origin, floor, version, cell_function)
        VALUES (1, hashtextextended(gen_random_uuid()::text, 0), v_mark, 1, 'xxh3-64/4096')
        ON CONFLICT (id) DO NOTHING;
        v_floor := 9223372036854775807;
    END IF;
    SELECT c.last_value INTO v_counter FROM "{schema}"."{table}_counter" c;
    IF p_raises THEN
        v_mark := "{schema}"."{table}_advance"();
    END IF;
    RETURN QUERY SELECT (-1)::smallint, NULL::text, NULL::smallint,
                        greatest(v_counter, v_mark), v_origin;

    FOR v_wave IN 0 .. p_waves - 1 LOOP
        v_stored := NULL;
        v_put := NULL;

        -- Which writes the cells refuse, by their numbers: found once, for a condition in each
        -- statement would be looked at for every pair of a write and a cell.
        SELECT coalesce(array_agg(c.at), ARRAY[]::bigint[]) INTO v_refused
        FROM unnest(p_cell_at, p_cells) c (at, cell)
        LEFT JOIN "{schema}"."{table}_fence" f ON f.cell = c.cell
        WHERE p_wave[c.at] = v_wave AND (f.mark IS NULL OR f.mark > p_mark[c.at]);

        -- Fills.
        SELECT count(*) INTO v_fills FROM unnest(p_wave, p_action) n (wave, action)
        WHERE n.wave = v_wave AND n.action = 0;
        IF v_fills > 0 THEN
            WITH stored AS (
                INSERT INTO "{schema}"."{table}" AS e (
                    expire_at, fresh_until, created_at, last_accessed, idle_ms, stamp, token,
                    checksum, decoded_bytes, size_bytes, kind, data_type, compressed, key, tags,
                    tag_cells, value
                )
                SELECT n.expire_at, n.fresh_until, n.created_at, v_now, n.idle_ms, n.mark, n.token,
                       n.checksum, n.decoded_bytes, length(n.value), n.kind, n.data_type,
                       n.compressed, n.key, n.tags::text[], n.tag_cells::smallint[], n.value
                FROM unnest(
                    p_wave, p_action, p_key, p_mark, p_origin, p_expire_at, p_fresh_until,
                    p_created_at, p_idle_ms, p_token, p_checksum, p_decoded_bytes, p_kind,
                    p_data_type, p_compressed, p_tags, p_tag_cells, p_value
                ) WITH ORDINALITY n (
                    wave, action, key, mark, origin, expire_at, fresh_until,
                    created_at, idle_ms, token, checksum, decoded_bytes, kind,
                    data_type, compressed, tags, tag_cells, value, at
                )
                WHERE n.wave = v_wave AND n.action = 0 AND n.origin = v_origin
                  AND n.mark BETWEEN v_floor AND v_counter
                  AND n.at <> ALL (v_refused)
                ORDER BY n.key
                ON CONFLICT (key) DO UPDATE SET
                    expire_at = excluded.expire_at, fresh_until = excluded.fresh_until,
                    created_at = excluded.created_at, last_accessed = excluded.last_accessed,
                    idle_ms = excluded.idle_ms, stamp = excluded.stamp, token = excluded.token,
                    checksum = excluded.checksum, decoded_bytes = excluded.decoded_bytes,
                    size_bytes = excluded.size_bytes, kind = excluded.kind,
                    data_type = excluded.data_type, compressed = excluded.compressed,
                    tags = excluded.tags, tag_cells = excluded.tag_cells, value = excluded.value
                WHERE e.stamp <= excluded.stamp OR e.expire_at BETWEEN 0 AND v_now
                RETURNING e.key
            )
            SELECT array_agg(s.key) INTO v_stored FROM stored s;
            IF v_stored IS NOT NULL THEN
                RETURN QUERY SELECT v_wave::smallint, k, 0::smallint, NULL::bigint, NULL::bigint
                             FROM unnest(v_stored) k;
            END IF;
            IF coalesce(cardinality(v_stored), 0) < v_fills THEN
                -- Refused. A fence that lost its rows, or a counter that fell back, is mended, or
                -- it would refuse for ever.
                SELECT bool_or(f.cell IS NULL), max(f.mark) INTO v_missing, v_highest
                FROM unnest(p_cells) c
                LEFT JOIN "{schema}"."{table}_fence" f ON f.cell = c;
                IF v_missing THEN
                    PERFORM "{schema}"."{table}_raise_cells"(
                        "{schema}"."{table}_advance"(), p_cells
                    );
                ELSIF v_highest > v_counter AND v_highest > "{schema}"."{table}_advance"() THEN
                    PERFORM pg_advisory_xact_lock(
                        '"{schema}"."{table}"'::regclass::oid::integer, 4096
                    );
                    PERFORM setval('"{schema}"."{table}_counter"', v_highest)
                    FROM "{schema}"."{table}_counter" c WHERE c.last_value < v_highest;
                END IF;
            END IF;
        END IF;

        -- Puts on a condition: where nothing is expected, and where an entry is. What takes the
        -- place of an entry may be made of it, and has no newer stamp: an invalidation that was
        -- raised before that was read, and has not come to it yet, removes what stands there. It
        -- would not find what no longer bears the tag that it names; that is refused.
        IF 3 = ANY (p_action) THEN
            WITH stored AS (
                INSERT INTO "{schema}"."{table}" AS e (
                    expire_at, fresh_until, created_at, last_accessed, idle_ms, stamp, token,
                    checksum, decoded_bytes, size_bytes, kind, data_type, compressed, key, tags,
                    tag_cells, value
                )
                SELECT n.expire_at, n.fresh_until, n.created_at, v_now, n.idle_ms, n.mark, n.token,
                       n.checksum, n.decoded_bytes, length(n.value), n.kind, n.data_type,
                       n.compressed, n.key, n.tags::text[], n.tag_cells::smallint[], n.value
                FROM unnest(
                    p_wave, p_action, p_key, p_mark, p_origin, p_expected, p_expire_at,
                    p_fresh_until, p_created_at, p_idle_ms, p_token, p_checksum, p_decoded_bytes,
                    p_kind, p_data_type, p_compressed, p_tags, p_tag_cells, p_value
                ) WITH ORDINALITY n (
                    wave, action, key, mark, origin, expected, expire_at,
                    fresh_until, created_at, idle_ms, token, checksum, decoded_bytes,
                    kind, data_type, compressed, tags, tag_cells, value, at
                )
                WHERE n.wave = v_wave AND n.action = 3 AND n.expected IS NULL
                  AND n.origin = v_origin AND n.mark BETWEEN v_floor AND v_counter
                  AND n.at <> ALL (v_refused)
                ORDER BY n.key
                ON CONFLICT (key) DO UPDATE SET
                    expire_at = excluded.expire_at, fresh_until = excluded.fresh_until,
                    created_at = excluded.created_at, last_accessed = excluded.last_accessed,
                    idle_ms = excluded.idle_ms, stamp = excluded.stamp, token = excluded.token,
                    checksum = excluded.checksum, decoded_bytes = excluded.decoded_bytes,
                    size_bytes = excluded.size_bytes, kind = excluded.kind,
                    data_type = excluded.data_type, compressed = excluded.compressed,
                    tags = excluded.tags, tag_cells = excluded.tag_cells, value = excluded.value
                WHERE e.expire_at BETWEEN 0 AND v_now
                RETURNING e.key
            ), replaced AS (
                UPDATE "{schema}"."{table}" e SET
                    expire_at = n.expire_at, fresh_until = n.fresh_until,
                    created_at = n.created_at, last_accessed = v_now, idle_ms = n.idle_ms,
                    token = n.token, checksum = n.checksum,
                    decoded_bytes = n.decoded_bytes, size_bytes = length(n.value), kind = n.kind,
                    data_type = n.data_type, compressed = n.compressed, tags = n.tags::text[],
                    tag_cells = n.tag_cells::smallint[], value = n.value
                FROM unnest(
                    p_wave, p_action, p_key, p_mark, p_origin, p_expected, p_expire_at,
                    p_fresh_until, p_created_at, p_idle_ms, p_token, p_checksum, p_decoded_bytes,
                    p_kind, p_data_type, p_compressed, p_tags, p_tag_cells, p_value
                ) WITH ORDINALITY n (
                    wave, action, key, mark, origin, expected, expire_at,
                    fresh_until, created_at, idle_ms, token, checksum, decoded_bytes,
                    kind, data_type, compressed, tags, tag_cells, value, at
                )
                WHERE n.wave = v_wave AND n.action = 3 AND e.key = n.key AND e.token = n.expected
                  AND e.expire_at NOT BETWEEN 0 AND v_now AND e.stamp <= n.mark
                  AND n.origin = v_origin AND n.mark BETWEEN v_floor AND v_counter
                  AND n.at <> ALL (v_refused)
                  AND NOT EXISTS (
                      SELECT 1 FROM unnest(e.tags, e.tag_cells) t (tag, cell)
                      LEFT JOIN "{schema}"."{table}_fence" f ON f.cell = t.cell
                      WHERE t.tag <> ALL (coalesce(n.tags::text[], ARRAY[]::text[]))
                        AND (f.mark IS NULL OR f.mark > e.stamp)
                  )
                RETURNING e.key
            )
            SELECT array_agg(s.key) INTO v_put
            FROM (SELECT s.key FROM stored s UNION ALL SELECT r.key FROM replaced r) s;
            RETURN QUERY
            SELECT v_wave::smallint, n.key,
                   -- What stands there already was put by this same call, whose answer was lost.
                   (CASE WHEN n.key = ANY (v_put) OR e.token = n.token THEN 0
                         WHEN e.token IS NOT DISTINCT FROM n.expected THEN 1
                         ELSE 3 END)::smallint,
                   NULL::bigint, NULL::bigint
            FROM unnest(p_wave, p_action, p_key, p_expected, p_token)
                n (wave, action, key, expected, token)
            LEFT JOIN "{schema}"."{table}" e
                ON e.key = n.key AND e.expire_at NOT BETWEEN 0 AND v_now
            WHERE n.wave = v_wave AND n.action = 3;
        END IF;

        -- A set may have come and gone between check and write, with its entry removed since:
        -- all of this is undone and tried again.
        IF (v_stored IS NOT NULL OR v_put IS NOT NULL) AND EXISTS (
            SELECT 1 FROM unnest(p_wave, p_action, p_cell, p_mark, p_origin)
                WITH ORDINALITY n (wave, action, cell, mark, origin, at)
            JOIN "{schema}"."{table}_fence" f ON f.cell = n.cell AND f.mark > n.mark
            WHERE n.wave = v_wave AND n.action IN (0, 3) AND n.at <> ALL (v_refused)
              AND n.origin = v_origin AND n.mark BETWEEN v_floor AND v_counter
        ) THEN
            RAISE EXCEPTION 'a fill was overtaken by a change' USING ERRCODE = 'serialization_failure';
        END IF;

        -- Touches.
        IF 4 = ANY (p_action) THEN
            RETURN QUERY
            UPDATE "{schema}"."{table}" e
            SET fresh_until = n.fresh_until, expire_at = n.expire_at
            FROM unnest(p_wave, p_action, p_key, p_token, p_fresh_until, p_expire_at)
                n (wave, action, key, token, fresh_until, expire_at)
            WHERE n.wave = v_wave AND n.action = 4 AND e.key = n.key AND e.token = n.token
              AND e.expire_at NOT BETWEEN 0 AND v_now AND e.fresh_until <> 0
            RETURNING v_wave::smallint, e.key, 0::smallint, NULL::bigint, NULL::bigint;
        END IF;

        IF NOT p_raises THEN
            CONTINUE;
        END IF;

        -- Updates: which of them may be stored. Those that raise stand alone on their stripes.
        v_passed := NULL;
        IF 2 = ANY (p_action) THEN
            SELECT array_agg(n.at) INTO v_passed
            FROM unnest(p_wave, p_action, p_key, p_mark, p_origin)
                WITH ORDINALITY n (wave, action, key, mark, origin, at)
            LEFT JOIN "{schema}"."{table}" e
                ON e.key = n.key AND e.expire_at NOT BETWEEN 0 AND v_now
            WHERE n.wave = v_wave AND n.action = 2 AND n.origin = v_origin
              AND n.mark BETWEEN v_floor AND v_counter AND n.at <> ALL (v_refused)
              AND NOT EXISTS (
                  SELECT 1 FROM unnest(e.tag_cells) c (cell)
                  LEFT JOIN "{schema}"."{table}_fence" f ON f.cell = c.cell
                  WHERE f.mark IS NULL OR f.mark > n.mark
              );
        END IF;
        v_passed := coalesce(v_passed, ARRAY[]::bigint[]);

        SELECT array_agg(n.cell) INTO v_raised
        FROM unnest(p_wave, p_action, p_cell) n (wave, action, cell)
        WHERE n.wave = v_wave AND n.action IN (1, 2, 5);
        IF v_raised IS NOT NULL THEN
            PERFORM "{schema}"."{table}_raise_cells"(v_mark, v_raised);
        END IF;

        INSERT INTO "{schema}"."{table}" AS e (
            expire_at, fresh_until, created_at, last_accessed, idle_ms, stamp, token,
            checksum, decoded_bytes, size_bytes, kind, data_type, compressed, key, tags,
            tag_cells, value
        )
        SELECT n.expire_at, n.fresh_until, n.created_at, v_now, n.idle_ms, v_mark, n.token,
               n.checksum, n.decoded_bytes, length(n.value), n.kind, n.data_type,
               n.compressed, n.key, n.tags::text[], n.tag_cells::smallint[], n.value
        FROM unnest(
            p_wave, p_action, p_key, p_expire_at, p_fresh_until, p_created_at, p_idle_ms,
            p_token, p_checksum, p_decoded_bytes, p_kind, p_data_type, p_compressed, p_tags,
            p_tag_cells, p_value
        ) WITH ORDINALITY n (
            wave, action, key, expire_at, fresh_until, created_at, idle_ms,
            token, checksum, decoded_bytes, kind, data_type, compressed, tags,
            tag_cells, value, at
        )
        WHERE n.wave = v_wave
          AND (n.action = 1 OR (n.action = 2 AND n.at = ANY (v_passed)))
        ORDER BY n.key
        ON CONFLICT (key) DO UPDATE SET
            expire_at = excluded.expire_at, fresh_until = excluded.fresh_until,
            created_at = excluded.created_at, last_accessed = excluded.last_accessed,
            idle_ms = excluded.idle_ms, stamp = excluded.stamp, token = excluded.token,
            checksum = excluded.checksum, decoded_bytes = excluded.decoded_bytes,
            size_bytes = excluded.size_bytes, kind = excluded.kind,
            data_type = excluded.data_type, compressed = excluded.compressed,
            tags = excluded.tags, tag_cells = excluded.tag_cells, value = excluded.value;
        IF cardinality(v_passed) > 0 THEN
            RETURN QUERY
            SELECT v_wave::smallint, n.key, 0::smallint, NULL::bigint, NULL::bigint
            FROM unnest(p_wave, p_key) WITH ORDINALITY n (wave, key, at)
            WHERE n.at = ANY (v_passed);
        END IF;

        -- What gave way, or is too large, leaves nothing.
        IF p_exclusive THEN
            WITH gone AS MATERIALIZED (
                SELECT n.key FROM unnest(p_wave, p_action, p_key)
                    WITH ORDINALITY n (wave, action, key, at)
                WHERE n.wave = v_wave
                  AND (n.action = 5 OR (n.action = 2 AND n.at <> ALL (v_passed)))
            )
            DELETE FROM "{schema}"."{table}" e USING gone WHERE e.key = gone.key;
            RETURN QUERY
            SELECT v_wave::smallint, n.key, (CASE WHEN n.action = 5 THEN 2 ELSE 1 END)::smallint,
                   NULL::bigint, NULL::bigint
            FROM unnest(p_wave, p_action, p_key) WITH ORDINALITY n (wave, action, key, at)
            WHERE n.wave = v_wave
              AND (n.action = 5 OR (n.action = 2 AND n.at <> ALL (v_passed)));
        END IF;
    END LOOP;
END $$;

INSERT INTO "{schema}"."{table}_fence" (cell, mark) SELECT c, 0 FROM generate_series(0, 4095) c;

SELECT setval(
    '"{schema}"."{table}_counter"', floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint
);

INSERT INTO "{schema}"."{table}_meta" (id, origin, floor, version, cell_function)
SELECT 1, hashtextextended(gen_random_uuid()::text, 0), c.last_value, 1, 'xxh3-64/4096'
FROM "{schema}"."{table}_counter" c;

-- How many entries there are and the bytes of their payloads: counted in a small table, estimated
-- from a sample of its pages in a large one.
CREATE FUNCTION "{schema}"."{table}_totals"(OUT o_entries bigint, OUT o_bytes bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_pages   bigint := pg_relation_size('"{schema}"."{table}"'::regclass)
                        / current_setting('block_size')::bigint;
    v_percent double precision;
BEGIN
    IF v_pages <= 2000 THEN
        SELECT count(*), coalesce(sum(e.size_bytes), 0)::bigint INTO o_entries, o_bytes
        FROM "{schema}"."{table}" e;
    ELSE
        v_percent := 100.0 * 1000 / v_pages;
        SELECT (count(*) * 100 / v_percent)::bigint,
               (coalesce(sum(e.size_bytes), 0) * 100 / v_percent)::bigint
        INTO o_entries, o_bytes
        FROM "{schema}"."{table}" e TABLESAMPLE SYSTEM (v_percent);
    END IF;
END $$;

-- Evicts up to `p_limit` of the entries that are over a bound, those used least recently first;
-- tells how many more there are. One process at a time: another finds nothing to do.
CREATE FUNCTION "{schema}"."{table}_evict"(
    p_entries bigint, p_bytes bigint, p_limit bigint,
    OUT o_evicted bigint, OUT o_bytes bigint, OUT o_left bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_entries bigint;
    v_bytes   bigint;
    v_over    bigint;
BEGIN
    o_evicted := 0;
    o_bytes := 0;
    o_left := 0;
    IF NOT pg_try_advisory_xact_lock('"{schema}"."{table}"'::regclass::oid::integer, 4097) THEN
        RETURN;
    END IF;
    SELECT t.o_entries, t.o_bytes INTO v_entries, v_bytes FROM "{schema}"."{table}_totals"() t;
    v_over := greatest(
        v_entries - p_entries,
        CASE WHEN v_bytes > p_bytes
             THEN ceil((v_bytes - p_bytes) / (v_bytes::numeric / greatest(v_entries, 1)))::bigint
             ELSE 0 END,
        0
    );
    o_left := v_over;
    IF v_over = 0 OR p_limit = 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH oldest AS MATERIALIZED (
        SELECT e.key FROM "{schema}"."{table}" e ORDER BY e.last_accessed
        LIMIT least(v_over, p_limit) FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM "{schema}"."{table}" e USING oldest WHERE e.key = oldest.key
        RETURNING e.size_bytes
    )
    SELECT count(*), coalesce(sum(g.size_bytes), 0)::bigint INTO o_evicted, o_bytes FROM gone g;
    o_left := greatest(v_over - o_evicted, 0);
END $$;
