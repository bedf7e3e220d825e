use syn::{DeriveInput, LitStr, Type};

use crate::errors::Errors;
use crate::options::{DefinitionOptions, OptionList, listed, syntax, text};

/// All that the `#[node(..)]` attributes of a type say.
#[derive(Default)]
pub(super) struct NodeAttribute {
    pub(super) key: Option<LitStr>,
    pub(super) value: Option<Type>,
    pub(super) definition: DefinitionOptions,
}

/// What every node has to say, each with an example.
const REQUIRED: &[(&str, &str)] = &[
    ("key", "key = \"user:{id}\""),
    ("value", "value = User"),
    ("tiers", "tiers(memory(ttl = \"30s\"))"),
];

/// Reads the attributes of the type. What is wrong or missing is reported.
pub(super) fn read(input: &DeriveInput, errors: &mut Errors) -> NodeAttribute {
    let mut node = NodeAttribute::default();
    let names = ["key", "value"].into_iter().chain(DefinitionOptions::NAMES.iter().copied());
    let mut list = OptionList::new("a node", names);
    let mut span = None;
    let mut readable = true;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("node")) {
        span.get_or_insert_with(|| syn::spanned::Spanned::span(attribute.path()));
        let read = attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
            list.read(input, errors, |name, input, errors| {
                match name.to_string().as_str() {
                    "key" => node.key = Some(text(input)?),
                    "value" => node.value = Some(syntax(input)?),
                    _ => node.definition.read(name, input, errors)?,
                }
                Ok(())
            });
            Ok(())
        });
        readable &= errors.keep(read).is_some();
    }
    let missing = REQUIRED.iter().filter(|(name, _)| !list.has(name));
    let (names, examples): (Vec<&str>, Vec<&str>) = missing.copied().unzip();
    if readable && !names.is_empty() {
        let (names, examples) = (listed(&names), examples.join(", "));
        let message = format!("the node lacks {names}: add, for example, `#[node({examples})]`");
        errors.at(span.unwrap_or(input.ident.span()), message);
    }
    node.definition.check(errors);
    node
}
