use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::node::Node;
use crate::source::{LoadError, Loaded, Previous, Source};
use crate::testing::gate::Gate;

/// A source for tests: it counts what is asked of it, and answers as it is told. Clones are the
/// same source, so that a test keeps one and binds the other.
///
/// Answers come, in this order, from what was planned for the next load of any node
/// ([`then`](Self::then), [`fail_next`](Self::fail_next), [`panic_next`](Self::panic_next)), from
/// what was [put](Self::put) for the node, and from the closure given to
/// [`answering`](Self::answering); without any, there is no such value.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bytes::Bytes;
/// use cache_core::node::DynamicNode;
/// use cache_core::source::{Loaded, LoadedValue, Source};
/// use cache_core::testing::ScriptedSource;
///
/// let source = ScriptedSource::answering(|node: &DynamicNode| {
///     Loaded::new(Bytes::from(node.key().to_uppercase()))
/// });
/// let (a, b) = (DynamicNode::new("a"), DynamicNode::new("b"));
/// source.fail_next(1, "the database is away");
/// source.put(&b, Loaded::absent());
///
/// assert!(source.load(&a).await.is_err());
/// assert_eq!(source.load(&a).await?.value, LoadedValue::Value(Bytes::from("A")));
/// assert_eq!(source.load(&b).await?.value, LoadedValue::Absent);
/// assert_eq!((source.loads(), source.loads_of(&a)), (3, 2));
///
/// // A load that hangs until the test lets it go on.
/// let gate = source.hold();
/// let load = tokio::spawn({ let (source, a) = (source.clone(), a.clone()); async move {
///     source.load(&a).await
/// } });
/// gate.arrived(1).await;
/// source.put(&a, Loaded::new(Bytes::from("changed")));
/// gate.open();
/// assert_eq!(load.await.unwrap()?.value, LoadedValue::Value(Bytes::from("changed")));
/// # Ok::<(), cache_core::source::LoadError>(()) }).unwrap();
/// ```
pub struct ScriptedSource<N: Node> {
    script: Arc<Script<N>>,
}

type Answering<N> = dyn Fn(&N) -> Loaded<<N as Node>::Value> + Send + Sync;
type Answer<V> = Arc<dyn Fn() -> Loaded<V> + Send + Sync>;
type Keep<V> = fn(&V) -> Answer<V>;

struct Script<N: Node> {
    answering: Option<Box<Answering<N>>>,
    state: Mutex<State<N>>,
}

struct State<N: Node> {
    planned: VecDeque<Planned<N::Value>>,
    answers: HashMap<N, Answer<N::Value>>,
    gate: Option<Gate>,
    answer_gate: Option<Gate>,
    counts: LoadCounts,
    loads_of: HashMap<N, u64>,
    batches: Vec<usize>,
    /// Makes an answer of a stored value; none where stores are refused.
    keep: Option<Keep<N::Value>>,
}

enum Planned<V> {
    Answer(Loaded<V>),
    Failure(LoadError),
    Panic(String),
}

/// How often a [`ScriptedSource`] was asked, loads that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadCounts {
    /// Calls of [`Source::load`].
    pub load: u64,
    /// Calls of [`Source::load_many`].
    pub load_many: u64,
    /// Calls of [`Source::reload`].
    pub reload: u64,
    /// Calls of [`Source::store`].
    pub store: u64,
    /// Nodes that were asked for, by a load, a reload or in a batch.
    pub nodes: u64,
}

impl<N: Node> Default for ScriptedSource<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Node> Clone for ScriptedSource<N> {
    fn clone(&self) -> Self {
        Self { script: Arc::clone(&self.script) }
    }
}

impl<N: Node> fmt::Debug for ScriptedSource<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSource").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

fn answer_of<V: Clone + Send + Sync + 'static>(loaded: Loaded<V>) -> Answer<V> {
    Arc::new(move || loaded.clone())
}

impl<N: Node> ScriptedSource<N> {
    /// A source that has nothing yet.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A source that answers by a closure where nothing else was planned.
    pub fn answering(answer: impl Fn(&N) -> Loaded<N::Value> + Send + Sync + 'static) -> Self {
        Self::with(Some(Box::new(answer)))
    }

    fn with(answering: Option<Box<Answering<N>>>) -> Self {
        let state = State {
            planned: VecDeque::new(),
            answers: HashMap::new(),
            gate: None,
            answer_gate: None,
            counts: LoadCounts::default(),
            loads_of: HashMap::new(),
            batches: Vec::new(),
            keep: None,
        };
        Self { script: Arc::new(Script { answering, state: Mutex::new(state) }) }
    }

    /// Answers every load of a node from now on with this: a value, that there is none, or that
    /// nothing was modified, with TTL and tags.
    pub fn put(&self, node: &N, answer: impl Into<Loaded<N::Value>>)
    where
        N::Value: Clone,
    {
        self.script.state.lock().answers.insert(node.clone(), answer_of(answer.into()));
    }

    /// Takes back what was put for a node.
    pub fn forget(&self, node: &N) {
        self.script.state.lock().answers.remove(node);
    }

    /// Answers the next load with this, whatever its node.
    pub fn then(&self, answer: impl Into<Loaded<N::Value>>) {
        self.script.state.lock().planned.push_back(Planned::Answer(answer.into()));
    }

    /// The next `count` loads fail with this message, whatever their nodes.
    pub fn fail_next(&self, count: usize, message: &str) {
        let failures = (0..count).map(|_| Planned::Failure(LoadError::message(message)));
        self.script.state.lock().planned.extend(failures);
    }

    /// The next load fails with this error, whatever its node.
    pub fn fail_next_with(&self, error: impl Into<LoadError>) {
        self.script.state.lock().planned.push_back(Planned::Failure(error.into()));
    }

    /// The next `count` loads panic with this message, whatever their nodes.
    pub fn panic_next(&self, count: usize, message: &str) {
        let panics = (0..count).map(|_| Planned::Panic(message.to_owned()));
        self.script.state.lock().planned.extend(panics);
    }

    /// Every load from now on waits at this gate before it looks for its answer.
    pub fn hold(&self) -> Gate {
        let gate = Gate::new();
        self.script.state.lock().gate = Some(gate.clone());
        gate
    }

    /// Every load from now on waits at this gate with its answer in hand: what is put meanwhile
    /// comes too late for it.
    pub fn hold_answers(&self) -> Gate {
        let gate = Gate::new();
        self.script.state.lock().answer_gate = Some(gate.clone());
        gate
    }

    /// Takes stores from now on, and answers later loads with what was stored.
    pub fn accept_stores(&self)
    where
        N::Value: Clone,
    {
        self.script.state.lock().keep = Some(|value| answer_of(Loaded::new(value.clone())));
    }

    /// How often each call was made.
    pub fn counts(&self) -> LoadCounts {
        self.script.state.lock().counts
    }

    /// How many nodes were asked for in all, by whatever call.
    pub fn loads(&self) -> u64 {
        self.counts().nodes
    }

    /// How often this node was asked for.
    pub fn loads_of(&self, node: &N) -> u64 {
        self.script.state.lock().loads_of.get(node).copied().unwrap_or_default()
    }

    /// How many nodes each batch had, in the order of the calls of [`Source::load_many`].
    pub fn batches(&self) -> Vec<usize> {
        self.script.state.lock().batches.clone()
    }

    async fn answer_all(
        &self,
        nodes: &[N],
        count: impl FnOnce(&mut LoadCounts),
    ) -> Vec<Result<Loaded<N::Value>, LoadError>> {
        let (planned, gate) = {
            let mut state = self.script.state.lock();
            count(&mut state.counts);
            state.counts.nodes += nodes.len() as u64;
            for node in nodes {
                *state.loads_of.entry(node.clone()).or_default() += 1;
            }
            // Taken on arrival, so that plans are met in the order in which loads begin.
            let planned: Vec<_> = nodes.iter().map(|_| state.planned.pop_front()).collect();
            (planned, state.gate.clone())
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let planned = nodes.iter().zip(planned);
        let answers = planned.map(|(node, planned)| self.answer(node, planned)).collect();
        let gate = self.script.state.lock().answer_gate.clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        answers
    }

    fn answer(
        &self,
        node: &N,
        planned: Option<Planned<N::Value>>,
    ) -> Result<Loaded<N::Value>, LoadError> {
        match planned {
            Some(Planned::Answer(answer)) => return Ok(answer),
            Some(Planned::Failure(error)) => return Err(error),
            Some(Planned::Panic(message)) => std::panic::panic_any(message),
            None => {}
        }
        let put = self.script.state.lock().answers.get(node).cloned();
        Ok(match (put, &self.script.answering) {
            (Some(put), _) => put(),
            (None, Some(answering)) => answering(node),
            (None, None) => Loaded::absent(),
        })
    }

    async fn answer_one(
        &self,
        node: &N,
        count: impl FnOnce(&mut LoadCounts),
    ) -> Result<Loaded<N::Value>, LoadError> {
        let answers = self.answer_all(std::slice::from_ref(node), count).await;
        // One node was asked for, so that there is one answer.
        answers.into_iter().next().unwrap_or_else(|| Ok(Loaded::absent()))
    }
}

impl<N: Node> Source<N> for ScriptedSource<N> {
    async fn load(&self, node: &N) -> Result<Loaded<N::Value>, LoadError> {
        self.answer_one(node, |counts| counts.load += 1).await
    }

    async fn load_many(&self, nodes: &[N]) -> Vec<Result<Loaded<N::Value>, LoadError>> {
        self.script.state.lock().batches.push(nodes.len());
        self.answer_all(nodes, |counts| counts.load_many += 1).await
    }

    async fn reload(
        &self,
        node: &N,
        _previous: &Previous<N::Value>,
    ) -> Result<Loaded<N::Value>, LoadError> {
        self.answer_one(node, |counts| counts.reload += 1).await
    }

    async fn store(&self, node: &N, value: &N::Value) -> Result<(), LoadError> {
        let mut state = self.script.state.lock();
        state.counts.store += 1;
        let Some(keep) = state.keep else {
            return Err(LoadError::message("this source does not store values").permanent());
        };
        state.answers.insert(node.clone(), keep(value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use std::time::Duration;

    use super::*;
    use crate::node::DynamicNode;
    use crate::source::LoadedValue;

    fn node(key: &str) -> DynamicNode {
        DynamicNode::new(key)
    }

    fn value(text: &'static str) -> Loaded<Bytes> {
        Loaded::new(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn a_batch_is_answered_in_order_and_counted_once() {
        let source = ScriptedSource::new();
        source.put(&node("a"), value("A").ttl(Duration::from_secs(5)).tag("letters"));
        source.then(Loaded::not_modified());
        let nodes = [node("x"), node("a"), node("b")];
        let answers = source.load_many(&nodes).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("answered")).collect();
        assert_eq!(answers[0].value, LoadedValue::NotModified);
        assert_eq!(answers[1], value("A").ttl(Duration::from_secs(5)).tag("letters"));
        assert_eq!(answers[2], Loaded::absent());
        assert_eq!(source.batches(), [3]);
        let expected = LoadCounts { load_many: 1, nodes: 3, ..LoadCounts::default() };
        assert_eq!(source.counts(), expected);
        assert_eq!(source.loads_of(&node("a")), 1);
    }

    #[tokio::test]
    async fn a_load_panics_as_planned_and_the_next_one_does_not() {
        let source = ScriptedSource::new();
        source.panic_next(1, "planned");
        let load = tokio::spawn({
            let source = source.clone();
            async move { source.load(&node("a")).await }
        });
        assert!(load.await.is_err_and(|error| error.is_panic()));
        assert!(source.load(&node("a")).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_is_held_was_read_before() {
        let source = ScriptedSource::new();
        source.put(&node("a"), value("old"));
        let gate = source.hold_answers();
        let load = tokio::spawn({
            let source = source.clone();
            async move { source.load(&node("a")).await }
        });
        gate.arrived(1).await;
        source.put(&node("a"), value("new"));
        gate.open();
        assert_eq!(load.await.expect("no panic").expect("an answer"), value("old"));
        assert_eq!(source.load(&node("a")).await.expect("an answer"), value("new"));
    }

    #[tokio::test]
    async fn stores_are_refused_until_they_are_accepted() {
        let source = ScriptedSource::new();
        let stored = Bytes::from_static(b"stored");
        let refused = source.store(&node("a"), &stored).await.expect_err("refused");
        assert!(refused.is_permanent());
        source.accept_stores();
        source.store(&node("a"), &stored).await.expect("accepted");
        assert_eq!(source.load(&node("a")).await.expect("an answer"), value("stored"));
        assert_eq!(source.counts().store, 2);
    }
}
