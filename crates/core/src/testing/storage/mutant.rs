/// A rule of storages that a [`TestStorage`](super::TestStorage) breaks, to show that the suite
/// finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mutant {
    /// Fills ask no fence.
    NoFence,
    /// Fills ask the cell of their key only.
    FenceIgnoresTags,
    /// Fills do not ask the floor.
    FenceIgnoresFloor,
    /// Fills take stamps of other stores.
    ForeignStampTaken,
    /// A cell is given the mark of an invalidation though a later one has raised it.
    CellsAssigned,
    /// An invalidation removes first, and raises then.
    RemovalBeforeRaise,
    /// An expiry raises nothing.
    ExpiryRaisesNothing,
    /// A fill replaces what has a larger stamp.
    NewerEntryReplaced,
    /// An overwritten entry leaves its tags behind.
    TagsNotReplaced,
    /// Of all tags, one is enough.
    AllTagsAsAny,
    /// An entry is there at its end.
    ExpiryInclusive,
    /// Clean-up removes keys that were written again.
    CleanUpRemovesFresh,
    /// Clean-up asks no budget.
    BudgetIgnored,
    /// `_` in a pattern stands for any character.
    PatternWithoutEscaping,
    /// A pattern asks no version.
    PatternIgnoresVersion,
    /// A namespace takes every prefix that begins like its own.
    NamespaceByBarePrefix,
    /// A touch asks no token.
    TouchIgnoresToken,
    /// A touch makes fresh what an invalidation has made stale.
    TouchUndoesExpiry,
    /// A set refuses loads of others that bear its tags.
    SetRaisesTags,
    /// An update stores whatever was raised since its stamp.
    UpdateBlind,
    /// An update that gives way leaves what is there.
    UpdateLeavesOld,
    /// A conditional put asks no fence.
    ConditionalPutUnfenced,
    /// An invalidation takes steps, and passes over what is put meanwhile in place of what it names.
    RemovalPassesOverPuts,
    /// A batch ends at the first write that is refused.
    BatchStopsAtRefusal,
    /// Answers to a batch stand in the order of the keys' texts.
    BatchSorted,
    /// A set that is too large leaves what is there.
    TooLargeLeavesOld,
    /// Closing changes nothing.
    CloseIgnored,
    /// Keys are the same in upper and lower case.
    KeysFolded,
    /// A scan lists what is past its time.
    ScanListsExpired,
    /// A reader of the log is not told that it was trimmed past.
    EventGapHidden,
    /// Events come in the wrong order.
    EventsBackwards,
    /// Events come again and again.
    EventsRepeated,
    /// The last event of a page is skipped.
    EventLeftOut,
    /// Steps on counters, locks and the like read first, and write later.
    AtomicInTwoSteps,
    /// A counter's TTL begins anew with each addition.
    CounterAlwaysRenewed,
    /// A register is swapped whatever its version is.
    SwapBlind,
    /// A lock's token is forgotten when it is given back.
    TokenForgotten,
    /// Whoever asks for it gives a lock back.
    ReleasedByAnyone,
    /// Clearing a cache takes its counters and locks along.
    ClearTakesAtomics,
}

impl Mutant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::NoFence,
        Self::FenceIgnoresTags,
        Self::FenceIgnoresFloor,
        Self::ForeignStampTaken,
        Self::CellsAssigned,
        Self::RemovalBeforeRaise,
        Self::ExpiryRaisesNothing,
        Self::NewerEntryReplaced,
        Self::TagsNotReplaced,
        Self::AllTagsAsAny,
        Self::ExpiryInclusive,
        Self::CleanUpRemovesFresh,
        Self::BudgetIgnored,
        Self::PatternWithoutEscaping,
        Self::PatternIgnoresVersion,
        Self::NamespaceByBarePrefix,
        Self::TouchIgnoresToken,
        Self::TouchUndoesExpiry,
        Self::SetRaisesTags,
        Self::UpdateBlind,
        Self::UpdateLeavesOld,
        Self::ConditionalPutUnfenced,
        Self::RemovalPassesOverPuts,
        Self::BatchStopsAtRefusal,
        Self::BatchSorted,
        Self::TooLargeLeavesOld,
        Self::CloseIgnored,
        Self::KeysFolded,
        Self::ScanListsExpired,
        Self::EventGapHidden,
        Self::EventsBackwards,
        Self::EventsRepeated,
        Self::EventLeftOut,
        Self::AtomicInTwoSteps,
        Self::CounterAlwaysRenewed,
        Self::SwapBlind,
        Self::TokenForgotten,
        Self::ReleasedByAnyone,
        Self::ClearTakesAtomics,
    ];
}
