//! The options of single flight across processes.

use std::time::Duration;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{LitStr, token};

use super::list::{OptionList, in_parentheses};
use super::{name, value};
use crate::errors::Errors;

/// Where leases are kept, and for how long.
pub(crate) struct Across {
    pub(crate) storage: LitStr,
    pub(crate) ttl: Option<Duration>,
    pub(crate) wait_max: Option<Duration>,
}

/// `= "storage"`, or a list with more.
pub(crate) fn across(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Across>> {
    if !input.peek(token::Paren) {
        return Ok(Some(Across { storage: storage(input)?, ttl: None, wait_max: None }));
    }
    let mut list = OptionList::new("across", ["storage", "ttl", "wait_max"]);
    let (mut kept_in, mut ttl, mut wait_max) = (None, None, None);
    let span: Span = in_parentheses(input, errors, |input, errors| {
        list.read(input, errors, |name, input, _| {
            if name == "storage" {
                kept_in = Some(storage(input)?);
            } else if name == "wait_max" {
                wait_max = Some(value::duration(input)?);
            } else {
                ttl = Some(value::duration(input)?);
            }
            Ok(())
        });
    })?;
    if !list.has("storage") {
        errors.at(span, "`across` needs its `storage`, where leases are kept");
    }
    Ok(kept_in.map(|storage| Across { storage, ttl, wait_max }))
}

fn storage(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let text = value::text(input)?;
    name::check("storage name", &text.value())
        .map_err(|problem| syn::Error::new(text.span(), problem))?;
    Ok(text)
}
