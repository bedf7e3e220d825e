//! What is cached, where its values come from, and how changes go through.

use std::time::Duration;

use tiers::cache::CloseError;
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;

use crate::AnyError;
use crate::arguments::{Arguments, Environment};
use crate::database::{Database, Order};

/// One order.
#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "customer:{customer}:order:{order}", value = Order, version = "v1",
       tags("customer:{customer}"), tiers(memory(ttl = "30s"), sqlite(ttl = "1h")))]
pub(crate) struct OrderNode {
    pub(crate) customer: u32,
    pub(crate) order: u32,
}

/// All orders of a customer.
#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "customer:{customer}:orders", value = Vec<Order>, version = "v1",
       tags("customer:{customer}"), tiers(memory(ttl = "30s"), sqlite(ttl = "1h")))]
pub(crate) struct OrderList {
    pub(crate) customer: u32,
}

/// The orders, behind their cache.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) cache: Cache,
    pub(crate) database: Database,
    single: Handle<OrderNode>,
    lists: Handle<OrderList>,
}

impl Source<OrderNode> for Database {
    async fn load(&self, node: &OrderNode) -> Result<Loaded<Order>, LoadError> {
        Ok(Loaded::optional(self.order(node.customer, node.order).await?))
    }
}

impl Source<OrderList> for Database {
    async fn load(&self, node: &OrderList) -> Result<Loaded<Vec<Order>>, LoadError> {
        Ok(Loaded::new(self.orders(node.customer).await?))
    }
}

impl Orders {
    pub(crate) async fn open(arguments: &Arguments) -> Result<Self, AnyError> {
        let database = Database::open(&arguments.database, arguments.latency)?;
        let memory = Memory::builder().max_entries(100_000).build()?;
        let mut builder = Cache::builder().prefix("shop").storage("memory", memory);
        if arguments.environment == Environment::Production {
            let file = SqliteOptions::new(&arguments.cache).open().await?;
            builder = builder.storage("sqlite", file);
        }
        let cache = builder.build()?;
        let environment = arguments.environment;
        let single = cache.bind_as(tiers_in::<OrderNode>(environment), database.clone())?;
        let lists = cache.bind_as(tiers_in::<OrderList>(environment), database.clone())?;
        Ok(Self { cache, database, single, lists })
    }

    pub(crate) async fn get(&self, node: &OrderNode) -> Result<Order, Error> {
        self.single.get(node).await.map(|order| (*order).clone())
    }

    pub(crate) async fn list(&self, customer: u32) -> Result<Vec<Order>, Error> {
        self.lists.get(&OrderList { customer }).await.map(|orders| (*orders).clone())
    }

    pub(crate) async fn put(&self, order: Order) -> Result<(), Error> {
        let node = OrderNode { customer: order.customer, order: order.order };
        let (database, lists) = (self.database.clone(), self.lists.clone());
        // An update goes on to its end where a client hangs up. The list is invalidated inside of
        // it, so that no table is ever changed without its list.
        let change = move || async move {
            database.put(order.clone()).await?;
            forget_list(&lists, order.customer).await?;
            Ok(Loaded::new(order))
        };
        self.single.update(&node, change).await.map(|_| ())
    }

    /// Gives the order as it is then; `None` if there is none.
    pub(crate) async fn ship(&self, node: &OrderNode) -> Result<Option<Order>, Error> {
        let (database, lists, wanted) = (self.database.clone(), self.lists.clone(), node.clone());
        let change = move || async move {
            let shipped = database.ship(wanted.customer, wanted.order).await?;
            forget_list(&lists, wanted.customer).await?;
            Ok(Loaded::optional(shipped))
        };
        Ok(self.single.update(node, change).await?.map(|order| (*order).clone()))
    }

    /// Removes all orders of a customer, and by their tag all that is cached of them; says how
    /// many there were.
    pub(crate) async fn forget(&self, customer: u32) -> Result<usize, AnyError> {
        let (cache, database) = (self.cache.clone(), self.database.clone());
        // A task, so that a client that hangs up does not leave the cache behind the table.
        let change = tokio::spawn(async move {
            let removed = database.forget(customer).await?;
            let done = cache.invalidate_tag(&format!("customer:{customer}")).await?;
            report_pending(&done);
            Ok(removed)
        });
        change.await?
    }

    pub(crate) async fn close(&self, grace: Duration) -> Result<(), CloseError> {
        self.cache.close_within(grace).await
    }
}

/// The definition that a node was derived with, with the tiers that there are.
fn tiers_in<N: Node>(environment: Environment) -> NodeDefinition {
    let mut definition = N::definition();
    match environment {
        Environment::Test => definition.tiers.retain(|tier| tier.storage == "memory"),
        Environment::Production => {}
    }
    definition
}

async fn forget_list(lists: &Handle<OrderList>, customer: u32) -> Result<(), Error> {
    let done = lists.invalidate(&OrderList { customer }).await?;
    report_pending(&done);
    Ok(())
}

/// A storage that could not be told is tried again; until then this process does not read it.
fn report_pending(done: &Invalidation) {
    for pending in &done.pending {
        eprintln!("invalidation pending in `{}`: {}", pending.storage, pending.error);
    }
}
