//! What stands inside of an attribute: lists of options, their values, and the options that every
//! attribute which defines a node shares.

mod across;
mod definition;
mod list;
mod name;
mod stale;
mod tier;
mod value;
mod write_behind;

pub(crate) use definition::{Codec, DefinitionOptions, Doorkeeper};
pub(crate) use list::{OptionList, each, in_parentheses, listed, nearest};
pub(crate) use stale::EarlyRefresh;
pub(crate) use tier::TierOptions;
pub(crate) use value::{syntax, text};
pub(crate) use write_behind::WhenFull;
