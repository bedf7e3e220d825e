use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The lock of one shard, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ShardLock<T>(RwLock<T>);

impl<T> ShardLock<T> {
    pub(crate) fn new(shard: T) -> Self {
        Self(RwLock::new(shard))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write()
    }

    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.0.try_write()
    }
}
