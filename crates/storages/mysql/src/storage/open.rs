//! Opening.

use std::sync::Arc;

use cache_core::storage::StorageError;

use super::shared::Shared;
use crate::config::{MySqlOptions, invalid};
use crate::{maintain, schema};

const OPERATION: &str = "open";

pub(super) async fn open(options: MySqlOptions) -> Result<Arc<Shared>, StorageError> {
    options.validate().map_err(invalid)?;
    let mut shared = Shared::new(options);
    shared.limit_packets(schema::prepare(&shared, OPERATION).await?);
    let shared = Arc::new(shared);
    // From here on an entry that is found has a stamp, too.
    shared.stamps(&[]).await?;
    maintain::start(&shared);
    Ok(shared)
}
