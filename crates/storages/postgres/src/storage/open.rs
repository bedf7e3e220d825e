//! Opening.

use std::sync::Arc;

use cache_core::storage::StorageError;

use super::shared::Shared;
use crate::config::{PostgresOptions, invalid};
use crate::{maintain, schema};

const OPERATION: &str = "open";

pub(super) async fn open(options: PostgresOptions) -> Result<Arc<Shared>, StorageError> {
    options.validate().map_err(invalid)?;
    let shared = Arc::new(Shared::new(options));
    schema::prepare(&shared, OPERATION).await?;
    // From here on an entry that is found has a stamp, too.
    shared.stamps(&[]).await?;
    maintain::start(&shared);
    Ok(shared)
}
