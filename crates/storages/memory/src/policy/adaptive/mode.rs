/// How the adaptive policy goes about it at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A window of a hundredth, and who leaves it must beat the next victim by its count.
    Guarded,
    /// A window of a fifth, as S3-FIFO has it.
    Wide,
    /// No window: second chances alone.
    Clock,
    /// A window of a twentieth.
    Narrow,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Guarded, Self::Wide, Self::Clock, Self::Narrow];

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Guarded => 0,
            Self::Wide => 1,
            Self::Clock => 2,
            Self::Narrow => 3,
        }
    }

    pub(crate) const fn from_number(number: u8) -> Self {
        Self::ALL[(number & 3) as usize]
    }

    /// How much of the capacity the window is to have; at least one.
    pub(super) fn window(self, capacity: u64) -> u64 {
        let window = match self {
            Self::Guarded => capacity / 100,
            Self::Wide => capacity / 5,
            Self::Clock => 0,
            Self::Narrow => capacity / 20,
        };
        window.max(1)
    }
}

/// Mode and time of a step, the same for all shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) mode: Mode,
    /// Counts age with it: it moves on with the number of accesses.
    pub(crate) epoch: u8,
}
