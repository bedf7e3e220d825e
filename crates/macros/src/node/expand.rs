use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Generics, LitStr, Type, parse_quote};

use super::names::Names;
use crate::options::{Codec, DefinitionOptions, Doorkeeper, EarlyRefresh, TierOptions, WhenFull};

/// All that the implementation is made of.
pub(super) struct Expansion<'a> {
    pub(super) input: &'a DeriveInput,
    /// The path of the core crate.
    pub(super) core: &'a TokenStream,
    pub(super) key: &'a LitStr,
    pub(super) value: &'a Type,
    pub(super) options: &'a DefinitionOptions,
    pub(super) names: &'a Names<'a>,
}

impl Expansion<'_> {
    /// `impl Node for ..`.
    pub(super) fn implementation(&self) -> TokenStream {
        let Self { core, value, .. } = *self;
        let ident = &self.input.ident;
        let generics = self.bounded_generics();
        let (parameters, arguments, bounds) = generics.split_for_impl();
        let definition = self.definition();
        let key_fields = self.key_fields();
        let codec = self.codec();
        let tags = self.tags();
        let weight = self.options.weight.as_ref().map(|function| {
            let call = quote_spanned!(located(function)=> #function(value));
            quote! {
                fn weight(value: &#value) -> ::core::primitive::u64 {
                    #call
                }
            }
        });
        quote! {
            #[automatically_derived]
            impl #parameters #core::node::Node for #ident #arguments #bounds {
                type Value = #value;

                fn definition() -> #core::node::NodeDefinition {
                    #definition
                }

                fn codec() -> #core::entry::Codec<#value> {
                    #codec
                }

                #key_fields
                #tags
                #weight
            }
        }
    }

    /// The generics of the struct, and what `Node` asks of them.
    fn bounded_generics(&self) -> Generics {
        let mut generics = self.input.generics.clone();
        if generics.params.is_empty() {
            return generics;
        }
        let parameters: Vec<_> =
            self.input.generics.type_params().map(|parameter| parameter.ident.clone()).collect();
        let bounds = generics.make_where_clause();
        bounds.predicates.push(parse_quote!(
            Self: ::core::clone::Clone + ::core::cmp::Eq + ::core::hash::Hash
                + ::core::marker::Send + ::core::marker::Sync + 'static
        ));
        for field in &self.names.key_fields {
            let ty = field.ty;
            if mentions(ty.to_token_stream(), &parameters) {
                bounds.predicates.push(parse_quote!(#ty: ::core::fmt::Display));
            }
        }
        let value = self.value;
        if mentions(value.to_token_stream(), &parameters) {
            bounds
                .predicates
                .push(parse_quote!(#value: ::core::marker::Send + ::core::marker::Sync + 'static));
        }
        generics
    }

    fn definition(&self) -> TokenStream {
        let Self { core, key, options, .. } = *self;
        let name = match &options.name {
            Some(name) => name.value(),
            None => syn::ext::IdentExt::unraw(&self.input.ident).to_string(),
        };
        let version = options.version.iter().map(|version| quote!(.version(#version)));
        let tiers = options.tiers.iter().map(|tier| {
            let tier = self.tier(tier);
            quote!(.tier(#tier))
        });
        let tags = self.names.fixed_tags.iter().map(|tag| quote!(.tag(#tag)));
        let absent_ttl = options.absent_ttl.map(|ttl| {
            let ttl = optional_duration(ttl);
            quote!(.absent_ttl(#ttl))
        });
        let load_timeout = options.load_timeout.map(|timeout| {
            let timeout = optional_duration(timeout);
            quote!(.load_timeout(#timeout))
        });
        let jitter = options.jitter.map(|share| quote!(.jitter(#share)));
        let doorkeeper = options.doorkeeper.as_ref().map(|doorkeeper| {
            let Doorkeeper { size, false_positive_rate: rate } = doorkeeper;
            quote!(.doorkeeper(#core::policy::doorkeeper::DoorkeeperOptions::new(#size, #rate)))
        });
        let stale = options.stale.as_ref().map(|stale| {
            let given = stale.given.iter().map(|(name, span)| {
                let (name, span) = (Ident::new(name, Span::call_site()), duration(*span));
                quote!(.#name(#span))
            });
            quote!(.stale(#core::policy::stale::StaleOptions::new() #(#given)*))
        });
        let early_refresh = options.early_refresh.as_ref().map(|early| {
            let early = match early {
                EarlyRefresh::AtShare(share) => quote!(AtShare(#share)),
                EarlyRefresh::XFetch(beta) => quote!(XFetch { beta: #beta }),
            };
            quote!(.early_refresh(#core::policy::early::EarlyRefresh::#early))
        });
        let refreshes_max = options.refreshes_max.map(|refreshes| {
            let refreshes = proc_macro2::Literal::u64_unsuffixed(refreshes);
            quote!(.refreshes_max(#refreshes))
        });
        let prefetches_max = options.prefetches_max.map(|prefetches| {
            let prefetches = proc_macro2::Literal::u64_unsuffixed(prefetches);
            quote!(.prefetches_max(#prefetches))
        });
        let across = options.across.as_ref().map(|across| {
            let storage = &across.storage;
            let ttl = across.ttl.map(duration).map(|ttl| quote!(.ttl(#ttl)));
            let wait_max = across.wait_max.map(duration).map(|wait| quote!(.wait_max(#wait)));
            quote!(.across(#core::node::Across::new(#storage) #ttl #wait_max))
        });
        let loads_max = options.loads_max.map(|loads| {
            let loads = proc_macro2::Literal::u64_unsuffixed(loads);
            quote!(.loads_max(#loads))
        });
        let abandoned = options
            .abandoned
            .iter()
            .map(|variant| quote!(.abandoned(#core::node::Abandoned::#variant)));
        let on_peer_change = options
            .on_peer_change
            .iter()
            .map(|variant| quote!(.on_peer_change(#core::node::PeerChange::#variant)));
        let write_behind = self.write_behind();
        let compression = self.compression();
        let decoded_bytes_max = options.decoded_bytes_max.map(|bytes| {
            let bytes = proc_macro2::Literal::u64_unsuffixed(bytes);
            quote!(.decoded_bytes_max(#bytes))
        });
        quote! {
            #core::node::NodeDefinition::new(#name, #key)
                #(#version)*
                #(#tiers)*
                #(#tags)*
                #absent_ttl
                #load_timeout
                #jitter
                #doorkeeper
                #loads_max
                #stale
                #early_refresh
                #refreshes_max
                #prefetches_max
                #across
                #write_behind
                #(#abandoned)*
                #(#on_peer_change)*
                #compression
                #decoded_bytes_max
        }
    }

    fn tier(&self, tier: &TierOptions) -> TokenStream {
        let core = self.core;
        let storage = &tier.storage;
        let ttl = tier.ttl.map(duration).map(|ttl| quote!(.ttl(#ttl)));
        let idle = tier.idle.map(duration).map(|idle| quote!(.idle(#idle)));
        let min = tier.value_bytes_min.map(|bytes| quote!(.value_bytes_min(#bytes)));
        let max = tier.value_bytes_max.map(|bytes| quote!(.value_bytes_max(#bytes)));
        let on_failure = tier
            .on_failure
            .iter()
            .map(|variant| quote!(.on_failure(#core::node::TierFailure::#variant)));
        quote!(#core::node::TierDefinition::new(#storage) #ttl #idle #min #max #(#on_failure)*)
    }

    fn write_behind(&self) -> Option<TokenStream> {
        let core = self.core;
        let options = self.options.write_behind.as_ref()?;
        let to = &options.to;
        let number = |number: u64| proc_macro2::Literal::u64_unsuffixed(number);
        let queued_max = options.queued_max.map(number).map(|max| quote!(.queued_max(#max)));
        let batch_max = options.batch_max.map(number).map(|max| quote!(.batch_max(#max)));
        let delay = options.delay.map(|delay| {
            let delay = duration(delay.unwrap_or_default());
            quote!(.delay(#delay))
        });
        let when_full = options.when_full.as_ref().map(|when_full| match when_full {
            WhenFull::Refuse => {
                quote!(.when_full(#core::policy::write_behind::WhenFull::Refuse))
            }
            WhenFull::Wait(limit) => {
                let limit = duration(*limit);
                quote!(.when_full(#core::policy::write_behind::WhenFull::Wait(#limit)))
            }
        });
        let retry_for = options.retry_for.map(duration).map(|span| quote!(.retry_for(#span)));
        Some(quote! {
            .write_behind(
                #core::policy::write_behind::WriteBehind::#to()
                    #queued_max #batch_max #delay #when_full #retry_for
            )
        })
    }

    fn compression(&self) -> Option<TokenStream> {
        let core = self.core;
        let threshold = self.options.compression_threshold_bytes.map(|(bytes, _)| {
            let bytes = proc_macro2::Literal::u64_unsuffixed(bytes);
            quote!(.above(#bytes))
        });
        let policy = match &self.options.compression {
            Some(method) if method == "None" => quote!(#core::entry::CompressionPolicy::NONE),
            Some(method) => quote! {
                #core::entry::CompressionPolicy::new(#core::entry::Compression::#method)
            },
            None if threshold.is_none() => return None,
            None => quote! {
                <#core::entry::CompressionPolicy as ::core::default::Default>::default()
            },
        };
        Some(quote!(.compression(#policy #threshold)))
    }

    fn key_fields(&self) -> TokenStream {
        let core = self.core;
        let pushes = self.names.key_fields.iter().map(|field| {
            let member = &field.member;
            quote_spanned!(located(field.ty)=> fields.push(&self.#member);)
        });
        let markers = self.names.markers.iter().map(|field| {
            let member = &field.member;
            quote_spanned!(located(field.ty)=>
                let _: &::core::marker::PhantomData<_> = &self.#member;
            )
        });
        let unused = self.names.key_fields.is_empty().then(|| quote!(let _ = fields;));
        quote! {
            fn key_fields(&self, fields: &mut #core::key::KeyFields<'_>) {
                #unused
                #(#markers)*
                #(#pushes)*
            }
        }
    }

    fn tags(&self) -> Option<TokenStream> {
        if self.names.made_tags.is_empty() {
            return None;
        }
        let pushes = self.names.made_tags.iter().map(|tag| {
            let format = LitStr::new(&tag.format, tag.span);
            let members = tag.members.iter();
            let values =
                members.map(|members| quote_spanned!(located(&format)=> &self #(.#members)*));
            quote!(labels.push(::std::format!(#format, #(#values),*));)
        });
        Some(quote! {
            fn tags(&self, labels: &mut ::std::vec::Vec<::std::string::String>) {
                #(#pushes)*
            }
        })
    }

    fn codec(&self) -> TokenStream {
        let (core, value) = (self.core, self.value);
        let built_in = |constructor: &Ident| quote_spanned!(constructor.span()=> <#core::entry::Codec<#value>>::#constructor());
        match &self.options.codec {
            None => built_in(&Ident::new("message_pack", value.span())),
            Some(Codec::BuiltIn(constructor)) => built_in(constructor),
            Some(Codec::Function(function)) => quote!(#function()),
        }
    }
}

/// Where `syntax` stands, for errors; names are those of the generated code, even if `syntax` came
/// out of another macro.
fn located(syntax: &impl Spanned) -> Span {
    Span::call_site().located_at(syntax.span())
}

fn duration(duration: Duration) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

fn optional_duration(span: Option<Duration>) -> TokenStream {
    match span.map(duration) {
        Some(duration) => quote!(::core::option::Option::Some(#duration)),
        None => quote!(::core::option::Option::None),
    }
}

/// Whether one of the names is among the tokens.
fn mentions(tokens: TokenStream, names: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.contains(&ident),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}
