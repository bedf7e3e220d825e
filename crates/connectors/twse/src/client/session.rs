use std::sync::Arc;

use parking_lot::Mutex;

/// What realtime quotes are asked with: cookies of a session that was begun before. Pure.
#[derive(Debug, Default)]
pub(super) struct Session {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Opened>,
    /// How many there have been.
    count: u64,
}

/// A session as one call uses it. `Debug` does not show what it says.
#[derive(Clone)]
pub(super) struct Opened {
    number: u64,
    cookies: Option<Arc<str>>,
}

impl Session {
    /// The session that is there.
    pub(super) fn current(&self) -> Option<Opened> {
        self.state.lock().current.clone()
    }

    /// A session was begun; a market may do without cookies.
    pub(super) fn opened(&self, cookies: Option<String>) -> Opened {
        let mut state = self.state.lock();
        state.count += 1;
        let opened = Opened { number: state.count, cookies: cookies.map(Arc::from) };
        state.current = Some(opened.clone());
        opened
    }

    /// This one is of no use any more; one that has taken its place stays.
    pub(super) fn lost(&self, opened: &Opened) {
        let mut state = self.state.lock();
        if state.current.as_ref().is_some_and(|current| current.number == opened.number) {
            state.current = None;
        }
    }
}

impl Opened {
    pub(super) fn cookies(&self) -> Option<&str> {
        self.cookies.as_deref()
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Opened({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_lost_does_not_take_the_next_with_it_and_is_not_shown() {
        let session = Session::default();
        let first = session.opened(Some("JSESSIONID=secret".to_owned()));
        let second = session.opened(None);
        session.lost(&first);
        assert!(session.current().is_some_and(|current| current.cookies().is_none()));
        session.lost(&second);
        assert!(session.current().is_none());
        assert!(!format!("{first:?}{session:?}").contains("secret"));
    }
}
