use proc_macro2::Span;
use syn::{LitStr, Member};

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

/// What the fields stand for, and are called where something is wrong with them.
#[derive(Clone, Copy)]
pub(crate) enum Terms<'a> {
    /// The fields of a struct.
    Node,
    /// The arguments of a function, except those of these names, which are not in the key.
    Function { skipped: &'a [String] },
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
        key: Option<&LitStr>,
        tags: &[LitStr],
        fields: &'a [Field<'a>],
        terms: Terms<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut names = Self {
            key_fields: Vec::new(),
            markers: fields.iter().filter(|field| field.is_marker()).collect(),
            fixed_tags: Vec::new(),
            made_tags: Vec::new(),
        };
        if let Some(key) = key {
            names.key_fields = key_fields(key, fields, terms, errors);
        }
        for tag in tags {
            match made_tag(tag, fields, terms) {
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
    terms: Terms<'_>,
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
            errors.at(key.span(), terms.part(name, whole, part));
            found.extend(fields.iter().find(|field| field.name == whole));
            continue;
        }
        match find(name, fields, terms) {
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
            errors.at(field.span, terms.not_in_key(&field.name));
        }
    }
    found
}

impl Terms<'_> {
    fn not_in_key(self, name: &str) -> String {
        match self {
            Self::Node => format!(
                "field `{name}` is not in the key: nodes that differ in `{name}` alone would \
                 share an entry, and get each other's value; put `{{{name}}}` into the key, \
                 or remove the field"
            ),
            Self::Function { .. } => format!(
                "argument `{name}` is not in the key: calls that differ in `{name}` alone would \
                 share an entry, and get each other's value; put `{{{name}}}` into the key, \
                 or, if the answer does not depend on it, add `skip({name})`"
            ),
        }
    }

    fn part(self, name: &str, whole: &str, part: &str) -> String {
        let (calls, field) = match self {
            Self::Node => ("nodes", "a field of the node"),
            Self::Function { .. } => ("calls", "an argument of its own"),
        };
        format!(
            "`{{{name}}}` puts only a part of `{whole}` into the key, and {calls} that differ \
             in another part would share an entry: make `{part}` {field}, or \
             write `{{{whole}}}` and give its type a `Display` that tells all values apart"
        )
    }

    fn unknown(self, name: &str, hint: &str) -> String {
        match self {
            Self::Node => format!("the node has no field `{name}`: {hint}"),
            Self::Function { skipped } if skipped.iter().any(|skipped| skipped == name) => {
                format!("argument `{name}` is no part of the key, and cannot be named here")
            }
            Self::Function { .. } => {
                format!("the function has no argument `{name}` for its key: {hint}")
            }
        }
    }
}

fn made_tag(tag: &LitStr, fields: &[Field<'_>], terms: Terms<'_>) -> Result<MadeTag, String> {
    let text = tag.value();
    let mut made = MadeTag { span: tag.span(), format: String::new(), members: Vec::new() };
    for piece in template::tag_pieces(&text)? {
        match piece {
            // It holds no brace that `format!` would take for its own.
            TagPiece::Literal(literal) => made.format.push_str(literal),
            TagPiece::Field(path) => {
                made.format.push_str("{}");
                made.members.push(members(path, fields, terms, tag.span())?);
            }
        }
    }
    Ok(made)
}

/// The way from the node to `path`, such as `user.id` or `0`.
fn members(
    path: &str,
    fields: &[Field<'_>],
    terms: Terms<'_>,
    span: Span,
) -> Result<Vec<Member>, String> {
    let mut names = path.split('.');
    let first = names.next().unwrap_or_default();
    let first = find(first, fields, terms).map_err(|unknown| unknown.problem)?;
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

fn find<'a>(
    name: &str,
    fields: &'a [Field<'a>],
    terms: Terms<'_>,
) -> Result<&'a Field<'a>, Unknown<'a>> {
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
    Err(Unknown { problem: terms.unknown(name, &hint), meant })
}
