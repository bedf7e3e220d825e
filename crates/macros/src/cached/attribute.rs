use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, LitStr};

use crate::errors::Errors;
use crate::options::{DefinitionOptions, OptionList, each, in_parentheses, listed, syntax, text};

/// All that `#[cached(..)]` says.
#[derive(Default)]
pub(super) struct CachedAttribute {
    pub(super) cache: Option<Expr>,
    pub(super) key: Option<LitStr>,
    pub(super) skip: Vec<Ident>,
    /// It is an associated function without `self`, which nothing else tells from a free one.
    pub(super) associated: bool,
    pub(super) definition: DefinitionOptions,
}

/// What every cached function has to say, each with an example.
const REQUIRED: &[(&str, &str)] = &[
    ("cache", "cache = cache"),
    ("key", "key = \"user:{id}\""),
    ("tiers", "tiers(memory(ttl = \"30s\"))"),
];

/// Reads what stands in the parentheses. What is wrong or missing is reported.
pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> CachedAttribute {
    let mut cached = CachedAttribute::default();
    let own = ["cache", "key", "skip", "associated"];
    let names = own.into_iter().chain(DefinitionOptions::NAMES.iter().copied());
    let mut list = OptionList::new("a cached function", names);
    let parsed = |input: ParseStream<'_>| {
        list.read(input, errors, |name, input, errors| {
            match name.to_string().as_str() {
                "cache" => cached.cache = Some(syntax(input)?),
                "key" => cached.key = Some(text(input)?),
                "skip" => cached.skip = skip(input, errors)?,
                "associated" => cached.associated = true,
                _ => cached.definition.read(name, input, errors)?,
            }
            Ok(())
        });
        Ok(())
    };
    let parsed = parsed.parse2(tokens);
    let readable = errors.keep(parsed).is_some();
    let missing = REQUIRED.iter().filter(|(name, _)| !list.has(name));
    let (names, examples): (Vec<&str>, Vec<&str>) = missing.copied().unzip();
    if readable && !names.is_empty() {
        let (names, examples) = (listed(&names), examples.join(", "));
        let message =
            format!("the cached function lacks {names}: add, for example, `#[cached({examples})]`");
        errors.at(Span::call_site(), message);
    }
    cached.definition.check(errors);
    cached
}

fn skip(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Ident>> {
    let mut skipped: Vec<Ident> = Vec::new();
    in_parentheses(input, errors, |input, errors| {
        each(input, errors, |input, _| {
            let name = input.call(Ident::parse_any).map_err(|error| {
                syn::Error::new(error.span(), "expected the name of an argument")
            })?;
            if skipped.contains(&name) {
                return Err(syn::Error::new(name.span(), format!("`{name}` is skipped already")));
            }
            skipped.push(name);
            Ok(())
        });
    })?;
    Ok(skipped)
}
