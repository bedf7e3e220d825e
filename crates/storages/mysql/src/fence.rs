//! The fence in the server's tables: the counter in the meta row, cells in rows of their own.
//!
//! A change raises the counter in a short transaction of its own, then the cells. A write locks the
//! cells that it checks until it has committed: shared where it only checks, so that an invalidation
//! waits for it and finds what it stored. A pattern or a prefix raises all cells; there is no floor,
//! which every write would have to lock.

use cache_core::fence::CELL_FUNCTION;

use crate::connection::Script;
use crate::schema::Statements;

/// A condition that does not hold ends a script by this error.
pub(crate) const REFUSE: &str = "(SELECT 1 UNION SELECT 2)";

impl Statements {
    /// Raises the counter past every stamp handed out so far, and keeps its value in `@mark`. Time
    /// in it passes the stamps of a counter that fell back with a restore.
    pub(crate) fn raise_counter(&self, script: &mut Script) {
        script.push(&format!(
            "UPDATE {} SET counter = LAST_INSERT_ID(GREATEST(counter + 1, {})) WHERE id = 1; \
             SET @mark = IF(ROW_COUNT() = 1, LAST_INSERT_ID(), {REFUSE}); ",
            self.meta, self.now_us
        ));
    }

    /// Raises cells to `@mark`, never lowers them; refuses if one is missing. `None`: all cells.
    pub(crate) fn raise_cells(&self, script: &mut Script, cells: Option<&[i16]>) {
        script.push(&format!("UPDATE {} SET mark = GREATEST(mark, @mark)", self.fence));
        if let Some(cells) = cells {
            script.push(" WHERE cell IN ").numbers(cells);
        }
        let count = cells.map_or(cache_core::fence::CELLS, <[i16]>::len);
        script.push(&format!("; SET @found = IF(ROW_COUNT() = {count}, 1, {REFUSE}); "));
    }

    /// Refuses unless the fence has this origin, and has handed out this mark.
    pub(crate) fn check_origin(&self, script: &mut Script, origin: i64, mark: i64) {
        script.push(&format!(
            "SET @found = IF((SELECT COUNT(*) FROM {} m WHERE m.id = 1 AND {} = ",
            self.meta, self.origin
        ));
        script.number(origin).push(" AND m.counter >= ").number(mark);
        script.push(&format!(") = 1, 1, {REFUSE}); "));
    }

    /// Locks cells against a raise, and refuses if one is above `mark` or missing.
    pub(crate) fn check_cells(&self, script: &mut Script, cells: &[i16], mark: i64) {
        script.push(&format!("SELECT COUNT(*) INTO @found FROM {} WHERE cell IN ", self.fence));
        script.numbers(cells).push(" AND mark <= ").number(mark);
        script.push(&format!(
            " LOCK IN SHARE MODE; SET @found = IF(@found = {}, 1, {REFUSE}); ",
            cells.len()
        ));
    }

    /// Makes what is missing of the fence, so that it refuses all that was loaded before, and
    /// brings a counter that fell back above every cell.
    pub(crate) fn mend(&self) -> Script {
        let mut script = Script::default();
        script.push(&format!(
            "INSERT IGNORE INTO {meta} (id, origin, counter, version, cell_function) \
             VALUES (1, {origin}, {now}, {version}, '{CELL_FUNCTION}'); \
             UPDATE {meta} SET counter = GREATEST(counter + 1, {now}, \
             COALESCE((SELECT MAX(f.mark) FROM {fence} f), 0)) WHERE id = 1; \
             INSERT IGNORE INTO {fence} (cell, mark) SELECT n.cell, m.counter FROM ({cells}) n \
             JOIN {meta} m ON m.id = 1; ",
            meta = self.meta,
            fence = self.fence,
            origin = fastrand::i64(..),
            now = self.now_us,
            version = crate::schema::SCHEMA_VERSION,
            cells = all_cells(),
        ));
        script
    }
}

/// Every cell, as a table of one column.
fn all_cells() -> String {
    let digits: Vec<String> = (0..8).map(|digit| format!("SELECT {digit} d")).collect();
    let digits = digits.join(" UNION ALL ");
    format!(
        "SELECT a.d * 512 + b.d * 64 + c.d * 8 + d.d cell \
         FROM ({digits}) a CROSS JOIN ({digits}) b CROSS JOIN ({digits}) c CROSS JOIN ({digits}) d"
    )
}
