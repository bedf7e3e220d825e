use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, FnArg, Pat, Receiver, ReceiverKind, Signature, Type};

use super::attribute::CachedAttribute;
use crate::errors::Errors;
use crate::options::listed;

/// The arguments of the function, and what each of them is for.
pub(super) struct Arguments {
    pub(super) receiver: Option<Itself>,
    /// All others, in order.
    pub(super) all: Vec<Argument>,
    /// The names of those that are no part of the key.
    pub(super) skipped: Vec<String>,
}

/// The `self` of a method.
pub(super) struct Itself {
    pub(super) syntax: Receiver,
    /// It is a reference, so that the load is given a clone.
    pub(super) is_borrowed: bool,
}

/// An argument that is not `self`.
pub(super) struct Argument {
    pub(super) ident: Ident,
    /// As it is written.
    pub(super) ty: Type,
    /// What it refers to, where it borrows.
    pub(super) referent: Option<Type>,
    pub(super) is_skipped: bool,
}

impl Arguments {
    /// Reads them; what cannot be cached is reported.
    pub(super) fn read(
        signature: &Signature,
        attribute: &CachedAttribute,
        errors: &mut Errors,
    ) -> Self {
        let mut arguments = Self { receiver: None, all: Vec::new(), skipped: Vec::new() };
        let cache = attribute.cache.as_ref().and_then(only_name);
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    arguments.receiver = Some(itself(receiver, attribute, errors));
                }
                FnArg::Typed(typed) => {
                    let Pat::Ident(pattern) = &*typed.pat else {
                        let message = "give the argument a name: the key and `skip` go by it";
                        errors.at(typed.pat.span(), message);
                        continue;
                    };
                    let ident = pattern.ident.clone();
                    let is_skipped = cache.as_ref() == Some(&ident)
                        || attribute.skip.iter().any(|skipped| skipped.unraw() == ident.unraw());
                    if is_skipped {
                        arguments.skipped.push(ident.unraw().to_string());
                    }
                    let argument = Argument::read(ident, &typed.ty, is_skipped, errors);
                    arguments.all.push(argument);
                }
            }
        }
        arguments.refuse_unknown_skips(attribute, errors);
        arguments
    }

    fn refuse_unknown_skips(&self, attribute: &CachedAttribute, errors: &mut Errors) {
        for skipped in &attribute.skip {
            let is_self = skipped == "self" && self.receiver.is_some();
            let is_argument = |argument: &Argument| argument.ident.unraw() == skipped.unraw();
            if is_self || self.all.iter().any(is_argument) {
                continue;
            }
            let names: Vec<String> =
                self.all.iter().map(|argument| argument.ident.unraw().to_string()).collect();
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            if self.receiver.is_some() {
                names.insert(0, "self");
            }
            let hint = match &*names {
                [] => "it has none".to_owned(),
                names => format!("it has {}", listed(names)),
            };
            errors.at(skipped.span(), format!("there is no argument `{skipped}` to skip: {hint}"));
        }
    }

    /// The arguments that make the key.
    pub(super) fn of_key(&self) -> impl Iterator<Item = &Argument> {
        self.all.iter().filter(|argument| !argument.is_skipped)
    }
}

fn itself(receiver: &Receiver, attribute: &CachedAttribute, errors: &mut Errors) -> Itself {
    let is_borrowed = match &receiver.kind {
        ReceiverKind::Reference(_, _, Some(mutable)) => {
            errors.at(
                mutable.span(),
                "a cached method cannot change `self`: most calls do not run it",
            );
            true
        }
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => matches!(&**ty, Type::Reference(_)),
        _ => false,
    };
    if !attribute.skip.iter().any(|skipped| skipped == "self") {
        errors.at(
            receiver.self_token.span(),
            "`self` is not in the key: add `skip(self)` if the answer does not depend on which \
             `self` is asked. A load outlives the call, and is given a clone of `self`: `&self` \
             asks for a type that is `Clone`, `self: Arc<Self>` and `self: &Arc<Self>` for none",
        );
    }
    Itself { syntax: receiver.clone(), is_borrowed }
}

impl Argument {
    fn read(ident: Ident, ty: &Type, is_skipped: bool, errors: &mut Errors) -> Self {
        let tokens = ty.to_token_stream();
        let name = ident.unraw();
        let mut referent = None;
        let mut inside = tokens.clone();
        if let Type::Reference(reference) = ty {
            let elem = &*reference.elem;
            if let Some(mutable) = &reference.mutability {
                let message =
                    "a cached function cannot change its arguments: most calls do not run it";
                errors.at(mutable.span(), message);
            }
            let is_static =
                reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            if !is_static {
                referent = Some(elem.clone());
                inside = elem.to_token_stream();
                if matches!(elem, Type::TraitObject(_)) {
                    errors.at(
                        ty.span(),
                        format!(
                            "a load outlives the call and has to own `{name}`, but nothing says \
                             how this is cloned: take an `Arc<dyn ..>`"
                        ),
                    );
                }
            }
        }
        if let Some(span) = find(&tokens, &|token| is_word(token, "impl")) {
            errors.at(
                span,
                format!(
                    "the type of `{name}` must be named: values of any two types could make \
                     one key"
                ),
            );
        } else if let Some(span) = borrow_in(&inside) {
            errors.at(
                span,
                format!(
                    "`{name}` borrows inside of its type, but a load outlives the call: own it \
                     (`String`, `Arc<str>`), or take a plain reference, which is cloned"
                ),
            );
        }
        if !is_skipped && let Some(span) = find(&tokens, &|token| is_word(token, "Self")) {
            errors
                .at(span, "the key is made outside of the `impl`: name the type instead of `Self`");
        }
        Self { ident, ty: ty.clone(), referent, is_skipped }
    }

    /// The type of what is kept of it.
    pub(super) fn owned_type(&self) -> TokenStream {
        match &self.referent {
            Some(referent) => {
                quote_spanned!(located(referent)=> <#referent as ::std::borrow::ToOwned>::Owned)
            }
            None => self.ty.to_token_stream(),
        }
    }

    /// Its type without the name of a lifetime, which the function alone knows.
    pub(super) fn elided_type(&self) -> TokenStream {
        match &self.referent {
            Some(referent) => quote_spanned!(located(referent)=> &#referent),
            None => self.ty.to_token_stream(),
        }
    }
}

/// Where `syntax` stands; names are those of the generated code.
pub(super) fn located(syntax: &impl Spanned) -> Span {
    Span::call_site().located_at(syntax.span())
}

/// The name that an expression consists of, maybe behind a `&`.
fn only_name(expression: &Expr) -> Option<Ident> {
    match expression {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        Expr::Reference(reference) => only_name(&reference.expr),
        Expr::Paren(inner) => only_name(&inner.expr),
        _ => None,
    }
}

/// Where a type borrows, other than `'static`; functions and trait objects may name lifetimes of
/// their own.
pub(super) fn borrow_in(tokens: &TokenStream) -> Option<Span> {
    let binds = ["dyn", "fn", "for"];
    if find(tokens, &|token| binds.iter().any(|word| is_word(token, word))).is_some() {
        return None;
    }
    let mut before: Option<TokenTree> = None;
    for token in tokens.clone() {
        if let TokenTree::Group(group) = &token
            && let Some(span) = borrow_in(&group.stream())
        {
            return Some(span);
        }
        let is_reference = matches!(&before, Some(TokenTree::Punct(sign)) if sign.as_char() == '&')
            && !matches!(&token, TokenTree::Punct(sign) if sign.as_char() == '\'');
        let is_lifetime = matches!(&before, Some(TokenTree::Punct(sign)) if sign.as_char() == '\'')
            && !is_word(&token, "static");
        if is_reference || is_lifetime {
            return before.map(|before| before.span());
        }
        before = Some(token);
    }
    None
}

/// Whether a name is among the tokens.
pub(super) fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    find(tokens, &|token| matches!(token, TokenTree::Ident(ident) if ident == name)).is_some()
}

pub(super) fn find(tokens: &TokenStream, is: &dyn Fn(&TokenTree) -> bool) -> Option<Span> {
    tokens.clone().into_iter().find_map(|token| match &token {
        TokenTree::Group(group) => find(&group.stream(), is),
        token if is(token) => Some(token.span()),
        _ => None,
    })
}

pub(super) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}
