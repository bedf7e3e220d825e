//! No key and no link leads out of the folder.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cache_core::key::Key;
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage};
use cache_filesystem::Thoroughness;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{
    all_below, content, entry, file_of, folder, is_damaged, key, put, set_write, value, write,
};

/// Whether it is one of the names that the storage gives to files.
fn is_ours(path: &Path, root: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else { return false };
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let hex = |text: &str, digits| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match parts[..] {
        [name] => name.starts_with("index.db"),
        ["sessions", name] => hex(name, 16),
        ["values", shard, name] => {
            hex(shard, 2) && hex(name.strip_suffix(".part").unwrap_or(name), 32)
        }
        _ => false,
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("..".to_owned()),
        Just("/".to_owned()),
        Just("../../".to_owned()),
        Just("/etc/passwd".to_owned()),
        Just("C:\\".to_owned()),
        Just("~".to_owned()),
        Just("%2e%2e%2f".to_owned()),
        Just("index.db".to_owned()),
        Just("values/00/".to_owned()),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn no_key_leads_out_of_the_folder() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (outer, options) = folder();
    let storage = runtime.block_on(options.open()).unwrap();
    let mut used = 0;
    let mut runner = TestRunner::new(Config::with_cases(200));
    let used_in = std::cell::RefCell::new(&mut used);
    let tried = runner.run(&(hostile(), any::<Vec<u8>>()), |(name, payload)| {
        let name: String = name.chars().take(200).collect();
        let whole = [name.clone(), format!("t:{name}:v1")];
        for key in whole.iter().filter_map(|text| Key::parse(text).ok()) {
            **used_in.borrow_mut() += 1;
            runtime.block_on(async {
                let stored = write(&storage, set_write(&key, payload.clone())).await;
                assert_eq!(stored, Outcome::Stored);
                let found = storage.get(&key).await.unwrap().entry.unwrap();
                assert_eq!((&found.payload[..], found.verify(&key)), (&payload[..], Ok(())));
            });
        }
        let root = storage.path();
        let strangers = |path: &std::path::PathBuf| !is_ours(path, root);
        let outside = fs::canonicalize(outer.path()).unwrap();
        let found: Vec<_> = all_below(&outside).into_iter().filter(strangers).collect();
        prop_assert!(found.is_empty(), "{:?}", found);
        Ok(())
    });
    tried.unwrap();
    assert!(used > 100, "most keys were no keys");
    let selector = Selector::Namespace("t".to_owned());
    runtime.block_on(storage.invalidate(&selector, InvalidationMode::Remove)).unwrap();
}

#[tokio::test]
async fn no_link_leads_out_of_the_folder() {
    let (outer, options) = folder();
    let storage = options.open().await.unwrap();
    let outside = outer.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), content(7, 100)).unwrap();
    // A value that has become a link to a file of the right length.
    put(&storage, "a", content(1, 100)).await;
    let file = file_of(storage.path(), &content(1, 100));
    fs::remove_file(&file).unwrap();
    symlink(outside.join("secret"), &file).unwrap();
    assert!(is_damaged(&storage, "a").await);
    let found = storage.get(&key("a")).await.unwrap().entry.unwrap();
    assert_ne!(found.payload, content(7, 100));
    assert!(storage.reader(&key("a")).await.unwrap().value.is_none());
    assert_eq!(storage.check(Thoroughness::Contents).await.unwrap().damaged, 1);
    // Folders that have become links.
    for shard in 0..=255 {
        let shard = storage.path().join(format!("values/{shard:02x}"));
        if shard.exists() {
            fs::remove_dir_all(&shard).unwrap();
        }
        symlink(&outside, &shard).unwrap();
    }
    let refused = storage.write(vec![set_write(&key("b"), "x")]).await.unwrap();
    assert!(refused[0].is_err());
    assert_eq!(value(&storage, "b").await, None);
    let names: BTreeSet<_> = all_below(&outside).into_iter().collect();
    assert_eq!(names, BTreeSet::from([outside.join("secret")]));
}

#[tokio::test]
async fn a_root_of_another_shape_is_refused() {
    let (outer, options) = folder();
    let root = outer.path().join("store");
    let problem = async |prepare: &dyn Fn()| {
        fs::create_dir(&root).unwrap();
        prepare();
        let error = options.clone().open().await.unwrap_err();
        fs::remove_dir_all(&root).unwrap();
        error.to_string()
    };
    let elsewhere = outer.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let values = problem(&|| symlink(&elsewhere, root.join("values")).unwrap()).await;
    assert!(values.contains("cannot be opened"), "{values}");
    let index = problem(&|| symlink(elsewhere.join("x"), root.join("index.db")).unwrap()).await;
    assert!(index.contains("is not a file"), "{index}");
    problem(&|| fs::write(root.join("values"), "a file").unwrap()).await;
    problem(&|| fs::write(root.join("sessions"), "a file").unwrap()).await;
    assert!(all_below(&elsewhere).is_empty());
    // The root itself may be reached by a link.
    symlink(&elsewhere, &root).unwrap();
    let storage = options.open().await.unwrap();
    let entry = entry(&key("a"), "x", &[]);
    assert!(entry.verify(&key("a")).is_ok());
    put(&storage, "a", "x").await;
    assert_eq!(storage.path(), fs::canonicalize(&elsewhere).unwrap());
}
