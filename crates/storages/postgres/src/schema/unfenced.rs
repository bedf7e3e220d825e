//! The function that writes without what its fence does, for builds with `fencing_off`: what fencing
//! costs is measured beside it, and what it keeps away shows without it.

/// What goes: where it begins, where it ends, and what stands there instead.
const FENCE: [(&str, &str, &str); 7] = [
    ("    IF p_exclusive THEN\n        PERFORM pg_advisory_xact_lock(", "    END IF;\n", ""),
    ("    SELECT m.floor, m.origin #", "    END IF;\n", ""),
    ("    SELECT c.last_value INTO v_counter", ";\n", "    v_counter := 0; v_origin := 0;\n"),
    (
        "        SELECT coalesce(array_agg(c.at), ARRAY[]::bigint[]) INTO v_refused",
        ";\n",
        "        v_refused := ARRAY[]::bigint[];\n",
    ),
    // In the condition of fills, which is the first.
    (" AND n.origin = v_origin", "v_floor AND v_counter", ""),
    ("                WHERE e.stamp <= excluded.stamp OR", "v_now\n", ""),
    ("        IF (v_stored IS NOT NULL OR v_put IS NOT NULL) AND EXISTS (", "END IF;\n", ""),
];

/// A script whose fills are stored whatever was raised since they were loaded.
pub(super) fn without_fence(script: String) -> String {
    FENCE.iter().fold(script, |script, (begin, end, instead)| {
        cut(&script, begin, end, instead).unwrap_or(script)
    })
}

fn cut(script: &str, begin: &str, end: &str, instead: &str) -> Option<String> {
    let (head, rest) = script.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{instead}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_fence_is_found_in_the_script() {
        let mut script = include_str!("../../schema/v1.sql").to_owned();
        for (begin, end, instead) in FENCE {
            script = cut(&script, begin, end, instead).expect(begin);
        }
        let (_, write) = script.split_once("_write\"(").unwrap();
        let (fills, _) = write.split_once("3 = ANY (p_action)").unwrap();
        for gone in
            ["p_stripes) s", "v_floor,", "c.last_value INTO", "p_mark[c.at]", "BETWEEN v_floor"]
        {
            assert!(!fills.contains(gone), "{gone}");
        }
        assert!(!write.contains("overtaken"));
    }
}
