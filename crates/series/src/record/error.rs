/// Why bytes are not the record that was expected. Reading the same bytes again is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They do not begin as a record of this kind does.
    #[error("the bytes are no record of this kind")]
    Foreign,
    /// Written by a newer release.
    #[error("the record has version {found}, this release reads up to {known}")]
    Version {
        /// Its version.
        found: u8,
        /// The newest that is known here.
        known: u8,
    },
    /// The checksum does not match: torn, cut off or altered.
    #[error("the record's checksum does not match")]
    Checksum,
    /// Rows of another schema.
    #[error("the record holds rows of another schema ({found:016x} instead of {expected:016x})")]
    Schema {
        /// The digest of the schema asked for.
        expected: u64,
        /// The digest in the record.
        found: u64,
    },
    /// A chunk of another place in the series.
    #[error("the record is chunk {found}, not {expected}")]
    Place {
        /// The chunk asked for.
        expected: i64,
        /// The chunk in the record.
        found: i64,
    },
    /// It says something that no writer writes.
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
}
