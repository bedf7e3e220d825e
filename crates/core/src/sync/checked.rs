use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use shuttle::future::JoinHandle;
pub(crate) use shuttle::future::{AbortHandle, JoinError};
use shuttle::sync::MutexGuard;
pub(crate) use shuttle::sync::atomic;
use shuttle::thread::LocalKey;

/// A lock as parking_lot's: one that a panic leaves is taken as it is.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    #[track_caller]
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where tasks are spawned: the checker.
#[derive(Clone, Debug)]
pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn try_current() -> Result<Self, Infallible> {
        Ok(Self)
    }

    #[track_caller]
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        shuttle::future::spawn(task)
    }

    /// There are no threads to block but the one.
    pub(crate) fn spawn_blocking<T>(
        &self,
        work: impl FnOnce() -> T,
    ) -> Ready<Result<T, JoinError>> {
        ready(Ok(work()))
    }
}

/// A panic of a task ends the run, so there is none to hand on.
pub(crate) fn panic_of(_: JoinError) -> Option<Box<dyn Any + Send>> {
    None
}

/// A static that lives as long as one execution.
macro_rules! process_static {
    ($name:ident: $type:ty = $value:expr) => {
        shuttle::lazy_static! { static ref $name: $type = $value; }
    };
}
pub(crate) use process_static;

/// What a task knows of itself while it is polled.
///
/// tokio's stands in a variable of the thread, which all tasks of the checker share: it would
/// follow them where they switch within a poll.
pub(crate) struct TaskLocal<T: 'static>(pub(crate) &'static LocalKey<RefCell<Option<T>>>);

impl<T: Clone> TaskLocal<T> {
    pub(crate) fn scope<F: Future>(&'static self, value: T, task: F) -> Scope<T, F> {
        Scope { key: self, value, task: Box::pin(task) }
    }

    pub(crate) fn try_with<R>(&'static self, read: impl FnOnce(&T) -> R) -> Result<R, NotSet> {
        let value = self.0.try_with(|value| value.borrow().clone());
        value.ok().flatten().as_ref().map(read).ok_or(NotSet)
    }
}

/// Nothing is set where it was asked for.
#[derive(Debug)]
pub(crate) struct NotSet;

pub(crate) struct Scope<T: 'static, F> {
    key: &'static TaskLocal<T>,
    value: T,
    task: Pin<Box<F>>,
}

impl<T: Clone + Unpin, F: Future> Future for Scope<T, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = self.key.0.with(|value| value.replace(Some(self.value.clone())));
        let polled = self.task.as_mut().poll(context);
        self.key.0.with(|value| value.replace(before));
        polled
    }
}

macro_rules! task_local {
    ($visibility:vis static $name:ident: $type:ty;) => {
        $visibility static $name: $crate::sync::TaskLocal<$type> =
            $crate::sync::TaskLocal({
                shuttle::thread_local! {
                    static KEY: std::cell::RefCell<Option<$type>> = std::cell::RefCell::new(None)
                }
                &KEY
            });
    };
}
pub(crate) use task_local;
