use std::fs;
use std::path::Path;
use std::time::Duration;

use super::world;

/// All that is in the database's files.
fn bytes(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    // What connections share in memory is no part of what is stored.
    let files = files.filter(|file| !file.file_name().to_string_lossy().ends_with("-shm"));
    let mut files: Vec<_> =
        files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect();
    files.sort();
    files
}

/// Bug 1 of the stock system: every read changed a row and added another one.
#[tokio::test]
async fn stock_bug_1_a_read_of_what_is_stored_writes_nothing() {
    let mut world = world("2025-05-16T16:00:00Z").await;
    let stocks = world.list(&["tse_2330", "tse_2317", "otc_6488"], "2020-01-02");
    world.service.warm(&stocks, 60, |_| ()).await;
    // Every read goes to the file.
    world.restart(&["sqlite"]).await;
    world.service.histories(&stocks, 60).await;
    world.asked();
    let before = bytes(world.folder.path());
    assert!(before.iter().any(|(_, bytes)| !bytes.is_empty()));
    for _ in 0..100 {
        let histories = world.service.histories(&stocks, 60).await;
        assert!(histories.iter().all(Result::is_ok));
        assert!(world.service.quotes(&stocks).await.iter().all(Result::is_ok));
    }
    assert_eq!(world.asked(), (0, 0));
    assert!(world.service.stats().months.tier("sqlite").unwrap().hits >= 900);
    assert!(before == bytes(world.folder.path()), "a read wrote something");
    // How often what was read is written down together, in the background and once.
    world.clock.advance(Duration::from_secs(11));
    world.service.cache().close().await.unwrap();
}
