use std::time::Duration;

/// How fast and how many at once a venue may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// So many calls may be under way at once; one at least.
    pub calls_max: u32,
    /// What calls may weigh together; without one they are not held back.
    pub allowance: Option<Allowance>,
}

/// What calls may weigh together in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The weights of the calls of any span of this length add up to this at most.
    pub weight_max: u32,
    /// The length of the span.
    pub per: Duration,
}

/// What a venue says of its [`Allowance`]: so much of it is used, by whatever programs there are.
///
/// ```
/// use std::time::Duration;
/// use cache_series::venue::UsedWeight;
///
/// let used = UsedWeight::new(1_200, Duration::from_millis(40));
/// assert_eq!((used.weight, used.age.as_millis()), (1_200, 40));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsedWeight {
    /// What all calls of the span weigh that the venue counts in, those of this program among them.
    pub weight: u32,
    /// How long ago it said so.
    pub age: Duration,
}

impl UsedWeight {
    /// So much is used, the venue said so long ago.
    pub const fn new(weight: u32, age: Duration) -> Self {
        Self { weight, age }
    }
}

impl Limits {
    /// Up to so many calls at once, not held back otherwise.
    pub const fn calls(calls_max: u32) -> Self {
        Self { calls_max, allowance: None }
    }

    /// Besides, calls weigh at most `weight_max` together in any span of length `per`. A venue that
    /// counts by the minute of its own clock is held to less than it would allow, never to more.
    pub const fn with_allowance(mut self, weight_max: u32, per: Duration) -> Self {
        self.allowance = Some(Allowance { weight_max, per });
        self
    }
}

impl Default for Limits {
    /// Four calls at once.
    fn default() -> Self {
        Self::calls(4)
    }
}
