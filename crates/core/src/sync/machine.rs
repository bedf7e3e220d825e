use std::any::Any;

pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::atomic;
pub(crate) use tokio::runtime::Handle as Runtime;
pub(crate) use tokio::task::{AbortHandle, JoinError};
pub(crate) use tokio::task_local;

/// The panic that ended a task; `None` if it was cancelled.
pub(crate) fn panic_of(error: JoinError) -> Option<Box<dyn Any + Send>> {
    error.try_into_panic().ok()
}

/// A static that lives as long as the process.
macro_rules! process_static {
    ($name:ident: $type:ty = $value:expr) => {
        static $name: $type = $value;
    };
}
pub(crate) use process_static;
