//! What is done, and what goes wrong, as it follows from a seed.

use tiers::policy::write_behind::Destination;

use crate::document::{CHAINS, GROUPS, KEYS, OWNED_FROM};
use crate::history::Place;

/// Something that a process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Reads one document.
    Get(Place),
    /// Reads some documents of a chain in one call.
    GetMany { chain: usize, keys: Vec<usize> },
    /// Begins to read one, and goes away after so many microseconds.
    Abandon { place: Place, after_us: u64 },
    /// Loads one again whatever the tiers hold.
    Refresh(Place),
    /// Looks at what each shared tier of the chain holds.
    Look(Place),
    /// Changes the source, then invalidates by key.
    ///
    /// Of what is written to the source later it changes nothing: what is promised is the version that
    /// the source had before.
    Invalidate(Place),
    /// Changes the source, then ends the freshness.
    Expire(Place),
    /// Changes the source for some keys of a group, then invalidates by the group's tag.
    InvalidateGroup { chain: usize, group: usize },
    /// Changes the source for keys that a pattern names, then invalidates by the pattern.
    InvalidatePattern { chain: usize, digit: usize },
    /// Changes the source for a key, then clears the chain.
    Clear(Place),
    /// Changes source and tiers in one operation.
    Update(Place),
    /// Changes the source, then stores the value; of a key that no other process changes.
    Set(Place),
    /// Makes a new version and accepts it to be written later; of a key of which no other process does
    /// so. Waits until it is written, if told to.
    Queue { place: Place, flush: bool },
}

/// What happens to the world around the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process is killed and started again.
    KillProcess(usize),
    /// The way to a server stands still for so many milliseconds.
    Stall { server: Remote, for_ms: u64 },
    /// All connections to a server break.
    Cut(Remote),
    /// A server is killed and started again.
    RestartServer(Remote),
}

/// A server that processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    Redis,
    Postgres,
}

/// A fault, and how many operations of all processes come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedFault {
    pub(crate) after: u64,
    pub(crate) fault: Fault,
}

/// The operations of one task of a process, without end.
pub(crate) fn operations(
    seed: u64,
    process: usize,
    life: u32,
    task: usize,
    processes: usize,
) -> impl Iterator<Item = Operation> {
    let mut random = fastrand::Rng::with_seed(seed);
    // Each stream is far from the others, and the same for the same numbers.
    for part in [process as u64, u64::from(life), task as u64] {
        random = fastrand::Rng::with_seed(random.u64(..) ^ part);
    }
    std::iter::repeat_with(move || operation(&mut random, process, processes))
}

fn operation(random: &mut fastrand::Rng, process: usize, processes: usize) -> Operation {
    let chain = random.usize(..CHAINS.len());
    // Some keys are asked for much more often than others.
    let any = random.usize(..KEYS).min(random.usize(..KEYS));
    let changed = random.usize(..OWNED_FROM).min(random.usize(..OWNED_FROM));
    let (place, to_change) = (Place { chain, key: any }, Place { chain, key: changed });
    let kind = random.u32(..1000);
    if let Some(to) = CHAINS[chain].later {
        match kind {
            // What is queued for the storages is changed at once, too, by whoever comes.
            970..985 if to == Destination::Storages => return Operation::Update(to_change),
            540..640 | 954.. => {
                let own: Vec<usize> = (0..KEYS).filter(|key| key % processes == process).collect();
                let key = own[random.usize(..own.len()).min(random.usize(..own.len()))];
                return Operation::Queue {
                    place: Place { chain, key },
                    flush: random.u8(..8) == 0,
                };
            }
            // What names everything names what is to be left alone, too.
            945..954 if to == Destination::Source => return Operation::Invalidate(to_change),
            _ => {}
        }
    }
    match kind {
        0..640 => Operation::Get(place),
        640..690 => {
            let keys = (0..random.usize(2..8)).map(|_| random.usize(..KEYS)).collect();
            Operation::GetMany { chain, keys }
        }
        690..720 => Operation::Abandon { place, after_us: random.u64(..3000) },
        720..740 => Operation::Refresh(place),
        740..820 => Operation::Look(place),
        820..890 => Operation::Invalidate(to_change),
        890..915 => Operation::Expire(to_change),
        915..945 => Operation::InvalidateGroup { chain, group: random.usize(..GROUPS) },
        945..951 => Operation::InvalidatePattern { chain, digit: random.usize(..10) },
        951..954 => Operation::Clear(to_change),
        954..985 => Operation::Update(to_change),
        _ => {
            let owned = (OWNED_FROM..KEYS).filter(|key| key % processes == process);
            let owned: Vec<usize> = owned.collect();
            Operation::Set(Place { chain, key: owned[random.usize(..owned.len())] })
        }
    }
}

/// The faults of a run, in the order of their times.
pub(crate) fn faults(seed: u64, operations: u64, processes: usize) -> Vec<TimedFault> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x5ca1_ab1e);
    let every = 2_500;
    let count = operations / every;
    let fault = |nth: u64| {
        let remote = |random: &mut fastrand::Rng| {
            if random.bool() { Remote::Redis } else { Remote::Postgres }
        };
        let fault = match random.u32(..10) {
            0..4 => Fault::KillProcess(random.usize(..processes)),
            4..7 => Fault::Stall { server: remote(&mut random), for_ms: random.u64(20..400) },
            7..9 => Fault::Cut(remote(&mut random)),
            _ => Fault::RestartServer(remote(&mut random)),
        };
        // Not in the last part, so that all is whole again before the end.
        TimedFault { after: nth * every + random.u64(..every) / 2, fault }
    };
    (0..count).map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another() {
        let of = |seed, process, life, task| {
            operations(seed, process, life, task, 3).take(500).collect::<Vec<_>>()
        };
        assert_eq!(of(7, 1, 0, 2), of(7, 1, 0, 2));
        for other in [of(8, 1, 0, 2), of(7, 2, 0, 2), of(7, 1, 1, 2), of(7, 1, 0, 3)] {
            assert_ne!(of(7, 1, 0, 2), other);
        }
        assert_eq!(faults(7, 50_000, 3), faults(7, 50_000, 3));
        assert_ne!(faults(7, 50_000, 3), faults(8, 50_000, 3));
    }

    #[test]
    fn a_key_that_is_set_is_changed_by_one_process_alone() {
        for process in 0..3 {
            for operation in operations(1, process, 0, 0, 3).take(20_000) {
                match operation {
                    Operation::Set(place) => {
                        assert!(place.key >= OWNED_FROM && place.key % 3 == process);
                    }
                    Operation::Queue { place, .. } => {
                        assert!(CHAINS[place.chain].later.is_some() && place.key % 3 == process);
                    }
                    Operation::InvalidatePattern { chain, .. } => {
                        assert_ne!(CHAINS[chain].later, Some(Destination::Source));
                    }
                    Operation::Invalidate(place)
                    | Operation::Expire(place)
                    | Operation::Clear(place)
                    | Operation::Update(place) => assert!(place.key < OWNED_FROM),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn faults_of_every_kind_come_in_order_and_within_the_run() {
        let faults = faults(3, 1_000_000, 3);
        assert!(faults.is_sorted_by_key(|fault| fault.after));
        assert!(faults.iter().all(|fault| fault.after < 1_000_000));
        let kinds: std::collections::HashSet<_> =
            faults.iter().map(|timed| std::mem::discriminant(&timed.fault)).collect();
        assert_eq!(kinds.len(), 4);
    }
}
