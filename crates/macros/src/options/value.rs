//! The values of options, each read with the `=` before it, and checked.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Ident, Lit, LitStr, Path, Token};

use super::list::{listed, nearest};

/// Any syntax: a type, a path.
pub(crate) fn syntax<T: syn::parse::Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// The path of a crate or module; may begin with `crate`.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    input.call(Path::parse_mod_style).map_err(|error| {
        syn::Error::new(error.span(), "expected a path, such as `my_crate::tiers::core`")
    })
}

/// A string.
pub(crate) fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse().map_err(|error| syn::Error::new(error.span(), "expected a string, in quotes"))
}

/// A duration of a millisecond or more, such as `"30s"` or `"1h 30m"`.
pub(crate) fn duration(input: ParseStream<'_>) -> syn::Result<Duration> {
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse().map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected a duration with its unit, such as \"30s\" or \"1h 30m\"",
        )
    })?;
    let duration = humantime::parse_duration(&text.value()).map_err(|error| {
        let message = format!("not a duration such as \"30s\" or \"1h 30m\": {error}");
        syn::Error::new(text.span(), message)
    })?;
    // Times are kept in milliseconds; less would be none.
    if duration < Duration::from_millis(1) {
        return Err(syn::Error::new(text.span(), "must be at least a millisecond"));
    }
    Ok(duration)
}

/// A duration of a millisecond or more, or the word `none`.
pub(crate) fn duration_or_none(input: ParseStream<'_>) -> syn::Result<Option<Duration>> {
    let ahead = input.fork();
    let is_none = ahead.parse::<Token![=]>().is_ok()
        && ahead.parse::<Ident>().is_ok_and(|word| word == "none");
    if is_none {
        input.parse::<Token![=]>()?;
        input.parse::<Ident>()?;
        return Ok(None);
    }
    duration(input).map(Some)
}

/// A whole number within `range`, with where it stands.
pub(crate) fn integer(
    input: ParseStream<'_>,
    range: RangeInclusive<u64>,
) -> syn::Result<(u64, Span)> {
    let (negative, literal) = number(input)?;
    let refused = |message: String| Err(syn::Error::new(literal.span(), message));
    let within = format!("must be a whole number from {} to {}", range.start(), range.end());
    match &literal {
        Lit::Int(digits) if !negative => match digits.base10_parse() {
            Ok(number) if range.contains(&number) => Ok((number, literal.span())),
            _ => refused(within),
        },
        _ => refused(within),
    }
}

/// A number, with where it stands.
pub(crate) fn real(input: ParseStream<'_>) -> syn::Result<(f64, Span)> {
    let (negative, literal) = number(input)?;
    let number: f64 = match &literal {
        Lit::Int(digits) => digits.base10_parse()?,
        Lit::Float(digits) => digits.base10_parse()?,
        other => return Err(syn::Error::new(other.span(), "expected a number")),
    };
    Ok((if negative { -number } else { number }, literal.span()))
}

fn number(input: ParseStream<'_>) -> syn::Result<(bool, Lit)> {
    input.parse::<Token![=]>()?;
    let negative = input.parse::<Option<Token![-]>>()?.is_some();
    let literal =
        input.parse().map_err(|error| syn::Error::new(error.span(), "expected a number"))?;
    Ok((negative, literal))
}

/// One of a few words, each with the name of what it stands for, which is given as an identifier
/// that points at the word.
pub(crate) fn word(input: ParseStream<'_>, words: &[(&str, &str)]) -> syn::Result<Ident> {
    input.parse::<Token![=]>()?;
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = format!("expected one of {}", listed(&known));
    let word: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), &expected))?;
    let text = word.to_string();
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, meant)) => Ok(Ident::new(meant, word.span())),
        None => {
            let hint = nearest(&text, &known).map(|near| format!(": did you mean `{near}`?"));
            let message = format!("{expected}{}", hint.unwrap_or_default());
            Err(syn::Error::new(word.span(), message))
        }
    }
}
