use std::time::Duration;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{ExprPath, Ident, LitStr, Path};

use super::across::{self, Across};
use super::list::{OptionList, each, in_parentheses};
use super::stale::{self, EarlyRefresh, Stale};
use super::tier::{self, TierOptions};
use super::write_behind::{self, WriteBehind};
use super::{name, value};
use crate::errors::Errors;

/// The options that define a node, whatever attribute they stand in. What is not given is left to
/// the defaults of the core crate.
#[derive(Default)]
pub(crate) struct DefinitionOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) tiers: Vec<TierOptions>,
    pub(crate) codec: Option<Codec>,
    /// The variant of `Compression`.
    pub(crate) compression: Option<Ident>,
    pub(crate) compression_threshold_bytes: Option<(u64, Span)>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) jitter: Option<f64>,
    pub(crate) absent_ttl: Option<Option<Duration>>,
    pub(crate) load_timeout: Option<Option<Duration>>,
    pub(crate) loads_max: Option<u64>,
    pub(crate) doorkeeper: Option<Doorkeeper>,
    pub(crate) stale: Option<Stale>,
    pub(crate) early_refresh: Option<EarlyRefresh>,
    pub(crate) refreshes_max: Option<u64>,
    pub(crate) prefetches_max: Option<u64>,
    pub(crate) across: Option<Across>,
    pub(crate) write_behind: Option<WriteBehind>,
    /// The variant of `Abandoned`.
    pub(crate) abandoned: Option<Ident>,
    /// The variant of `PeerChange`.
    pub(crate) on_peer_change: Option<Ident>,
    pub(crate) decoded_bytes_max: Option<u64>,
    pub(crate) weight: Option<ExprPath>,
    /// Where the core crate is, if not where it is looked for.
    pub(crate) core: Option<Path>,
}

/// How values become bytes.
pub(crate) enum Codec {
    /// A constructor of `Codec`.
    BuiltIn(Ident),
    /// A function that returns a `Codec`.
    Function(ExprPath),
}

/// The size of a doorkeeper.
pub(crate) struct Doorkeeper {
    pub(crate) size: u64,
    pub(crate) false_positive_rate: f64,
}

/// The words for the codecs of the core crate, and their constructors.
const CODECS: &[(&str, &str)] = &[
    ("msgpack", "message_pack"),
    ("json", "json"),
    ("bincode", "bincode"),
    ("bytes", "bytes"),
    ("none", "none"),
];

/// The largest doorkeeper that the core crate makes.
const DOORKEEPER_SIZE_MAX: u64 = 1 << 32;

impl DefinitionOptions {
    /// The names of these options.
    pub(crate) const NAMES: &'static [&'static str] = &[
        "version",
        "tiers",
        "codec",
        "compression",
        "compression_threshold_bytes",
        "tags",
        "jitter",
        "absent_ttl",
        "load_timeout",
        "loads_max",
        "doorkeeper",
        "stale",
        "early_refresh",
        "refreshes_max",
        "prefetches_max",
        "across",
        "write_behind",
        "abandoned",
        "on_peer_change",
        "decoded_bytes_max",
        "name",
        "weight",
        "crate",
    ];

    /// Reads the option `name`, one of [`NAMES`](Self::NAMES), from the input behind it.
    pub(crate) fn read(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        match name.to_string().as_str() {
            "version" => self.version = Some(version(input)?),
            "tiers" => self.tiers = tier::tiers(input, errors)?,
            "codec" => self.codec = Some(codec(input)?),
            "compression" => {
                let words = [("none", "None"), ("zstd", "Zstd"), ("lz4", "Lz4")];
                self.compression = Some(value::word(input, &words)?);
            }
            "compression_threshold_bytes" => {
                // Fits a `usize` wherever the code is compiled for.
                let threshold = value::integer(input, 0..=u64::from(u32::MAX))?;
                self.compression_threshold_bytes = Some(threshold);
            }
            "tags" => self.tags = tags(input, errors)?,
            "jitter" => self.jitter = Some(jitter(input)?),
            "absent_ttl" => self.absent_ttl = Some(value::duration_or_none(input)?),
            "load_timeout" => self.load_timeout = Some(value::duration_or_none(input)?),
            "loads_max" => {
                self.loads_max = Some(value::integer(input, 1..=u64::from(u32::MAX))?.0);
            }
            "doorkeeper" => self.doorkeeper = doorkeeper(input, errors)?,
            "stale" => self.stale = Some(stale::stale(input, errors)?),
            "early_refresh" => self.early_refresh = stale::early_refresh(input, errors)?,
            "refreshes_max" => {
                self.refreshes_max = Some(value::integer(input, 1..=u64::from(u32::MAX))?.0);
            }
            "prefetches_max" => {
                self.prefetches_max = Some(value::integer(input, 1..=u64::from(u32::MAX))?.0);
            }
            "across" => self.across = across::across(input, errors)?,
            "abandoned" => {
                let words = [("finish", "Finish"), ("cancel", "Cancel")];
                self.abandoned = Some(value::word(input, &words)?);
            }
            "write_behind" => self.write_behind = write_behind::write_behind(input, errors)?,
            "on_peer_change" => {
                let words = [("drop", "Drop"), ("reread", "ReRead")];
                self.on_peer_change = Some(value::word(input, &words)?);
            }
            "decoded_bytes_max" => {
                self.decoded_bytes_max = Some(value::integer(input, 1..=u64::from(u32::MAX))?.0);
            }
            "name" => self.name = Some(display_name(input)?),
            "weight" => self.weight = Some(value::syntax(input)?),
            "crate" => self.core = Some(value::path(input)?),
            _ => return Err(input.error("not an option of a node")),
        }
        Ok(())
    }

    /// Checks what only all options together show.
    pub(crate) fn check(&self, errors: &mut Errors) {
        if let (Some(compression), Some((_, span))) =
            (&self.compression, self.compression_threshold_bytes)
            && compression == "None"
        {
            errors.at(span, "without compression there is nothing to compress: leave this out");
        }
    }
}

fn version(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let text = value::text(input)?;
    name::check("version", &text.value())
        .map_err(|problem| syn::Error::new(text.span(), problem))?;
    Ok(text)
}

fn display_name(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let name = value::text(input)?;
    if name.value().is_empty() {
        return Err(syn::Error::new(name.span(), "the name is empty"));
    }
    Ok(name)
}

fn codec(input: ParseStream<'_>) -> syn::Result<Codec> {
    let path: ExprPath = value::syntax(input).map_err(|error| {
        let message = "expected `msgpack`, `json`, `bincode`, `bytes`, `none`, or the path of a \
                       function that returns a `Codec`";
        syn::Error::new(error.span(), message)
    })?;
    let built_in = path.path.get_ident().and_then(|word| {
        let (_, constructor) = CODECS.iter().find(|(name, _)| word == name)?;
        Some(Ident::new(constructor, word.span()))
    });
    Ok(built_in.map_or(Codec::Function(path), Codec::BuiltIn))
}

fn tags(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<LitStr>> {
    let mut tags: Vec<LitStr> = Vec::new();
    in_parentheses(input, errors, |input, errors| {
        each(input, errors, |input, _| {
            let tag: LitStr = input.parse().map_err(|error| {
                syn::Error::new(error.span(), "expected a tag, in quotes, such as \"users\"")
            })?;
            if tags.iter().any(|other| other.value() == tag.value()) {
                return Err(syn::Error::new(tag.span(), "this tag is given twice"));
            }
            tags.push(tag);
            Ok(())
        });
    })?;
    Ok(tags)
}

fn jitter(input: ParseStream<'_>) -> syn::Result<f64> {
    let (share, span) = value::real(input)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(syn::Error::new(span, "a jitter is a share of the TTL, from 0 to 1"));
    }
    Ok(share)
}

fn doorkeeper(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Doorkeeper>> {
    let mut list = OptionList::new("a doorkeeper", ["size", "false_positive_rate"]);
    let mut size = None;
    let mut false_positive_rate = 0.01;
    let span = in_parentheses(input, errors, |input, errors| {
        list.read(input, errors, |name, input, _| {
            if name == "size" {
                size = Some(value::integer(input, 1..=DOORKEEPER_SIZE_MAX)?.0);
                return Ok(());
            }
            let (rate, span) = value::real(input)?;
            if !(rate > 0.0 && rate < 1.0) {
                return Err(syn::Error::new(span, "must lie between 0 and 1, both left out"));
            }
            false_positive_rate = rate;
            Ok(())
        });
    })?;
    if !list.has("size") {
        errors.at(span, "a doorkeeper needs its `size`, the number of keys that it remembers");
    }
    Ok(size.map(|size| Doorkeeper { size, false_positive_rate }))
}
