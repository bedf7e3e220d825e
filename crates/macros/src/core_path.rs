use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, Path};

/// The path of the core crate: as given, or by the name under which the user's `Cargo.toml` has
/// `cache-core` or, failing that, the facade `tiers`.
///
/// Core comes first: a crate that has both usually has core as a dependency, and the facade maybe
/// for its tests and examples only.
pub(crate) fn core_path(given: Option<&Path>) -> syn::Result<TokenStream> {
    if let Some(path) = given {
        return Ok(quote!(#path));
    }
    if let Some(core) = dependency("cache-core", "cache_core") {
        return Ok(quote!(::#core));
    }
    if let Some(tiers) = dependency("tiers", "tiers") {
        return Ok(quote!(::#tiers::core));
    }
    Err(syn::Error::new(
        Span::call_site(),
        "neither `tiers` nor `cache-core` is among the dependencies in `Cargo.toml`: add one, \
         or say by `#[node(crate = path::to::cache_core)]` where the core crate is",
    ))
}

/// The name of a dependency in the code that is compiled.
fn dependency(package: &str, library: &str) -> Option<Ident> {
    let name = match crate_name(package).ok()? {
        // The examples and documentation of the crate know it by this name; its own code does if
        // it says `extern crate self as ..`.
        FoundCrate::Itself => library.to_owned(),
        FoundCrate::Name(name) => name,
    };
    syn::parse_str(&name).ok()
}
