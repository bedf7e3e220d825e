//! `#[derive(Node)]`.

mod attribute;
mod expand;
mod fields;
mod names;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::core_path::core_path;
use crate::errors::Errors;

/// The implementation of `Node` for a struct.
pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let attribute = attribute::read(input, &mut errors);
    let fields = errors.keep(fields::read(input));
    let names = fields.as_ref().map(|fields| names::Names::read(&attribute, fields, &mut errors));
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
