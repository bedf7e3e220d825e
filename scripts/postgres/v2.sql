-- Tiers, PostgreSQL storage, schema version 2: counters, registers, locks and limits beside the
-- entries. {schema}, {table} and {persistence} as in version 1. Run again, the script changes nothing:
-- a row of the version that was lost is made again with version 1.

-- What stands under a name; no invalidation of entries touches it. Times are Unix microseconds.
CREATE {persistence} TABLE IF NOT EXISTS "{schema}"."{table}_atomics" (
    number     bigint NOT NULL,                -- counter; version; token; arrival time
    until_us   bigint NOT NULL,                -- a lock's end
    expires_us bigint NOT NULL,                -- past it, nothing is there; the largest: never
    name       text COLLATE "C" NOT NULL,      -- prefix:name:kind
    value      bytea  NOT NULL,                -- a register's bytes; a lock's owner
    CONSTRAINT "{table}_atomics_name" PRIMARY KEY (name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Clean-up finds what is past its end.
CREATE INDEX IF NOT EXISTS "{table}_atomics_expires" ON "{schema}"."{table}_atomics" (expires_us)
    WHERE expires_us < 9223372036854775807;

-- One step on one name. Steps on a name wait for each other: by a lock, since at first there is no
-- row to lock. It is given back after the commit, and each statement in here sees what was committed
-- before it began. Spans are microseconds, null without end.
CREATE OR REPLACE FUNCTION "{schema}"."{table}_atomic"(
    p_name text, p_step text, p_number bigint, p_other bigint, p_span bigint, p_retention bigint,
    p_value bytea, p_flag boolean
) RETURNS TABLE (o_answer text, o_number bigint, o_other bigint, o_value bytea)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    c_never CONSTANT bigint := 9223372036854775807;
    v_now     bigint;
    v_number  bigint;
    v_value   bytea;
    v_until   bigint;
    v_expires bigint;
    v_found   boolean;
    v_ours    boolean;
    v_next    numeric;
BEGIN
    IF p_step NOT IN ('count', 'read') THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('"{schema}"."{table}" ' || p_name, 0));
    END IF;
    v_now := floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    SELECT a.number, a.value, a.until_us, a.expires_us INTO v_number, v_value, v_until, v_expires
    FROM "{schema}"."{table}_atomics" a WHERE a.name = p_name AND a.expires_us > v_now;
    v_found := FOUND;

    IF p_step = 'count' THEN
        o_answer := 'count'; o_number := v_number;
        RETURN NEXT; RETURN;
    ELSIF p_step = 'read' THEN
        o_answer := 'register'; o_number := v_number; o_value := v_value;
        RETURN NEXT; RETURN;
    ELSIF p_step = 'remove' THEN
        DELETE FROM "{schema}"."{table}_atomics" a WHERE a.name = p_name;
        o_answer := 'removed'; o_number := v_found::integer;
        RETURN NEXT; RETURN;
    ELSIF p_step = 'add' THEN
        v_next := coalesce(v_number, 0)::numeric + p_number;
        IF v_next NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
            o_answer := 'overflow';
            RETURN NEXT; RETURN;
        END IF;
        v_number := v_next;
        v_value := '';
        v_until := 0;
        IF NOT v_found OR p_flag THEN
            v_expires := c_never;
            IF p_span IS NOT NULL THEN v_expires := least(v_now::numeric + p_span, c_never); END IF;
        END IF;
        o_answer := 'count'; o_number := v_number;
    ELSIF p_step = 'swap' THEN
        IF v_number = p_other THEN
            o_answer := 'swapped';
            RETURN NEXT; RETURN;
        ELSIF v_number IS DISTINCT FROM p_number THEN
            o_answer := 'conflict'; o_number := v_number; o_value := v_value;
            RETURN NEXT; RETURN;
        ELSIF NOT p_flag THEN
            DELETE FROM "{schema}"."{table}_atomics" a WHERE a.name = p_name;
            o_answer := 'swapped';
            RETURN NEXT; RETURN;
        END IF;
        v_number := p_other;
        v_value := p_value;
        v_until := 0;
        v_expires := c_never;
        IF p_span IS NOT NULL THEN v_expires := least(v_now::numeric + p_span, c_never); END IF;
        o_answer := 'swapped';
    ELSIF p_step = 'limit' THEN
        -- The caller makes its answer of arrival time and time by the same rule.
        v_number := greatest(coalesce(v_number, 0), v_now);
        o_answer := 'rate'; o_number := v_number; o_other := v_now;
        v_next := v_number::numeric + p_number::numeric * p_other;
        IF p_other = 0 OR v_next - v_now > p_span THEN
            RETURN NEXT; RETURN;
        END IF;
        v_number := v_next;
        v_expires := v_next;
        v_value := '';
        v_until := 0;
    ELSE
        v_ours := v_found AND v_until > v_now AND v_value = p_value;
        IF p_step = 'acquire' THEN
            IF v_found AND v_until > v_now AND v_value <> '' AND NOT v_ours THEN
                o_answer := 'held'; o_number := v_until - v_now;
                RETURN NEXT; RETURN;
            END IF;
            IF NOT v_ours THEN
                v_number := greatest(v_now, coalesce(v_number, 0) + 1);
            END IF;
            o_answer := 'acquired'; o_number := v_number;
            v_value := p_value;
        ELSIF p_step = 'extend' THEN
            o_answer := 'extended'; o_number := v_ours::integer;
        ELSIF p_step = 'release' THEN
            o_answer := 'released'; o_number := v_ours::integer;
            IF v_ours AND p_retention = 0 THEN
                DELETE FROM "{schema}"."{table}_atomics" a WHERE a.name = p_name;
                RETURN NEXT; RETURN;
            END IF;
            v_value := '';
        ELSE
            RAISE EXCEPTION 'an unknown step: %', p_step;
        END IF;
        IF p_step <> 'acquire' AND NOT v_ours THEN
            RETURN NEXT; RETURN;
        END IF;
        v_until := least(v_now::numeric + p_span, c_never);
        v_expires := least(v_until::numeric + p_retention, c_never);
    END IF;

    INSERT INTO "{schema}"."{table}_atomics" AS a (name, number, value, until_us, expires_us)
    VALUES (p_name, v_number, v_value, v_until, v_expires)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number, value = excluded.value,
        until_us = excluded.until_us, expires_us = excluded.expires_us;
    RETURN NEXT;
END $$;

UPDATE "{schema}"."{table}_meta" SET version = 2;
