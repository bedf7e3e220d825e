use std::ops::Deref;

/// Something that one thread writes, on cache lines of its own, so that those who read what lies
/// beside it do not wait for them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
