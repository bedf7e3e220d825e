//! `#[cached]`.

mod arguments;
mod attribute;
mod expand;
mod outcome;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{GenericParam, ItemFn, Safety, Signature};

use self::arguments::Arguments;
use self::outcome::{Outcome, Shape};
use crate::core_path::core_path;
use crate::errors::Errors;

/// The cached function with its companions. Where something is wrong, the function as it was with
/// the errors, so that what calls it is not an error, too.
pub(crate) fn cached(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let mut errors = Errors::default();
            errors.at(
                Span::call_site(),
                "`#[cached]` stands at an `async fn` with a body: a free one, or one of an `impl` block",
            );
            errors.push(error);
            return [errors.finish().err().map(syn::Error::into_compile_error), Some(item)]
                .into_iter()
                .flatten()
                .collect();
        }
    };
    expand(attribute, &function).unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        function.to_tokens(&mut tokens);
        tokens
    })
}

fn expand(attribute: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let mut attribute = attribute::read(attribute, &mut errors);
    check(&function.sig, &mut errors);
    let arguments = Arguments::read(&function.sig, &attribute, &mut errors);
    let outcome = Outcome::read(&function.sig, &mut errors);
    if attribute.definition.absent_ttl.is_some()
        && outcome.as_ref().is_some_and(|outcome| outcome.shape == Shape::Plain)
    {
        errors.at(
            Span::call_site(),
            "`absent_ttl` is for functions that return an `Option` or a `Loaded`: this one always \
             has a value",
        );
    }
    let core = errors.keep(core_path(attribute.definition.core.as_ref()));
    let name = function.sig.ident.to_string();
    let name = name.trim_start_matches("r#");
    attribute
        .definition
        .name
        .get_or_insert_with(|| syn::LitStr::new(name, function.sig.ident.span()));
    let parts = (&attribute.cache, &attribute.key, &outcome, core);
    let node = match &parts {
        (_, Some(key), Some(outcome), Some(core)) => {
            let node = expand::node(core, key, outcome, &attribute.definition, &arguments);
            errors.keep(node)
        }
        _ => None,
    };
    errors.finish()?;
    match (parts, node) {
        ((Some(cache), Some(_), Some(outcome), Some(core)), Some(node)) => Ok(expand::Expansion {
            function,
            core: &core,
            cache,
            node,
            outcome,
            arguments: &arguments,
            is_associated: attribute.associated || arguments.receiver.is_some(),
        }
        .tokens()),
        // Whatever is missing here was an error above.
        _ => Err(syn::Error::new(function.sig.ident.span(), "the function could not be read")),
    }
}

fn check(signature: &Signature, errors: &mut Errors) {
    if signature.asyncness.is_none() {
        let message = "a cached function waits for tiers and for its load: make it an `async fn`";
        errors.at(signature.fn_token.span(), message);
    }
    if let Safety::Unsafe(word) = &signature.safety {
        let message = "a cached function runs when nobody who could promise anything calls it: \
                       it cannot be `unsafe`";
        errors.at(word.span(), message);
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi.span(), "a cached function is a plain Rust function");
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(
                parameter.span(),
                "a cached function cannot be generic, because calls with different types could \
                 share a key: write one for each type, or derive a generic `Node`",
            );
        }
    }
}
