//! Any text as the URL of a storage: an error that names no secret, or options that are valid.

#![no_main]

use cache_memory::{Memory, MemoryOptions};
use cache_sqlite::SqliteOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    memory(text);
    sqlite(text);
    // Most texts fail at the scheme; these reach what comes behind it.
    memory(&format!("memory://lru?{text}"));
    memory(&format!("memory://{text}"));
    sqlite(&format!("sqlite://{text}"));
    sqlite(&format!("sqlite://c.db?{text}"));
});

fn memory(url: &str) {
    match MemoryOptions::from_url(url) {
        Ok(options) => {
            let memory = Memory::open(url).expect("its options are valid");
            assert_eq!(format!("{:?}", memory.options()), format!("{options:?}"));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn sqlite(url: &str) {
    match SqliteOptions::from_url(url) {
        Ok(options) => {
            options.validate().expect("a URL gives valid options");
            assert!(!format!("{options:?}").is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
