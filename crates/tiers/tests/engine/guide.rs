//! The questions in SQL that the guide gives to operators, asked of a file as it is now.

use std::sync::Arc;

use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, memory, user};

const PAGE: &str = include_str!("../../../../docs/guide/sqlite.md");

fn questions() -> Vec<&'static str> {
    let blocks = PAGE.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("the block ends")).collect()
}

#[tokio::test]
async fn every_question_of_the_guide_can_be_asked() {
    let world = World::new();
    let sqlite = world.sqlite().await;
    let cache = Cache::builder()
        .clock(Arc::new(world.clock.clone()))
        .storage("memory", memory())
        .storage("sqlite", sqlite.clone())
        .build()
        .expect("a valid cache");
    let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
    users.get(&user(7)).await.expect("loads");
    sqlite.sample().await.expect("samples");
    let file = rusqlite::Connection::open(world.path()).expect("opens");
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = file.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let rows = statement.query_map([], |row| row.get_ref(0).map(|first| format!("{first:?}")));
        rows.expect("runs").map(|row| row.expect("a row")).collect()
    };
    let questions = questions();
    assert!(questions.len() >= 8, "the page has lost its questions");
    let keyed = "shop:customer:7:orders:v1";
    for question in questions {
        // The names in the page's examples, and those that stand in this file.
        let asked =
            question.replace(keyed, "tiers:user:7:v1").replace("shop:customer:7", "tiers:user:7");
        assert!(!rows(&asked).is_empty(), "nothing is answered to: {asked}");
    }
}
