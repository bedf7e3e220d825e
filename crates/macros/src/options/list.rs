use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token, token};

use crate::errors::Errors;

/// A list of options, `name = value, name(..), ..`: which names it knows, which it has seen.
///
/// An option that cannot be read is reported and passed over, so that the next ones are read too.
pub(crate) struct OptionList {
    what: &'static str,
    known: Vec<&'static str>,
    seen: Vec<String>,
}

impl OptionList {
    /// A list whose options are those of `what`, such as `a tier`.
    pub(crate) fn new(what: &'static str, known: impl IntoIterator<Item = &'static str>) -> Self {
        Self { what, known: known.into_iter().collect(), seen: Vec::new() }
    }

    /// Whether the option was there, readable or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.seen.iter().any(|seen| seen == name)
    }

    /// Reads all options of `input`. `read` gets the name of each, and the input behind it.
    pub(crate) fn read(
        &mut self,
        input: ParseStream<'_>,
        errors: &mut Errors,
        mut read: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
    ) {
        each(input, errors, |input, errors| {
            let name = input.call(Ident::parse_any).map_err(|error| {
                let names = listed(&self.known);
                syn::Error::new(
                    error.span(),
                    format!("expected an option of {}: {names}", self.what),
                )
            })?;
            let text = name.to_string();
            if !self.known.contains(&text.as_str()) {
                return Err(syn::Error::new(name.span(), self.unknown(&text)));
            }
            if self.has(&text) {
                return Err(syn::Error::new(name.span(), format!("`{text}` is given twice")));
            }
            self.seen.push(text);
            read(&name, input, errors)
        });
    }

    fn unknown(&self, name: &str) -> String {
        let hint = match nearest(name, &self.known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", listed(&self.known)),
        };
        format!("`{name}` is not an option of {}: {hint}", self.what)
    }
}

/// Calls `read` for each of the parts of `input` between commas. One that fails is reported and
/// passed over.
pub(crate) fn each(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut read: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let read = read(input, errors);
        let read = read.and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) {
                Ok(())
            } else {
                Err(input.error("expected `,`"))
            }
        });
        errors.keep(read);
        while !input.is_empty() && !input.peek(Token![,]) {
            // A token tree can always be taken from an input that is not empty.
            let _ = input.parse::<TokenTree>();
        }
        let _ = input.parse::<Option<Token![,]>>();
    }
}

/// Reads what stands in the parentheses at the head of `input`; gives their span.
pub(crate) fn in_parentheses(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut read: impl FnMut(ParseStream<'_>, &mut Errors),
) -> syn::Result<Span> {
    if !input.peek(token::Paren) {
        return Err(input.error("expected a list in parentheses"));
    }
    let group: proc_macro2::Group = input.parse()?;
    let inside = |input: ParseStream<'_>| {
        read(input, errors);
        Ok(())
    };
    inside.parse2(group.stream())?;
    Ok(group.span())
}

/// The one of `known` that `name` looks like a slip of.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| strsim::damerau_levenshtein(name, other);
    let near = known.iter().copied().min_by_key(|other| distance(other))?;
    (distance(near) <= near.len().max(name.len()) / 3).then_some(near)
}

/// `` `a`, `b`, `c` ``.
pub(crate) fn listed(known: &[&str]) -> String {
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
