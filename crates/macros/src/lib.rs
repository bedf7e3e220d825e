//! The macros of Tiers.

mod core_path;
mod errors;
mod node;
mod options;
mod template;

use proc_macro::TokenStream;

/// Implements `Node` for a struct.
#[proc_macro_derive(Node, attributes(node))]
pub fn derive_node(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    node::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
