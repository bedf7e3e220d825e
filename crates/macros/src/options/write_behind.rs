//! The options of what is accepted now and written later.

use std::time::Duration;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Ident, Token, token};

use super::list::{OptionList, in_parentheses};
use super::value;
use crate::errors::Errors;

/// Where values go, and how much of them may wait.
pub(crate) struct WriteBehind {
    /// The constructor of `WriteBehind`.
    pub(crate) to: Ident,
    pub(crate) queued_max: Option<u64>,
    pub(crate) batch_max: Option<u64>,
    /// `None` within: not at all.
    pub(crate) delay: Option<Option<Duration>>,
    pub(crate) when_full: Option<WhenFull>,
    pub(crate) retry_for: Option<Duration>,
}

/// What happens to a write for which there is no room.
pub(crate) enum WhenFull {
    Wait(Duration),
    Refuse,
}

const DESTINATIONS: [(&str, &str); 2] = [("storages", "to_storages"), ("source", "to_source")];

/// `= storages`, or a list with more.
pub(crate) fn write_behind(
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Option<WriteBehind>> {
    if !input.peek(token::Paren) {
        return Ok(Some(WriteBehind::to(value::word(input, &DESTINATIONS)?)));
    }
    let names = ["to", "queued_max", "batch_max", "delay", "when_full", "retry_for"];
    let mut list = OptionList::new("write_behind", names);
    let mut to = None;
    let mut given = WriteBehind::to(Ident::new("to_storages", Span::call_site()));
    let span = in_parentheses(input, errors, |input, errors| {
        list.read(input, errors, |name, input, _| {
            let count = |input| value::integer(input, 1..=u64::from(u32::MAX));
            match name.to_string().as_str() {
                "to" => to = Some(value::word(input, &DESTINATIONS)?),
                "queued_max" => given.queued_max = Some(count(input)?.0),
                "batch_max" => given.batch_max = Some(count(input)?.0),
                "delay" => given.delay = Some(value::duration_or_none(input)?),
                "when_full" => given.when_full = Some(when_full(input)?),
                _ => given.retry_for = Some(value::duration(input)?),
            }
            Ok(())
        });
    })?;
    if !list.has("to") {
        errors.at(span, "`write_behind` needs to know where `to`: `storages` or `source`");
    }
    Ok(to.map(|to| WriteBehind { to, ..given }))
}

/// A duration, or the word `refuse`.
fn when_full(input: ParseStream<'_>) -> syn::Result<WhenFull> {
    let ahead = input.fork();
    if ahead.parse::<Token![=]>().is_ok() && ahead.peek(syn::Ident) {
        value::word(input, &[("refuse", "Refuse")])?;
        return Ok(WhenFull::Refuse);
    }
    value::duration(input).map(WhenFull::Wait)
}

impl WriteBehind {
    fn to(to: Ident) -> Self {
        Self {
            to,
            queued_max: None,
            batch_max: None,
            delay: None,
            when_full: None,
            retry_for: None,
        }
    }
}
