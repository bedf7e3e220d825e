//! The options of what is served stale, and of early refresh.

use std::time::Duration;

use syn::parse::ParseStream;

use super::list::{OptionList, in_parentheses};
use super::value;
use crate::errors::Errors;

/// For how long values may be served past their freshness, by the names of the core crate's options.
#[derive(Default)]
pub(crate) struct Stale {
    pub(crate) given: Vec<(&'static str, Duration)>,
}

/// When an entry is loaded again before its end.
pub(crate) enum EarlyRefresh {
    AtShare(f64),
    XFetch(f64),
}

const STALE: [&str; 4] = ["while_revalidate", "if_error", "throttle", "soft_timeout"];

pub(crate) fn stale(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Stale> {
    let mut list = OptionList::new("stale", STALE);
    let mut stale = Stale::default();
    let span = in_parentheses(input, errors, |input, errors| {
        list.read(input, errors, |name, input, _| {
            let span = value::duration(input)?;
            stale.given.extend(STALE.iter().find(|one| name == *one).map(|one| (*one, span)));
            Ok(())
        });
    })?;
    if list.has("soft_timeout") && !list.has("if_error") {
        errors.at(span, "`soft_timeout` serves what `if_error` keeps: give that, too");
    } else if !list.has("while_revalidate") && !list.has("if_error") {
        errors.at(span, "`stale` needs `while_revalidate`, `if_error` or both");
    }
    Ok(stale)
}

pub(crate) fn early_refresh(
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Option<EarlyRefresh>> {
    let mut list = OptionList::new("early_refresh", ["share", "beta"]);
    let mut early = None;
    let span = in_parentheses(input, errors, |input, errors| {
        list.read(input, errors, |name, input, _| {
            let (number, span) = value::real(input)?;
            if name == "share" {
                if !(number > 0.0 && number < 1.0) {
                    let message = "must lie between 0 and 1, both left out";
                    return Err(syn::Error::new(span, message));
                }
                early = Some(EarlyRefresh::AtShare(number));
            } else {
                if !(number > 0.0 && number <= 1000.0) {
                    return Err(syn::Error::new(span, "must be above 0, and 1000 at most"));
                }
                early = Some(EarlyRefresh::XFetch(number));
            }
            Ok(())
        });
    })?;
    if list.has("share") == list.has("beta") {
        errors.at(span, "needs either `share` of the TTL or `beta` of XFetch");
    }
    Ok(early)
}
