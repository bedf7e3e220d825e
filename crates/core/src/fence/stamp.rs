/// What a storage handed out when a load began: the value of its fence's counter then.
///
/// Only the storage that made a stamp can judge it. `origin` is the identity of its table (a
/// server's run id, a random number made with the table), so that a stamp from before a restore
/// or a rebuild is told from one of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The counter's value.
    pub mark: u64,
    /// The identity of the table whose counter it is.
    pub origin: u64,
}
