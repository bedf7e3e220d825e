use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, PathArguments, ReturnType, Signature, Type};

use super::arguments::{borrow_in, find, is_word, located};
use crate::errors::Errors;

/// What the function returns, read as what a load brings.
pub(super) struct Outcome {
    /// The type of the values.
    pub(super) value: Type,
    /// It may fail, and failures are not kept.
    is_result: bool,
    pub(super) shape: Shape,
}

/// How the value is wrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    Optional,
    Loaded,
}

impl Outcome {
    /// Reads the return type; what cannot be cached is reported.
    pub(super) fn read(signature: &Signature, errors: &mut Errors) -> Option<Self> {
        let ReturnType::Type(_, ty) = &signature.output else {
            let message =
                "the function returns nothing that could be cached: write its return type";
            errors.at(signature.ident.span(), message);
            return None;
        };
        let (is_result, inside) = match wrapped(ty, "Result") {
            Some(value) => (true, value),
            None => (false, &**ty),
        };
        let (shape, value) = match (wrapped(inside, "Option"), wrapped(inside, "Loaded")) {
            (Some(value), _) => (Shape::Optional, value),
            (None, Some(value)) => (Shape::Loaded, value),
            (None, None) => (Shape::Plain, inside),
        };
        let tokens = value.to_token_stream();
        let before = errors.len();
        if let Type::Tuple(tuple) = value
            && tuple.elems.is_empty()
        {
            errors.at(located(value), "there is nothing to cache in `()`");
        }
        if let Some(span) = find(&tokens, &|token| is_word(token, "impl")) {
            errors.at(span, "the type of the value must be named: tiers keep it");
        }
        if let Some(span) = find(&tokens, &|token| is_word(token, "Self")) {
            errors.at(
                span,
                "the value is kept outside of the `impl`: name the type instead of `Self`",
            );
        }
        if let Some(span) = borrow_in(&tokens) {
            errors.at(
                span,
                "the value outlives the call, because tiers keep it: let it own its data",
            );
        }
        (errors.len() == before).then(|| Self { value: value.clone(), is_result, shape })
    }

    /// What the cached function returns.
    pub(super) fn returned(&self, core: &TokenStream) -> TokenStream {
        let value = &self.value;
        let value = quote!(::std::sync::Arc<#value>);
        let value = match self.shape {
            Shape::Optional => quote!(::core::option::Option<#value>),
            Shape::Plain | Shape::Loaded => value,
        };
        quote!(::core::result::Result<#value, #core::error::Error>)
    }

    /// Turns what the function returned into what a load brings.
    pub(super) fn to_load(&self, core: &TokenStream, outcome: &TokenStream) -> TokenStream {
        let value = &self.value;
        let loaded = quote!(#core::source::Loaded::<#value>);
        let to_loaded = |outcome: TokenStream| match self.shape {
            Shape::Plain => quote!(#loaded::new(#outcome)),
            Shape::Optional => quote!(#loaded::optional(#outcome)),
            Shape::Loaded => outcome,
        };
        if !self.is_result {
            let loaded = to_loaded(outcome.clone());
            return quote! {
                ::core::result::Result::<_, #core::source::LoadError>::Ok(#loaded)
            };
        }
        let done = to_loaded(quote!(done));
        let failed = quote_spanned! {located(value)=>
            <#core::source::LoadError as ::core::convert::From<_>>::from(failed)
        };
        quote! {
            match #outcome {
                ::core::result::Result::Ok(done) => ::core::result::Result::Ok(#done),
                ::core::result::Result::Err(failed) => ::core::result::Result::Err(#failed),
            }
        }
    }

    /// Turns the handle's answer into what the cached function returns.
    pub(super) fn to_answer(&self, answer: &TokenStream) -> TokenStream {
        if self.shape != Shape::Optional {
            return answer.clone();
        }
        quote! {
            match #answer {
                ::core::result::Result::Ok(value) => {
                    ::core::result::Result::Ok(::core::option::Option::Some(value))
                }
                ::core::result::Result::Err(error) if error.is_absent() => {
                    ::core::result::Result::Ok(::core::option::Option::None)
                }
                ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
            }
        }
    }

    /// Refuses a value whose type is a `Result` under another name: its errors would be kept as
    /// values are. The one trait is implemented twice for a `Result`, so that the compiler cannot
    /// say which is meant.
    pub(super) fn guard(&self) -> TokenStream {
        let value = &self.value;
        let check = quote_spanned! {located(value)=>
            let _ = <#value as ValueIsNoResultByAnotherName<_>>::check;
        };
        quote! {
            const _: fn() = || {
                trait ValueIsNoResultByAnotherName<Which> {
                    fn check() {}
                }
                struct IsResult;
                impl<Any: ?::core::marker::Sized> ValueIsNoResultByAnotherName<()> for Any {}
                impl<Value, Error> ValueIsNoResultByAnotherName<IsResult>
                    for ::core::result::Result<Value, Error> {}
                #check
            };
        }
    }
}

/// The first type argument of `name<..>`, if that is what the type is.
fn wrapped<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
