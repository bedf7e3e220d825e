//! Checks a folder, and mends what it finds: `check URL [--contents]`.

use std::error::Error;

use cache_core::storage::Storage;
use cache_filesystem::{CheckOnOpen, FilesystemOptions, Thoroughness};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: check URL [--contents]")?;
    let thoroughness = match arguments.next().as_deref() {
        None => Thoroughness::Lengths,
        Some("--contents") => Thoroughness::Contents,
        Some(other) => return Err(format!("unknown argument `{other}`").into()),
    };
    let options = FilesystemOptions::from_url(&url)?;
    let options = options.create(false).check_on_open(CheckOnOpen::Never).cleanup_interval(None);
    let storage = options.open().await?;
    let checked = storage.check(thoroughness).await?;
    println!("{} entries in {}", checked.entries, storage.path().display());
    println!("{} removed, for their file was gone or not what was stored", checked.damaged);
    println!("{} files deleted that no entry had", checked.orphans);
    println!("{} files deleted that were never finished", checked.unfinished);
    Ok(storage.close().await?)
}
