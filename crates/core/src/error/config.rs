use crate::entry::CompressionError;
use crate::key::KeyError;

/// What is wrong with a builder, a definition or a URL; told when it is built, bound or opened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two storages under one name.
    #[error("a storage named `{name}` is registered already")]
    DuplicateStorage {
        /// The name.
        name: String,
    },
    /// A tier names a storage that nobody registered.
    #[error(
        "node `{node}` uses the storage `{storage}`, which is not registered (registered: {registered})"
    )]
    UnknownStorage {
        /// The node type.
        node: String,
        /// The name that it uses.
        storage: String,
        /// The names there are.
        registered: String,
    },
    /// A name under which nothing is registered.
    #[error("the storage `{storage}` is not registered (registered: {registered})")]
    NotRegistered {
        /// The name.
        storage: String,
        /// The names there are.
        registered: String,
    },
    /// A storage that is asked for a counter, a lock or the like, and offers none.
    #[error("the storage `{storage}` offers no counters, locks or leases")]
    NoAtomics {
        /// The name under which it is registered.
        storage: String,
    },
    /// A node type without tiers.
    #[error("node `{node}` has no tiers")]
    NoTiers {
        /// The node type.
        node: String,
    },
    /// A node type that uses a storage twice, or two memories.
    #[error("node `{node}` uses {what} twice")]
    DuplicateTier {
        /// The node type.
        node: String,
        /// What it uses twice.
        what: String,
    },
    /// Two node types go through the same storages in different orders, so that no invalidation
    /// could go from the farthest to the nearest for both.
    #[error("node `{node}` goes through `{near}` before `{far}`, another node goes the other way")]
    TierOrder {
        /// The node type.
        node: String,
        /// The storage that comes first here.
        near: String,
        /// The storage that comes first elsewhere.
        far: String,
    },
    /// A node without a codec on a tier that stores bytes.
    #[error("node `{node}` has no codec and may use memory only, not `{storage}`")]
    NoCodec {
        /// The node type.
        node: String,
        /// The storage.
        storage: String,
    },
    /// A node type that is bound already.
    #[error("node `{node}` is bound already")]
    AlreadyBound {
        /// The node type.
        node: String,
    },
    /// Two node types of one version whose keys could be the same.
    #[error(
        "the keys `{template}` of node `{node}` could be those of node `{other}`, `{other_template}`"
    )]
    KeysOverlap {
        /// The node type.
        node: String,
        /// Its template.
        template: String,
        /// The node type that is bound already.
        other: String,
        /// That one's template.
        other_template: String,
    },
    /// A prefix, version, template, storage name or tag that is not valid.
    #[error("{context}: {source}")]
    Name {
        /// Where it stands.
        context: String,
        /// What is wrong.
        source: KeyError,
    },
    /// A number, duration or other option out of its range.
    #[error("{context}: `{option}` {problem}")]
    Option {
        /// Where it stands: a node type, a storage, a URL without secrets.
        context: String,
        /// The option.
        option: String,
        /// What is wrong, such as `must be larger than zero`.
        problem: String,
    },
    /// A compression that this build leaves out.
    #[error("node `{node}`: {source}")]
    Compression {
        /// The node type.
        node: String,
        /// Names the feature.
        source: CompressionError,
    },
    /// A URL that cannot be read. Secrets are left out.
    #[error("`{url}` is not a storage URL: {problem}")]
    Url {
        /// The URL without user and password.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// Something that this build leaves out.
    #[error("{what} is not in this build: enable feature `{feature}`")]
    FeatureMissing {
        /// What was asked for.
        what: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// Built outside of a Tokio runtime.
    #[error("a cache needs a Tokio runtime: build it inside of one, or name one by `runtime`")]
    NoRuntime,
}
