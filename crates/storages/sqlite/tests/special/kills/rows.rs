//! A copy of the files as the killed process left them, looked at row by row: opening them by the
//! storage would count anew what does not agree.

use std::fs;
use std::path::Path;

use super::setting::Setting;
use crate::common::{connection, number};

/// Whether the tables are there, after everything in them agrees.
pub(super) fn agree(folder: &Path, setting: Setting) -> bool {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        // The index of the log belongs to processes that live.
        if !name.ends_with("-shm") {
            fs::copy(file.path(), copy.path().join(name)).unwrap();
        }
    }
    let rows = connection(&copy.path().join("cache.db"));
    let sound: String = rows.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    if number(&rows, "SELECT count(*) FROM sqlite_schema") == 0 {
        return false;
    }
    let equal = |one: &str, other: &str| {
        assert_eq!(number(&rows, one), number(&rows, other), "{one} / {other}");
    };
    let zero = |sql: &str| assert_eq!(number(&rows, sql), 0, "{sql}");
    equal("SELECT entries FROM cache_meta", "SELECT count(*) FROM cache");
    equal("SELECT payload_bytes FROM cache_meta", "SELECT coalesce(sum(size_bytes), 0) FROM cache");
    zero("SELECT count(*) FROM cache WHERE size_bytes <> length(value)");
    let named = "SELECT e.id, t.value FROM cache e, json_each(e.tags) t";
    let indexed = "SELECT id, tag FROM cache_tags";
    zero(&format!("SELECT count(*) FROM ({named} EXCEPT {indexed})"));
    zero(&format!("SELECT count(*) FROM ({indexed} EXCEPT {named})"));
    // The fence never gives out a number twice.
    zero("SELECT count(*) FROM cache, cache_meta WHERE stamp > counter");
    zero("SELECT count(*) FROM cache_fence, cache_meta WHERE mark > counter OR floor > counter");
    let entries = number(&rows, "SELECT count(*) FROM cache") as u64;
    assert!(entries <= setting.entries_max, "{entries} entries");
    let pages = number(&rows, "PRAGMA page_count") - number(&rows, "PRAGMA freelist_count");
    let bytes = (pages * number(&rows, "PRAGMA page_size")) as u64;
    assert!(bytes <= setting.bytes_max, "{bytes} bytes are in use");
    true
}
