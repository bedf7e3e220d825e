//! How entries are named: templates with fields, key texts, tags and patterns.
//!
//! A stored key is `{prefix}:{key}:{version}`. Prefix and version hold no `:`. Fields that are put
//! into a template have `%` and `:` escaped (`%25`, `%3A`), each segment between two `:` holds at
//! most one field, and so two nodes of a type never meet in one key, whatever the user put in.

mod fields;
mod glob;
mod pattern;
mod tag;
mod template;
mod text;

pub use fields::KeyFields;
pub use glob::{Glob, GlobPart};
pub use pattern::KeyPattern;
pub use tag::{TAG_BYTES_MAX, Tag, Tags};
pub use template::KeyTemplate;
pub use text::{KEY_BYTES_MAX, Key, KeyError, validate_name};
