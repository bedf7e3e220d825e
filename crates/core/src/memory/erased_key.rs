use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A node whose type has been forgotten; every node is one.
pub trait ErasedKey: Any + Send + Sync {
    /// Whether `other` is of the same type and equal.
    fn is_same(&self, other: &dyn ErasedKey) -> bool;

    /// A copy of its own.
    fn to_boxed(&self) -> Box<dyn ErasedKey>;
}

impl<T: Eq + Clone + Send + Sync + 'static> ErasedKey for T {
    fn is_same(&self, other: &dyn ErasedKey) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }

    fn to_boxed(&self) -> Box<dyn ErasedKey> {
        Box::new(self.clone())
    }
}

/// Tells the bindings of a process apart: two never have the same, in one cache or in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(pub u32);

/// What a memory is asked for: a borrowed node, with the hash of binding and node.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    /// Hash of binding and node; the same for equal probes, and randomised per cache.
    pub hash: u64,
    /// The binding that the node belongs to.
    pub binding: BindingId,
    /// The node.
    pub node: &'a dyn ErasedKey,
}

/// A node as a memory keeps it.
pub struct MemoryKey {
    /// Hash of binding and node.
    pub hash: u64,
    /// The binding that the node belongs to.
    pub binding: BindingId,
    /// The node.
    pub node: Box<dyn ErasedKey>,
}

impl Probe<'_> {
    /// The key that a memory keeps for it.
    pub fn to_key(&self) -> MemoryKey {
        MemoryKey { hash: self.hash, binding: self.binding, node: self.node.to_boxed() }
    }

    /// Whether `key` is the node that is asked for.
    pub fn is(&self, key: &MemoryKey) -> bool {
        self.hash == key.hash && self.binding == key.binding && self.node.is_same(&*key.node)
    }
}

impl MemoryKey {
    /// The probe that finds it.
    pub fn probe(&self) -> Probe<'_> {
        Probe { hash: self.hash, binding: self.binding, node: &*self.node }
    }

    /// The node, if it is of type `N`.
    pub fn downcast<N: 'static>(&self) -> Option<&N> {
        let node: &dyn Any = &*self.node;
        node.downcast_ref()
    }
}

impl PartialEq for MemoryKey {
    fn eq(&self, other: &Self) -> bool {
        self.probe().is(other)
    }
}

impl Eq for MemoryKey {}

impl Hash for MemoryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Probe<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({:?}, {:016x})", self.binding, self.hash)
    }
}

impl fmt::Debug for MemoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryKey({:?}, {:016x})", self.binding, self.hash)
    }
}
