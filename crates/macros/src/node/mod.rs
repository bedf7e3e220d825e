//! `#[derive(Node)]`.

mod attribute;
mod expand;
mod fields;
mod names;

use proc_macro2::TokenStream;
use syn::{DeriveInput, LitStr, Type};

use crate::core_path::core_path;
use crate::errors::Errors;
use crate::options::DefinitionOptions;

pub(crate) use names::Terms;

/// What makes a struct a node, wherever it was said.
pub(crate) struct NodeParts<'a> {
    pub(crate) core: &'a TokenStream,
    pub(crate) key: &'a LitStr,
    pub(crate) value: &'a Type,
    pub(crate) options: &'a DefinitionOptions,
}

/// The implementation of `Node` for a struct that bears no attribute itself.
pub(crate) fn implementation(
    input: &DeriveInput,
    parts: &NodeParts<'_>,
    terms: Terms<'_>,
) -> syn::Result<TokenStream> {
    let NodeParts { core, key, value, options } = *parts;
    let fields = fields::read(input)?;
    let mut errors = Errors::default();
    let names = names::Names::read(Some(key), &options.tags, &fields, terms, &mut errors);
    errors.finish()?;
    Ok(expand::Expansion { input, core, key, value, options, names: &names }.implementation())
}

/// The implementation of `Node` for a struct.
pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let attribute = attribute::read(input, &mut errors);
    let fields = errors.keep(fields::read(input));
    let tags = &attribute.definition.tags;
    let names = fields.as_ref().map(|fields| {
        names::Names::read(attribute.key.as_ref(), tags, fields, Terms::Node, &mut errors)
    });
    let core = errors.keep(core_path(attribute.definition.core.as_ref()));
    errors.finish()?;
    match (attribute.key, attribute.value, names, core) {
        (Some(key), Some(value), Some(names), Some(core)) => Ok(expand::Expansion {
            input,
            core: &core,
            key: &key,
            value: &value,
            options: &attribute.definition,
            names: &names,
        }
        .implementation()),
        // Whatever is missing here was an error above.
        _ => Err(syn::Error::new(input.ident.span(), "the node could not be read")),
    }
}
