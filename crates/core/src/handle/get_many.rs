use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Handle;
use crate::cache::typed;
use crate::error::Error;
use crate::flight::{LoadBy, Waited, refresh_behind, start};
use crate::node::Node;

impl<N: Node> Handle<N> {
    /// The values of many nodes, in their order, one answer each, also where a node stands twice.
    ///
    /// Each tier is asked once for all that is still missing, and the source loads the rest by one
    /// `load_many`. Nodes whose load is in the air already are waited for, not loaded again. Every
    /// node is registered before any is awaited.
    ///
    /// # Errors
    /// For each node on its own, as [`get`](Self::get).
    pub async fn get_many(&self, nodes: &[N]) -> Vec<Result<Arc<N::Value>, Error>> {
        if let Err(error) = self.binding.cache.check_open() {
            return nodes.iter().map(|_| Err(error.clone())).collect();
        }
        let mut answers: Vec<Option<Result<Arc<N::Value>, Error>>> = Vec::new();
        answers.resize_with(nodes.len(), || None);
        let mut missing: Vec<N> = Vec::new();
        let mut due: Vec<N> = Vec::new();
        let mut places: HashMap<&N, Vec<usize>> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            if let Some(same) = places.get_mut(node) {
                same.push(at);
                continue;
            }
            match self.binding.memory_get(node) {
                Some(hit) => {
                    if hit.refresh {
                        due.push(node.clone());
                    }
                    answers[at] = Some(match typed(&hit.entry) {
                        Some(value) => Ok(value),
                        None => self.binding.key(node).and_then(|key| Err(Error::Absent { key })),
                    });
                }
                None => {
                    places.insert(node, vec![at]);
                    missing.push(node.clone());
                }
            }
        }
        if !due.is_empty() {
            refresh_behind(&self.binding, &due, &LoadBy::Tiers);
        }
        if !missing.is_empty() {
            for (node, answer) in self.fly_many(&missing).await {
                let Some(places) = places.get(node) else { continue };
                // A node that stands twice was asked for twice.
                for (again, at) in places.iter().enumerate() {
                    if again > 0 {
                        self.binding.recorder.misses(1);
                        self.binding.recorder.coalesced(1);
                    }
                    answers[*at] = Some(answer.clone());
                }
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::Closed))).collect()
    }

    /// Waits for the flights of nodes that differ.
    async fn fly_many<'a>(&self, nodes: &'a [N]) -> Vec<(&'a N, Result<Arc<N::Value>, Error>)> {
        let waiters = start(&self.binding, nodes, LoadBy::Tiers);
        let waits = nodes.iter().zip(waiters).map(|(node, waiter)| async move {
            let joined = waiter.joined;
            (node, joined, waiter.wait(node).await)
        });
        let mut answers = Vec::with_capacity(nodes.len());
        for (node, joined, waited) in join_all(waits).await {
            let landing = match waited {
                Waited::Landed(landing) => {
                    self.count(joined, &landing);
                    landing
                }
                Waited::Late => self.fly(node, LoadBy::Tiers).await,
            };
            answers.push((node, landing.and_then(|answer| answer.into_value())));
        }
        answers
    }
}
