use super::slab::Slab;

/// What stands beside the entries of a shard and is changed with them, under the same lock: other
/// ways to find them.
pub(crate) trait Annex<K, V>: Default {
    /// A slot was filled.
    fn added(&mut self, slot: u32, slab: &Slab<K, V>);

    /// A slot is about to be emptied, or to get another value.
    fn removed(&mut self, slot: u32, slab: &Slab<K, V>);
}

/// No other way.
impl<K, V> Annex<K, V> for () {
    fn added(&mut self, _: u32, _: &Slab<K, V>) {}

    fn removed(&mut self, _: u32, _: &Slab<K, V>) {}
}
