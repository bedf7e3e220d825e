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
    found(|package| crate_name(package).ok())
}

/// The path by what `find` knows of the dependencies.
fn found(find: impl Fn(&str) -> Option<FoundCrate>) -> syn::Result<TokenStream> {
    let dependency = |package: &str, library: &str| {
        let name = match find(package)? {
            // The examples and documentation of the crate know it by this name; its own code does
            // if it says `extern crate self as ..`.
            FoundCrate::Itself => library.to_owned(),
            FoundCrate::Name(name) => name,
        };
        syn::parse_str::<Ident>(&name).ok()
    };
    if let Some(core) = dependency("cache-core", "cache_core") {
        return Ok(quote!(::#core));
    }
    if let Some(tiers) = dependency("tiers", "tiers") {
        return Ok(quote!(::#tiers::core));
    }
    Err(syn::Error::new(
        Span::call_site(),
        "neither `tiers` nor `cache-core` is among the dependencies in `Cargo.toml`: add one, \
         or say by `crate = path::to::cache_core` in the attribute where the core crate is",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dependencies: &[(&str, FoundCrate)]) -> Option<String> {
        let find = |package: &str| {
            let (_, found) = dependencies.iter().find(|(name, _)| *name == package)?;
            Some(found.clone())
        };
        found(find).ok().map(|path| path.to_string().replace(' ', ""))
    }

    #[test]
    fn the_core_crate_is_found_by_any_name() {
        let named = |name: &str| FoundCrate::Name(name.to_owned());
        let is = |path: &str| Some(path.to_owned());
        assert_eq!(path(&[("cache-core", named("engine"))]), is("::engine"));
        assert_eq!(path(&[("tiers", named("cache"))]), is("::cache::core"));
        let both = [("tiers", FoundCrate::Itself), ("cache-core", named("cache_core"))];
        assert_eq!(path(&both), is("::cache_core"));
        assert_eq!(path(&[("tiers", FoundCrate::Itself)]), is("::tiers::core"));
        assert_eq!(path(&[("serde", named("serde"))]), None);
    }

    #[test]
    fn a_given_path_is_taken_as_it_is() {
        let given = syn::parse_quote!(crate::hidden::engine);
        let path = core_path(Some(&given)).map(|path| path.to_string().replace(' ', ""));
        assert_eq!(path.ok().as_deref(), Some("crate::hidden::engine"));
    }
}
