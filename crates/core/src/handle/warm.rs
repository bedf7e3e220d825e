use futures_util::stream::{self, StreamExt};

use super::Handle;
use super::options::{WarmOptions, WarmProgress, WarmReport};
use crate::node::Node;

/// How many failures a report holds in full.
const FAILURES_MAX: usize = 1000;

impl<N: Node> Handle<N> {
    /// Loads what no tier has of these nodes, in batches, some of them at a time.
    ///
    /// Dropping the future ends it after the batches that are under way.
    pub async fn warm(
        &self,
        nodes: impl IntoIterator<Item = N>,
        options: WarmOptions,
    ) -> WarmReport<N> {
        let nodes = nodes.into_iter();
        let total = match nodes.size_hint() {
            (low, Some(high)) if low == high => Some(low as u64),
            _ => None,
        };
        let mut nodes = nodes.peekable();
        let batches = std::iter::from_fn(|| {
            nodes.peek()?;
            Some(nodes.by_ref().take(options.batch_size.max(1)).collect::<Vec<N>>())
        });
        let mut answered = stream::iter(batches)
            .map(|batch| async move {
                let answers = self.get_many(&batch).await;
                batch.into_iter().zip(answers)
            })
            .buffer_unordered(options.concurrency.max(1));
        let mut report = WarmReport { warmed: 0, absent: 0, failures: Vec::new(), failed: 0 };
        while let Some(batch) = answered.next().await {
            for (node, answer) in batch {
                match answer {
                    Ok(_) => report.warmed += 1,
                    Err(error) if error.is_absent() => report.absent += 1,
                    Err(error) => {
                        report.failed += 1;
                        if report.failures.len() < FAILURES_MAX {
                            report.failures.push((node, error));
                        }
                    }
                }
            }
            if let Some(progress) = &options.progress {
                let warmed = report.warmed + report.absent;
                progress(WarmProgress { warmed, failed: report.failed, total });
            }
        }
        report
    }
}
