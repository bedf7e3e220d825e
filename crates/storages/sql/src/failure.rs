//! What a database's error codes mean.

use cache_core::storage::StorageErrorKind;

/// What went wrong, and what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the words of the core.
    pub kind: StorageErrorKind,
    /// Whether the same statement may succeed at once or after a short while, and has certainly
    /// done nothing.
    pub undone: bool,
}

impl Failure {
    const fn of(kind: StorageErrorKind) -> Self {
        Self { kind, undone: false }
    }

    /// Rolled back as a whole: to be tried again.
    const fn undone() -> Self {
        Self { kind: StorageErrorKind::Unavailable, undone: true }
    }
}

/// What a SQLSTATE means, as PostgreSQL uses them (its manual, appendix A).
pub fn sqlstate_failure(code: &str) -> Failure {
    use StorageErrorKind::{Corrupt, Denied, Failed, Full, Incompatible, Invalid, Unavailable};
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Failure::undone(),
        // The server starts, stops or has no connection left: nothing was begun, or all undone.
        "57P01" | "57P02" | "57P03" | "53300" => Failure::undone(),
        // A connection that no longer has the statement, or has it planned for another table: what
        // is prepared anew on another connection is none the worse.
        "26000" | "0A000" => Failure { kind: Failed, undone: true },
        // query_canceled: by its time limit or an administrator.
        "57014" => Failure::of(Unavailable),
        // read_only_sql_transaction: a server that is no longer, or not yet, the primary. It has done
        // nothing, and another connection may reach the one that is.
        "25006" => Failure::undone(),
        // disk_full, and class 53 otherwise: memory, locks, limits.
        "53100" => Failure::of(Full),
        // idle_in_transaction_session_timeout and idle_session_timeout end a connection.
        "25P03" | "57P05" => Failure::undone(),
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => Failure::of(Corrupt),
        // insufficient_privilege
        "42501" => Failure::of(Denied),
        // undefined table, column, function, object, schema, parameter type; wrong object type
        "42P01" | "42703" | "42883" | "42704" | "3F000" | "42804" | "42809" | "42P18" => {
            Failure::of(Incompatible)
        }
        // no such database
        "3D000" => Failure::of(Invalid),
        _ => match code.get(..2) {
            Some("08") => Failure::of(Unavailable),
            Some("28") => Failure::of(Denied),
            Some("53" | "58") => Failure::of(Unavailable),
            _ => Failure::of(Failed),
        },
    }
}

/// What an error number of MySQL or MariaDB means.
pub fn mysql_failure(number: u16) -> Failure {
    use StorageErrorKind::{Corrupt, Denied, Failed, Full, Incompatible, Invalid, Unavailable};
    match number {
        // Lock wait timeout, deadlock.
        1205 | 1213 => Failure::undone(),
        // Too many connections, of the server or of the user.
        1040 | 1203 | 1226 => Failure::undone(),
        // The server shuts down, the connection was killed, a query was interrupted or timed out.
        1053 | 1927 | 1152 | 1158..=1161 => Failure::of(Unavailable),
        1317 | 1969 | 3024 | 4031 => Failure::of(Unavailable),
        // Disk full, the table is full, an error writing a file.
        1021 | 1114 | 1026 => Failure::of(Full),
        // The server is read-only: no longer, or not yet, the primary. It has done nothing, and
        // another connection may reach the one that is.
        1290 | 1792 | 1836 => Failure::undone(),
        // Access denied to the server, the database, a table, a column, a routine; must change
        // its password.
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1698 | 1820 => Failure::of(Denied),
        // A table or an index is crashed or corrupt.
        1034 | 1035 | 1194 | 1195 | 1712 => Failure::of(Corrupt),
        // No such table, column, routine; a wrong number of columns; a wrong type.
        1146 | 1054 | 1305 | 1136 | 1366 => Failure::of(Incompatible),
        // No such database; a packet larger than the server takes.
        1049 | 1153 => Failure::of(Invalid),
        _ => Failure::of(Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rolled_back_may_be_tried_again() {
        for code in ["40001", "40P01", "57P01", "57P02", "57P03", "55P03", "53300", "25006"] {
            let failure = sqlstate_failure(code);
            assert_eq!(failure.kind, StorageErrorKind::Unavailable, "{code}");
            assert!(failure.undone, "{code}");
        }
        for code in ["26000", "0A000"] {
            let failure = sqlstate_failure(code);
            assert_eq!((failure.kind, failure.undone), (StorageErrorKind::Failed, true), "{code}");
        }
        for number in [1205, 1213, 1040, 1290, 1792, 1836] {
            let failure = mysql_failure(number);
            assert_eq!(failure.kind, StorageErrorKind::Unavailable, "{number}");
            assert!(failure.undone, "{number}");
        }
    }

    #[test]
    fn every_failure_has_its_kind() {
        use StorageErrorKind::*;
        for (code, kind) in [
            ("57014", Unavailable),
            ("08006", Unavailable),
            ("53200", Unavailable),
            ("58030", Unavailable),
            ("53100", Full),
            ("28P01", Denied),
            ("42501", Denied),
            ("42P01", Incompatible),
            ("42703", Incompatible),
            ("42883", Incompatible),
            ("3D000", Invalid),
            ("XX001", Corrupt),
            ("22012", Failed),
            ("", Failed),
            ("é", Failed),
        ] {
            let failure = sqlstate_failure(code);
            assert_eq!((failure.kind, failure.undone), (kind, false), "{code}");
        }
        for (number, kind) in [
            (1053, Unavailable),
            (3024, Unavailable),
            (1114, Full),
            (1045, Denied),
            (1142, Denied),
            (1146, Incompatible),
            (1049, Invalid),
            (1194, Corrupt),
            (1, Failed),
        ] {
            let failure = mysql_failure(number);
            assert_eq!((failure.kind, failure.undone), (kind, false), "{number}");
        }
    }
}
