/// What a memory's hit ratio would be with another size or another policy, estimated from a sample
/// of the accesses since it was made or resized.
///
/// Entries whose time has passed, and those that were removed by name, count as gone at any size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissRatioCurve {
    /// Hits, and inserts of what was not there.
    pub accesses: u64,
    /// Hits of the memory as it is, short of the last few dozens of each thread.
    pub hits: u64,
    /// How many accesses were in the sample. Of some hundreds on, the estimate says something.
    pub sampled: u64,
    /// The sizes with the present policy, then the other policies with the present size.
    pub points: Vec<MissRatioPoint>,
}

/// One estimate of a [`MissRatioCurve`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissRatioPoint {
    /// The name of the policy.
    pub policy: &'static str,
    /// The size in per cent of the present one.
    pub size_percent: u32,
    /// How many of the accesses would have been hits.
    pub hits: u64,
}

impl MissRatioCurve {
    /// A curve with these points.
    pub const fn new(accesses: u64, hits: u64, sampled: u64, points: Vec<MissRatioPoint>) -> Self {
        Self { accesses, hits, sampled, points }
    }

    /// Hits over accesses, between 0 and 1, with this policy and this size in per cent of the present
    /// one. `None` for what is not estimated; 0 before the first access.
    pub fn hit_ratio(&self, policy: &str, size_percent: u32) -> Option<f64> {
        let is_meant = |p: &&MissRatioPoint| p.policy == policy && p.size_percent == size_percent;
        let point = self.points.iter().find(is_meant)?;
        Some(point.hits as f64 / self.accesses.max(1) as f64)
    }
}

impl MissRatioPoint {
    /// A point without hits.
    pub const fn new(policy: &'static str, size_percent: u32) -> Self {
        Self { policy, size_percent, hits: 0 }
    }

    /// The same with so many hits.
    #[must_use]
    pub const fn with_hits(self, hits: u64) -> Self {
        Self { hits, ..self }
    }
}
