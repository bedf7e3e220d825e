use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, DeriveInput, Expr, FnArg, ItemFn, LitStr, Pat, parse_quote};

use super::arguments::{Argument, Arguments, located, mentions};
use super::outcome::Outcome;
use crate::node::{NodeParts, Terms, implementation};
use crate::options::DefinitionOptions;

/// The struct of the arguments that make the key, which is a node.
pub(super) fn node(
    core: &TokenStream,
    key: &LitStr,
    outcome: &Outcome,
    options: &DefinitionOptions,
    arguments: &Arguments,
) -> syn::Result<TokenStream> {
    let fields = arguments.of_key().map(|argument| {
        let (ident, ty) = (&argument.ident, argument.owned_type());
        quote!(#ident: #ty)
    });
    let input: DeriveInput = parse_quote!(struct __CachedCall { #(#fields,)* });
    let parts = NodeParts { core, key, value: &outcome.value, options };
    let implementation =
        implementation(&input, &parts, Terms::Function { skipped: &arguments.skipped })?;
    Ok(quote! {
        #[derive(
            ::core::clone::Clone, ::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash,
        )]
        #input
        #implementation
    })
}

/// All that the cached function and its companions are made of.
pub(super) struct Expansion<'a> {
    pub(super) function: &'a ItemFn,
    pub(super) core: &'a TokenStream,
    /// Gives the cache, where the function's arguments are in scope.
    pub(super) cache: &'a Expr,
    /// The struct of the arguments, with its implementation.
    pub(super) node: TokenStream,
    pub(super) outcome: &'a Outcome,
    pub(super) arguments: &'a Arguments,
    /// It stands in an `impl` block.
    pub(super) is_associated: bool,
}

impl Expansion<'_> {
    pub(super) fn tokens(&self) -> TokenStream {
        let (cached, refresh) = (self.cached(), self.refresh());
        let (companion, uncached, call) = (self.companion(), self.uncached(), self.call());
        quote!(#cached #refresh #companion #uncached #call)
    }

    fn name(&self, suffix: &str) -> Ident {
        let ident = &self.function.sig.ident;
        format_ident!("{}_{suffix}", ident.unraw(), span = ident.span())
    }

    fn call_name(&self) -> Ident {
        let ident = &self.function.sig.ident;
        format_ident!("__{}_call", ident.unraw(), span = Span::call_site())
    }

    fn scope(&self) -> Option<TokenStream> {
        self.is_associated.then(|| quote!(Self::))
    }

    /// The function under its own name, which asks the cache.
    fn cached(&self) -> TokenStream {
        let attributes = self.function.attrs.iter().filter(|attribute| says_of_api(attribute));
        let lints = self.lints();
        let (bound, load) = (self.bound(), self.load());
        let signature = self.signature(self.function.sig.ident.clone());
        let node = local("bound");
        let answer = self.outcome.to_answer(&quote! {
            #node.handle().get_with_prepared(#node.node(), move || #load).await
        });
        let visibility = &self.function.vis;
        quote! {
            #(#attributes)*
            #(#lints)*
            #visibility #signature {
                let #node = #bound?;
                #answer
            }
        }
    }

    /// The same, but for the load, which is done whatever the tiers hold.
    fn refresh(&self) -> TokenStream {
        let (bound, load) = (self.bound(), self.load());
        let signature = self.signature(self.name("refresh"));
        let node = local("bound");
        let answer = self.outcome.to_answer(&quote! {
            #node.handle().refresh_with(#node.node(), #load).await
        });
        let documentation = format!(
            "Runs [`{0}`]({1}{0}) whatever the cache holds, and fills the cache with the answer.",
            self.function.sig.ident.unraw(),
            if self.is_associated { "Self::" } else { "" },
        );
        let (visibility, lints) = (&self.function.vis, self.lints());
        quote! {
            #[doc = #documentation]
            #[allow(dead_code)]
            #(#lints)*
            #visibility #signature {
                let #node = #bound?;
                #answer
            }
        }
    }

    /// Gives the node of a call, with its handle.
    fn companion(&self) -> TokenStream {
        let name = self.name("node");
        let cache = self.cache.to_token_stream();
        let is_taken =
            |argument: &&Argument| !argument.is_skipped || mentions(&cache, &argument.ident);
        let receiver = self
            .arguments
            .receiver
            .as_ref()
            .filter(|_| mentions(&cache, &Ident::new("self", Span::call_site())));
        let receiver = receiver.map(|itself| itself.syntax.to_token_stream()).into_iter();
        let taken = self.arguments.all.iter().filter(is_taken).map(|argument| {
            let (ident, ty) = (&argument.ident, argument.elided_type());
            quote!(#ident: #ty)
        });
        let arguments = receiver.chain(taken);
        let (core, value, bound) = (self.core, &self.outcome.value, self.bound());
        // In an `impl` that has parameters, they would have to stand here, too.
        let captured = (!self.is_associated).then(|| quote!(+ use<>));
        let documentation = format!(
            "The node of [`{0}`]({1}{0}) for these arguments: to look at, invalidate, expire or set \
             what is cached.\n\n# Errors\n`Error::Config` if the node type could not be bound.",
            self.function.sig.ident.unraw(),
            if self.is_associated { "Self::" } else { "" },
        );
        let (visibility, lints) = (&self.function.vis, self.lints());
        quote! {
            #[doc = #documentation]
            #[allow(dead_code)]
            #(#lints)*
            #visibility fn #name(#(#arguments),*) -> ::core::result::Result<
                #core::handle::NodeHandle<impl #core::node::Node<Value = #value> #captured>,
                #core::error::Error,
            > {
                #bound
            }
        }
    }

    /// The function as it was written.
    fn uncached(&self) -> TokenStream {
        let mut function = self.function.clone();
        function.sig.ident = self.name("uncached");
        function.attrs.retain(|attribute| !says_of_api(attribute));
        let cache = self.cache.to_token_stream();
        for input in &mut function.sig.inputs {
            // What leads to the cache need not be used otherwise.
            if let FnArg::Typed(typed) = input
                && let Pat::Ident(pattern) = &*typed.pat
                && mentions(&cache, &pattern.ident)
            {
                typed.attrs.push(parse_quote!(#[allow(unused_variables)]));
            }
        }
        let documentation = format!(
            "[`{0}`]({1}{0}) without the cache: what a load runs.",
            self.function.sig.ident.unraw(),
            if self.is_associated { "Self::" } else { "" },
        );
        quote!(#[doc = #documentation] #function)
    }

    /// Makes the node, whose type is known here alone: all others get it from here. Takes no
    /// reference, because the type would be taken to borrow from it.
    fn call(&self) -> TokenStream {
        let Self { core, node, .. } = self;
        let name = self.call_name();
        let arguments = self.arguments.of_key().map(|argument| {
            let (ident, ty) = (&argument.ident, argument.owned_type());
            quote!(#ident: #ty)
        });
        let fields = self.arguments.of_key().map(|argument| &argument.ident);
        let value = &self.outcome.value;
        let guard = self.outcome.guard();
        quote! {
            #[doc(hidden)]
            #[allow(clippy::too_many_arguments)]
            fn #name(#(#arguments),*) -> impl #core::node::Node<Value = #value> {
                #node
                #guard
                __CachedCall { #(#fields),* }
            }
        }
    }

    /// Binds the node of the arguments that are in scope, which it leaves there.
    fn bound(&self) -> TokenStream {
        let (core, scope, name) = (self.core, self.scope(), self.call_name());
        let cache = self.cache;
        let arguments = self.arguments.of_key().map(|argument| {
            let Argument { ident, ty, referent, .. } = argument;
            match referent {
                Some(referent) => quote_spanned! {located(referent)=>
                    <#referent as ::std::borrow::ToOwned>::to_owned(#ident)
                },
                None => quote_spanned! {located(ty)=>
                    <#ty as ::core::clone::Clone>::clone(&#ident)
                },
            }
        });
        let cache = quote_spanned!(located(cache)=> &(#cache));
        quote!(#core::handle::NodeHandle::without_source(#cache, #scope #name(#(#arguments),*)))
    }

    /// A block that takes hold of the arguments, and is the closure that loads.
    fn load(&self) -> TokenStream {
        let (scope, name) = (self.scope(), self.name("uncached"));
        let this = local("this");
        let mut owned = TokenStream::new();
        let mut passed = Vec::new();
        if let Some(itself) = &self.arguments.receiver {
            let span = located(&itself.syntax.self_token);
            if itself.is_borrowed {
                owned.extend(quote_spanned!(span=> let #this = ::core::clone::Clone::clone(self);));
                passed.push(quote!(&#this));
            } else {
                owned.extend(quote_spanned!(span=> let #this = self;));
                passed.push(quote!(#this));
            }
        }
        for argument in &self.arguments.all {
            let ident = &argument.ident;
            match &argument.referent {
                Some(referent) => {
                    let span = located(referent);
                    owned.extend(quote_spanned! {span=>
                        let #ident: <#referent as ::std::borrow::ToOwned>::Owned =
                            ::std::borrow::ToOwned::to_owned(#ident);
                    });
                    passed.push(quote_spanned! {span=>
                        ::core::borrow::Borrow::<#referent>::borrow(&#ident)
                    });
                }
                None => {
                    owned.extend(quote!(let #ident = #ident;));
                    passed.push(quote!(#ident));
                }
            }
        }
        let call = quote!(#scope #name(#(#passed),*).await);
        let load = self.outcome.to_load(self.core, &call);
        quote!({
            #owned
            move || async move { #load }
        })
    }

    /// The signature of a function that takes the same arguments, and returns what the cache has.
    fn signature(&self, name: Ident) -> TokenStream {
        let generics = &self.function.sig.generics;
        let (parameters, _, bounds) = generics.split_for_impl();
        let receiver = self.arguments.receiver.iter().map(|itself| {
            let mut receiver = itself.syntax.clone();
            receiver.mutability = None;
            receiver.attrs.clear();
            receiver.to_token_stream()
        });
        let others = self.arguments.all.iter().map(|argument| {
            let Argument { ident, ty, .. } = argument;
            quote!(#ident: #ty)
        });
        let arguments = receiver.chain(others);
        let answer = self.outcome.returned(self.core);
        quote!(async fn #name #parameters (#(#arguments),*) -> #answer #bounds)
    }

    /// The function's own levels of lints, which hold in all that is made of it.
    fn lints(&self) -> Vec<&Attribute> {
        let levels = ["allow", "warn", "deny", "forbid"];
        let is_level =
            |attribute: &&Attribute| levels.iter().any(|level| attribute.path().is_ident(level));
        self.function.attrs.iter().filter(is_level).collect()
    }
}

/// Whether the attribute is for those who call the function; all others are for what it does.
fn says_of_api(attribute: &Attribute) -> bool {
    ["doc", "deprecated", "must_use"].iter().any(|name| attribute.path().is_ident(name))
}

/// A name that no argument can have.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
