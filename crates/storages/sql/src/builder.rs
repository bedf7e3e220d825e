//! The builder methods of [`TableOptions`](crate::TableOptions).

/// Builder methods for options that have [`TableOptions`](crate::TableOptions) in a field `common`.
/// What means something else for another server brings its own words; the rest has them here.
#[macro_export]
macro_rules! table_options {
    (impl $options:ident {
        $(#[$table:meta])*
        table;
        $(#[$create:meta])*
        create;
        $(#[$prepared:meta])*
        prepared;
        $(#[$timeout:meta])*
        timeout;
        $(#[$cleanup_interval:meta])*
        cleanup_interval;
        $(#[$max_entries:meta])*
        max_entries;
        $(#[$value_bytes_max:meta])*
        value_bytes_max;
        $(#[$events_max:meta])*
        events_max;
    }) => {
        impl $options {
            $(#[$table])*
            pub fn table(mut self, table: impl Into<String>) -> Self {
                self.common.table = table.into();
                self
            }

            /// The name of the entries' table.
            pub fn table_name(&self) -> &str {
                &self.common.table
            }

            $(#[$create])*
            pub fn create(mut self, create: bool) -> Self {
                self.common.create = create;
                self
            }

            $(#[$prepared])*
            pub fn prepared(mut self, prepared: bool) -> Self {
                self.common.prepared = prepared;
                self
            }

            /// How many connections are opened at most, 1 to 1024; each as it is needed. Default
            /// 10.
            pub fn pool_size(mut self, pool_size: usize) -> Self {
                self.common.pool_size = pool_size;
                self
            }

            $(#[$timeout])*
            pub fn timeout(mut self, timeout: ::std::time::Duration) -> Self {
                self.common.timeout = timeout;
                self
            }

            /// After how long without use a connection is closed. Default 10 min.
            pub fn idle_timeout(mut self, idle_timeout: ::std::time::Duration) -> Self {
                self.common.idle_timeout = idle_timeout;
                self
            }

            $(#[$cleanup_interval])*
            pub fn cleanup_interval(
                mut self,
                cleanup_interval: Option<::std::time::Duration>,
            ) -> Self {
                self.common.cleanup_interval = cleanup_interval;
                self
            }

            /// How exact the time of last use is kept, and how long uses are gathered in memory
            /// before they are written; those of a killed process are lost. Default 1 min.
            pub fn access_interval(mut self, access_interval: ::std::time::Duration) -> Self {
                self.common.access_interval = access_interval;
                self
            }

            $(#[$max_entries])*
            pub fn max_entries(mut self, max_entries: u64) -> Self {
                self.common.max_entries = max_entries;
                self
            }

            /// The bound on the bytes of all payloads, held as [`max_entries`](Self::max_entries)
            /// is; what the server needs for rows and indexes comes on top. Default 4 GiB.
            pub fn max_bytes(mut self, max_bytes: u64) -> Self {
                self.common.max_bytes = max_bytes;
                self
            }

            $(#[$value_bytes_max])*
            pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
                self.common.value_bytes_max = value_bytes_max;
                self
            }

            $(#[$events_max])*
            pub fn events_max(mut self, events_max: u64) -> Self {
                self.common.events_max = events_max;
                self
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the methods are made for options that others use")]

    use std::time::Duration;

    use crate::TableOptions;

    struct Options {
        common: TableOptions,
    }

    table_options! {
        impl Options {
            table;
            create;
            prepared;
            timeout;
            cleanup_interval;
            max_entries;
            value_bytes_max;
            events_max;
        }
    }

    #[test]
    fn every_method_sets_its_own_option() {
        let options = Options { common: TableOptions::default() };
        let options = options
            .table("prices")
            .create(false)
            .prepared(false)
            .pool_size(1)
            .timeout(Duration::from_secs(2))
            .idle_timeout(Duration::from_secs(3))
            .cleanup_interval(None)
            .access_interval(Duration::from_secs(4))
            .max_entries(5)
            .max_bytes(6)
            .value_bytes_max(7)
            .events_max(8);
        let expected = TableOptions {
            table: "prices".to_owned(),
            create: false,
            prepared: false,
            pool_size: 1,
            timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(3),
            cleanup_interval: None,
            access_interval: Duration::from_secs(4),
            max_entries: 5,
            max_bytes: 6,
            value_bytes_max: 7,
            events_max: 8,
        };
        assert_eq!(options.common, expected);
        assert_eq!(options.table_name(), "prices");
    }
}
