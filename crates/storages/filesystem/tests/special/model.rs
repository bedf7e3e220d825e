//! Random operations beside a plain map, and after each of them: the files are those of the entries,
//! and no others.

use std::collections::BTreeMap;

use bytes::Bytes;
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, Write, WriteAction};
use cache_filesystem::{Filesystem, Thoroughness};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::common::{
    assert_sound, content, entry, folder, key, put, settle, tag, value, values, wait_for_files,
};

#[derive(Clone, Debug)]
enum Step {
    Set { name: u8, length: usize },
    Batch { lengths: Vec<usize> },
    Fill { name: u8, length: usize, invalidated: bool },
    Stream { name: u8, length: usize, invalidated: bool, committed: bool },
    Remove { name: u8 },
    RemoveTag { name: u8 },
    Clear,
    Check,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..6u8;
    let length = || prop_oneof![Just(0usize), 1..100usize, 1000..20_000usize];
    prop_oneof![
        3 => (name(), length()).prop_map(|(name, length)| Step::Set { name, length }),
        2 => prop::collection::vec(length(), 0..6).prop_map(|lengths| Step::Batch { lengths }),
        2 => (name(), length(), any::<bool>())
            .prop_map(|(name, length, invalidated)| Step::Fill { name, length, invalidated }),
        4 => (name(), length(), any::<bool>(), any::<bool>()).prop_map(
            |(name, length, invalidated, committed)| {
                Step::Stream { name, length, invalidated, committed }
            }
        ),
        2 => name().prop_map(|name| Step::Remove { name }),
        1 => name().prop_map(|name| Step::RemoveTag { name }),
        1 => Just(Step::Clear),
        1 => Just(Step::Check),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<String, Bytes>;

async fn invalidate(storage: &Filesystem, selector: Selector) {
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
}

async fn carry_out(storage: &Filesystem, model: &mut Model, step: Step, seed: u64) {
    match step {
        Step::Set { name, length } => {
            put(storage, &name.to_string(), content(seed, length)).await;
            model.insert(name.to_string(), content(seed, length));
        }
        Step::Batch { lengths } => {
            let named = |number: usize, length: usize| (number % 4, content(seed, length));
            let contents = lengths.into_iter().enumerate().map(|(at, length)| named(at, length));
            let mut writes = Vec::new();
            for (number, bytes) in contents {
                writes.push(crate::common::set_write(&key(&number.to_string()), bytes.clone()));
                model.insert(number.to_string(), bytes);
            }
            let outcomes = storage.write(writes).await.unwrap();
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Outcome::Stored))));
        }
        Step::Fill { name, length, invalidated } => {
            let (name, bytes) = (name.to_string(), content(seed, length));
            let stamp = storage.get(&key(&name)).await.unwrap().stamp;
            if invalidated {
                invalidate(storage, Selector::Keys(vec![key(&name)])).await;
                model.remove(&name);
            }
            let entry = entry(&key(&name), bytes.clone(), &[&name]);
            let write = Write { key: key(&name), action: WriteAction::Fill { entry, stamp } };
            let outcome = crate::common::write(storage, write).await;
            filled(model, outcome, invalidated, name, bytes);
        }
        Step::Stream { name, length, invalidated, committed } => {
            let (name, bytes) = (name.to_string(), content(seed, length));
            let stamp = storage.reader(&key(&name)).await.unwrap().stamp;
            let entry = entry(&key(&name), "", &[&name]);
            let write = Write { key: key(&name), action: WriteAction::Fill { entry, stamp } };
            let mut writer = storage.writer(write).await.unwrap();
            writer.write_all(&bytes).await.unwrap();
            if invalidated {
                invalidate(storage, Selector::AnyTag(vec![tag(&name)])).await;
                // What `set` stored has no tag.
                let found = value(storage, &name).await;
                assert!(found.is_none() || found.as_ref() == model.get(&name));
                if found.is_none() {
                    model.remove(&name);
                }
            }
            if committed {
                let outcome = writer.commit().await.unwrap();
                filled(model, outcome, invalidated, name, bytes);
            }
        }
        Step::Remove { name } => {
            invalidate(storage, Selector::Keys(vec![key(&name.to_string())])).await;
            model.remove(&name.to_string());
        }
        Step::RemoveTag { name } => {
            let name = name.to_string();
            invalidate(storage, Selector::AnyTag(vec![tag(&name)])).await;
            if value(storage, &name).await.is_none() {
                model.remove(&name);
            }
        }
        Step::Clear => {
            invalidate(storage, Selector::Namespace("t".to_owned())).await;
            model.clear();
        }
        Step::Check => assert_eq!(storage.check(Thoroughness::Contents).await.unwrap().damaged, 0),
        Step::Reopen => unreachable!(),
    }
}

fn filled(model: &mut Model, outcome: Outcome, invalidated: bool, name: String, bytes: Bytes) {
    assert_eq!(outcome, if invalidated { Outcome::Fenced } else { Outcome::Stored });
    if !invalidated {
        model.insert(name, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn files_are_those_of_the_entries(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, options) = folder();
            let mut storage = options.clone().open().await.unwrap();
            let mut model = Model::new();
            for (seed, step) in steps.into_iter().enumerate() {
                if matches!(step, Step::Reopen) {
                    storage.close().await.unwrap();
                    storage = options.clone().open().await.unwrap();
                } else {
                    carry_out(&storage, &mut model, step, seed as u64).await;
                }
                settle(&storage).await;
                let with_files = model.values().filter(|bytes| !bytes.is_empty()).count();
                wait_for_files(storage.path(), with_files).await;
            }
            for name in 0..6 {
                let name = name.to_string();
                assert_eq!(value(&storage, &name).await.as_ref(), model.get(&name));
            }
            assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
            assert_eq!(values(storage.path()).len() as u64,
                model.values().filter(|bytes| !bytes.is_empty()).count() as u64);
        });
    }
}
