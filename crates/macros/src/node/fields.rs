use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Index, Member, Type};

use crate::errors::Errors;

/// A field of the struct.
pub(super) struct Field<'a> {
    /// As a template names it: without `r#`; its position in a tuple struct.
    pub(super) name: String,
    pub(super) member: Member,
    pub(super) ty: &'a Type,
    /// Where it stands.
    pub(super) span: Span,
}

/// The fields of the struct; an error for what is none, or cannot be a node.
pub(super) fn read(input: &DeriveInput) -> syn::Result<Vec<Field<'_>>> {
    let mut errors = Errors::default();
    for lifetime in input.generics.lifetimes() {
        errors.at(
            lifetime.span(),
            "a node outlives every borrow, because tiers keep it: let it own its fields \
             (`String`, `Arc<str>`)",
        );
    }
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => {
            errors.at(
                data.enum_token.span,
                "a node is a struct, whose fields make its key: put the enum, with a `Display` \
                 that tells its variants apart, into a field",
            );
            errors.finish()?;
            return Ok(Vec::new());
        }
        Data::Union(data) => {
            errors.at(data.union_token.span, "a node is a struct, whose fields make its key");
            errors.finish()?;
            return Ok(Vec::new());
        }
    };
    let fields = fields.iter().enumerate().map(|(position, field)| {
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("node")) {
            errors.at(
                attribute.path().span(),
                "`#[node(..)]` stands at the struct, not at its fields: every field is a part of \
                 the key",
            );
        }
        match &field.ident {
            Some(ident) => Field {
                name: ident.unraw().to_string(),
                member: Member::Named(ident.clone()),
                ty: &field.ty,
                span: ident.span(),
            },
            None => Field {
                name: position.to_string(),
                member: Member::Unnamed(Index::from(position)),
                ty: &field.ty,
                span: field.ty.span(),
            },
        }
    });
    let fields = fields.collect();
    errors.finish()?;
    Ok(fields)
}

impl Field<'_> {
    /// Whether the type says of itself that it is a `PhantomData`, which holds nothing that two
    /// nodes could differ in. The generated code lets the compiler check it.
    pub(super) fn is_marker(&self) -> bool {
        matches!(self.ty, Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"))
    }
}
