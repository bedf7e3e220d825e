use proc_macro2::Span;
use syn::{LitStr, Member};

use super::attribute::NodeAttribute;
use super::fields::Field;
use crate::errors::Errors;
use crate::options::{listed, nearest};
use crate::template::{self, TagPiece};

/// The key and the tags, with their fields found in the struct.
pub(super) struct Names<'a> {
    /// The fields of the key, in the order of the template.
    pub(super) key_fields: Vec<&'a Field<'a>>,
    /// The fields that bear no data.
    pub(super) markers: Vec<&'a Field<'a>>,
    /// Tags that every node of the type bears.
    pub(super) fixed_tags: Vec<LitStr>,
    /// Tags that are made of the node's fields.
    pub(super) made_tags: Vec<MadeTag>,
}

/// A tag that is made of fields.
pub(super) struct MadeTag {
    pub(super) span: Span,
    /// What `format!` takes.
    pub(super) format: String,
    /// For each `{}` the way to the value, from the node itself.
    pub(super) members: Vec<Vec<Member>>,
}

impl<'a> Names<'a> {
    /// Finds the fields; what is wrong is reported.
    pub(super) fn read(
        attribute: &NodeAttribute,
        fields: &'a [Field<'a>],
        errors: &mut Errors,
    ) -> Self {
        let mut names = Self {
            key_fields: Vec::new(),
            markers: fields.iter().filter(|field| field.is_marker()).collect(),
            fixed_tags: Vec::new(),
            made_tags: Vec::new(),
        };
        if let Some(key) = &attribute.key {
            names.key_fields = key_fields(key, fields, errors);
        }
        for tag in &attribute.definition.tags {
            match made_tag(tag, fields) {
                Ok(made) if made.members.is_empty() => names.fixed_tags.push(tag.clone()),
                Ok(made) => names.made_tags.push(made),
                Err(problem) => errors.at(tag.span(), problem),
            }
        }
        names
    }
}

fn key_fields<'a>(
    key: &LitStr,
    fields: &'a [Field<'a>],
    errors: &mut Errors,
) -> Vec<&'a Field<'a>> {
    let text = key.value();
    let placeholders = match template::key_fields(&text) {
        Ok(placeholders) => placeholders,
        Err(problem) => {
            errors.at(key.span(), problem);
            return Vec::new();
        }
    };
    let mut found: Vec<&Field<'_>> = Vec::new();
    for name in placeholders.iter().map(|placeholder| placeholder.name) {
        if let Some((whole, part)) = name.split_once('.') {
            // Maybe all of the field is in the key otherwise, but then the part need not be.
            errors.at(
                key.span(),
                format!(
                    "`{{{name}}}` puts only a part of `{whole}` into the key, and nodes that differ \
                     in another part would share an entry: make `{part}` a field of the node, or \
                     write `{{{whole}}}` and give its type a `Display` that tells all values apart"
                ),
            );
            found.extend(fields.iter().find(|field| field.name == whole));
            continue;
        }
        match find(name, fields) {
            Ok(field) => found.push(field),
            Err(unknown) => {
                errors.at(key.span(), unknown.problem);
                // What is meant here need not be missed below.
                found.extend(unknown.meant);
            }
        }
    }
    for field in fields.iter().filter(|field| !field.is_marker()) {
        if !found.iter().any(|found| found.member == field.member) {
            let name = &field.name;
            errors.at(
                field.span,
                format!(
                    "field `{name}` is not in the key: nodes that differ in `{name}` alone would \
                     share an entry, and get each other's value; put `{{{name}}}` into the key, \
                     or remove the field"
                ),
            );
        }
    }
    found
}

fn made_tag(tag: &LitStr, fields: &[Field<'_>]) -> Result<MadeTag, String> {
    let text = tag.value();
    let mut made = MadeTag { span: tag.span(), format: String::new(), members: Vec::new() };
    for piece in template::tag_pieces(&text)? {
        match piece {
            // It holds no brace that `format!` would take for its own.
            TagPiece::Literal(literal) => made.format.push_str(literal),
            TagPiece::Field(path) => {
                made.format.push_str("{}");
                made.members.push(members(path, fields, tag.span())?);
            }
        }
    }
    Ok(made)
}

/// The way from the node to `path`, such as `user.id` or `0`.
fn members(path: &str, fields: &[Field<'_>], span: Span) -> Result<Vec<Member>, String> {
    let mut names = path.split('.');
    let first = names.next().unwrap_or_default();
    let first = find(first, fields).map_err(|unknown| unknown.problem)?;
    let mut members = vec![first.member.clone()];
    for name in names {
        members
            .push(member(name, span).ok_or_else(|| format!("`{{{path}}}` does not name a field"))?);
    }
    Ok(members)
}

fn member(name: &str, span: Span) -> Option<Member> {
    if ["self", "Self", "super", "crate", "_"].contains(&name) {
        return None;
    }
    let parsed = syn::parse_str(name).or_else(|_| syn::parse_str(&format!("r#{name}")));
    let mut member = parsed.ok()?;
    match &mut member {
        Member::Named(ident) => ident.set_span(span),
        Member::Unnamed(index) => index.span = span,
    }
    Some(member)
}

/// A name that no field has.
struct Unknown<'a> {
    problem: String,
    /// The field that it is a slip of.
    meant: Option<&'a Field<'a>>,
}

fn find<'a>(name: &str, fields: &'a [Field<'a>]) -> Result<&'a Field<'a>, Unknown<'a>> {
    let named = |name: &str| fields.iter().find(|field| field.name == name);
    if let Some(field) = named(name) {
        return Ok(field);
    }
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let meant = nearest(name, &known).and_then(named);
    let hint = match meant {
        Some(meant) => format!("did you mean `{{{}}}`?", meant.name),
        None if known.is_empty() => "it has none".to_owned(),
        None => format!("it has {}", listed(&known)),
    };
    Err(Unknown { problem: format!("the node has no field `{name}`: {hint}"), meant })
}
