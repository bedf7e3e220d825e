/// How often hashes were seen of late: four counters of four bits each, the least of which counts,
/// halved from time to time. After Einziger, Friedman and Manes, ACM TOS 2017.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// Sixteen counters a word.
    words: Box<[u64]>,
    seen: u64,
    seen_max: u64,
}

/// After how many adds for each entry counts lose half their worth.
const ADDS_PER_ENTRY: u64 = 16;

const SEEDS: [u64; 4] =
    [0xC3A5_C85C_97CB_3127, 0xB492_B66F_BE98_F273, 0x9AE1_6A3B_2F90_404F, 0xCBF2_9CE4_8422_2325];

impl Sketch {
    pub(super) fn new(entries: u64) -> Self {
        // At 32 counters an entry few of them are shared, even right before they are halved.
        let words = (entries.max(16) * 2).next_power_of_two();
        let words = usize::try_from(words).unwrap_or(1 << 32);
        let seen_max = entries.max(16).saturating_mul(ADDS_PER_ENTRY);
        Self { words: vec![0; words].into_boxed_slice(), seen: 0, seen_max }
    }

    /// For how many entries it is large enough.
    pub(super) fn room(&self) -> u64 {
        (self.words.len() / 2) as u64
    }

    fn places(&self, hash: u32) -> impl Iterator<Item = (usize, u32)> + use<> {
        let mask = self.words.len() - 1;
        SEEDS.into_iter().map(move |seed| {
            let mixed = (u64::from(hash) + 1).wrapping_mul(seed);
            let mixed = mixed ^ mixed >> 32;
            ((mixed >> 4) as usize & mask, (mixed as u32 & 15) * 4)
        })
    }

    pub(super) fn count(&self, hash: u32) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        let counts = self.places(hash).map(|(word, shift)| self.words[word] >> shift & 15);
        counts.min().unwrap_or(0)
    }

    pub(super) fn add(&mut self, hash: u32) {
        if self.words.is_empty() {
            return;
        }
        let mut has_grown = false;
        for (word, shift) in self.places(hash) {
            if self.words[word] >> shift & 15 < 15 {
                self.words[word] += 1 << shift;
                has_grown = true;
            }
        }
        self.seen += u64::from(has_grown);
        if self.seen >= self.seen_max {
            for word in &mut self.words {
                *word = *word >> 1 & 0x7777_7777_7777_7777;
            }
            self.seen /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_never_too_small_and_halved_with_time() {
        let mut sketch = Sketch::new(1000);
        for _ in 0..9 {
            sketch.add(7);
        }
        for hash in 100..200 {
            sketch.add(hash);
        }
        assert_eq!(sketch.count(7), 9);
        assert_eq!((100..200).filter(|hash| sketch.count(*hash) == 0).count(), 0);
        assert!((1000..2000).filter(|hash| sketch.count(*hash) == 0).count() > 900);
        for hash in 0..20_000 {
            sketch.add(hash << 8 | 1);
        }
        assert!(sketch.count(7) < 9, "what is not seen any more counts less");
        assert_eq!(Sketch::default().count(1), 0);
    }
}
