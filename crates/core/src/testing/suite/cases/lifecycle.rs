use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use futures_util::stream::StreamExt;

use super::super::failure::Failure;
use crate::atomics::{AtomicKind, AtomicName, Operation};
use crate::storage::{
    Budget, InvalidationMode, Selector, StorageError, StorageErrorKind, Write, WriteAction,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_closed_storage_refuses_every_call),
        case!(closing_one_client_leaves_the_other, SecondClient),
        case!(calls_that_race_with_close_end),
    ]
}

#[track_caller]
fn refused<T>(what: &str, answer: Result<T, StorageError>) -> CaseResult {
    match answer {
        Err(error) if error.kind() == StorageErrorKind::Closed => Ok(()),
        Err(error) => Err(Failure::new(format!("{what} after close failed otherwise: {error}"))),
        Ok(_) => Err(Failure::new(format!("{what} after close was answered"))),
    }
}

async fn a_closed_storage_refuses_every_call(context: Context) -> CaseResult {
    let key = context.key("closed")?;
    let storage = context.storage();
    context.client().set(&key, context.value(&key, "x")).await?;
    let before = storage.capabilities().clone();
    storage.close().await?;
    storage.close().await?;
    let keys = std::slice::from_ref(&key);
    let selector = Selector::Keys(keys.to_vec());
    let action = WriteAction::Set { entry: context.value(&key, "y") };
    refused("get", storage.get(&key).await)?;
    refused("get_many", storage.get_many(keys).await)?;
    refused("stamps", storage.stamps(keys).await)?;
    refused("write", storage.write(vec![Write { key: key.clone(), action }]).await)?;
    refused("invalidate", storage.invalidate(&selector, InvalidationMode::Remove).await)?;
    refused("maintain", storage.maintain(Budget::UNLIMITED).await)?;
    refused("stats", storage.stats().await)?;
    refused("flush", storage.flush().await)?;
    if before.scan {
        match storage.scan(&selector).next().await {
            Some(first) => refused("scan", first)?,
            None => return Err(Failure::new("a scan after close lists nothing, without an error")),
        }
    }
    if let Some(atomics) = storage.atomics() {
        let name = AtomicName::new(context.prefix(), "closed", AtomicKind::Counter)?;
        let add = Operation::Add { delta: 1, ttl: None, renew: false };
        refused("add", atomics.apply(&name, &add).await)?;
        refused("count", atomics.apply(&name, &Operation::Count).await)?;
    }
    ensure_eq!(*storage.capabilities(), before, "what it can do, after close");
    storage.close().await?;
    Ok(())
}

async fn closing_one_client_leaves_the_other(context: Context) -> CaseResult {
    let key = context.key("shared")?;
    let other = context.second_client().await?;
    other.set(&key, context.value(&key, "x")).await?;
    context.storage().close().await?;
    ensure!(other.holds(&key).await?, "gone when another client closed");
    other.set(&key, context.value(&key, "y")).await?;
    ensure_eq!(other.remove_key(&key).await?, 1, "entries removed after another client closed");
    Ok(())
}

async fn calls_that_race_with_close_end(context: Context) -> CaseResult {
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (client, key) = (context.client().clone(), context.key(&format!("race{number}"))?);
        let entry = context.value(&key, "x");
        calls.spawn(async move {
            for _ in 0..200 {
                let write =
                    Write { key: key.clone(), action: WriteAction::Set { entry: entry.clone() } };
                let written = client.storage().write(vec![write]).await;
                let read = client.storage().get(&key).await;
                if let Some(error) = written.err().or(read.err()) {
                    return error.kind() == StorageErrorKind::Closed;
                }
            }
            true
        });
    }
    tokio::task::yield_now().await;
    context.storage().close().await?;
    while let Some(call) = calls.join_next().await {
        ensure!(call?, "a call that raced with close failed otherwise than as closed");
    }
    Ok(())
}
