//! What lies where under the root, and the only code that opens, renames or deletes anything there.
//!
//! ```text
//! index.db              the index, with its log beside it
//! sessions/{session}    one for each process that has the folder open, locked while it lives
//! values/{shard}/{id}       a value that is whole
//! values/{shard}/{id}.part  one that is being written
//! ```
//!
//! An id is the session that wrote the file, and a number that the session counts: no name ever
//! comes from a key, and of each file it can be told whether who wrote it is still alive.

mod files;
mod folder;
mod session;

pub(crate) use files::{Files, Staged};
pub(crate) use folder::{Folder, Found, INDEX};
pub(crate) use session::Session;

/// The number of a value's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) u128);

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Whole,
    /// Its writer has not finished it.
    Part,
}

const PART: &str = ".part";
const DIGITS: usize = 32;

impl FileId {
    pub(crate) fn new(session: u64, number: u64) -> Self {
        Self(u128::from(session) << 64 | u128::from(number))
    }

    /// Who wrote it.
    pub(crate) fn session(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The folder that it lies in: 256 of them, filled in turns.
    pub(crate) fn shard(self) -> String {
        format!("{:02x}", self.0 as u8)
    }

    pub(crate) fn name(self, form: Form) -> String {
        let end = if form == Form::Part { PART } else { "" };
        format!("{:0DIGITS$x}{end}", self.0)
    }

    /// Reads a name. `None` for one that this crate did not make.
    pub(crate) fn parse(name: &str) -> Option<(Self, Form)> {
        let (digits, form) = match name.strip_suffix(PART) {
            Some(digits) => (digits, Form::Part),
            None => (name, Form::Whole),
        };
        let id = Self(u128::from_str_radix(digits, 16).ok()?);
        (id.name(form) == name).then_some((id, form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_made(id: u128, part: bool) {
            let form = if part { Form::Part } else { Form::Whole };
            let name = FileId(id).name(form);
            prop_assert_eq!(FileId::parse(&name), Some((FileId(id), form)));
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'));
            prop_assert!(!name.contains("..") && FileId(id).shard().len() == 2);
        }

        #[test]
        fn other_names_are_left_alone(name in "[0-9a-fA-F+.part]{0,40}") {
            if let Some((id, form)) = FileId::parse(&name) {
                prop_assert_eq!(id.name(form), name);
            }
        }
    }

    #[test]
    fn an_id_tells_its_session() {
        let id = FileId::new(7, 0x1ff);
        assert_eq!((id.session(), id.shard().as_str()), (7, "ff"));
    }
}
