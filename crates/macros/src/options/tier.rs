use std::time::Duration;

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, LitStr, Token, token};

use super::list::{OptionList, each, in_parentheses};
use super::{name, value};
use crate::errors::Errors;

/// One tier, as `memory`, `memory(ttl = "30s")` or `"my-redis"(ttl = "1h")` gives it.
pub(crate) struct TierOptions {
    /// The name of the storage.
    pub(crate) storage: String,
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) value_bytes_min: Option<u64>,
    pub(crate) value_bytes_max: Option<u64>,
    /// The variant of `TierFailure`.
    pub(crate) on_failure: Option<Ident>,
}

const OPTIONS: &[&str] = &["ttl", "idle", "value_bytes_min", "value_bytes_max", "on_failure"];

/// Reads `(memory(..), sqlite(..))`: one tier at least, each storage once.
pub(super) fn tiers(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<TierOptions>> {
    let mut tiers: Vec<TierOptions> = Vec::new();
    let mut given = false;
    let span = in_parentheses(input, errors, |input, errors| {
        given = !input.is_empty();
        each(input, errors, |input, errors| {
            let head = input.span();
            let tier = TierOptions::read(input, errors)?;
            if tiers.iter().any(|other| other.storage == tier.storage) {
                let message = format!("the storage `{}` is a tier already", tier.storage);
                return Err(syn::Error::new(head, message));
            }
            tiers.push(tier);
            Ok(())
        });
    })?;
    if !given {
        errors.at(span, "a node needs one tier at least, such as `tiers(memory(ttl = \"30s\"))`");
    }
    Ok(tiers)
}

impl TierOptions {
    fn read(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let mut tier = Self::named(storage_name(input)?);
        if input.peek(token::Paren) {
            let mut list = OptionList::new("a tier", OPTIONS.iter().copied());
            in_parentheses(input, errors, |input, errors| {
                list.read(input, errors, |name, input, _| tier.option(name, input));
            })?;
        } else if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error("expected `,`, or the tier's options in parentheses"));
        }
        Ok(tier)
    }

    fn named(storage: String) -> Self {
        Self {
            storage,
            ttl: None,
            idle: None,
            value_bytes_min: None,
            value_bytes_max: None,
            on_failure: None,
        }
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "ttl" => self.ttl = Some(value::duration(input)?),
            "idle" => self.idle = Some(value::duration(input)?),
            "value_bytes_min" => {
                let (bytes, span) = value::integer(input, 0..=u64::MAX)?;
                self.value_bytes_min = Some(bytes);
                self.check_sizes(span)?;
            }
            "value_bytes_max" => {
                let (bytes, span) = value::integer(input, 1..=u64::MAX)?;
                self.value_bytes_max = Some(bytes);
                self.check_sizes(span)?;
            }
            "on_failure" => {
                let words = [("miss", "Miss"), ("error", "Error")];
                self.on_failure = Some(value::word(input, &words)?);
            }
            _ => return Err(input.error("not an option of a tier")),
        }
        Ok(())
    }

    fn check_sizes(&self, span: proc_macro2::Span) -> syn::Result<()> {
        match (self.value_bytes_min, self.value_bytes_max) {
            (Some(min), Some(max)) if min > max => {
                let message = format!("the tier would take no value: {min} is larger than {max}");
                Err(syn::Error::new(span, message))
            }
            _ => Ok(()),
        }
    }
}

fn storage_name(input: ParseStream<'_>) -> syn::Result<String> {
    let (name, span) = if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        (text.value(), text.span())
    } else {
        let name = input.call(Ident::parse_any).map_err(|error| {
            let message = "expected the name of a storage, such as `memory` or `\"my-redis\"`";
            syn::Error::new(error.span(), message)
        })?;
        (name.unraw().to_string(), name.span())
    };
    name::check("name of the storage", &name).map_err(|problem| syn::Error::new(span, problem))?;
    Ok(name)
}
