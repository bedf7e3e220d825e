use std::fmt;
use std::marker::PhantomData;

use cache_core::key::{KeyError, KeyTemplate};
use cache_core::node::Node;
use cache_macros::Node;

fn key<N: Node>(node: &N) -> Result<String, KeyError> {
    let definition = N::definition();
    let template = KeyTemplate::parse(&definition.key)?;
    let key = template.key_of("app", &definition.version, |fields| node.key_fields(fields))?;
    Ok(key.to_string())
}

fn tags<N: Node>(node: &N) -> Vec<String> {
    let mut labels = Vec::new();
    node.tags(&mut labels);
    labels
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "of:{shop}:user:u{id}x:{r}", value = String, version = "v3", tiers(memory))]
struct Mixed {
    id: u64,
    shop: &'static str,
    r: char,
}

#[test]
fn fields_stand_where_the_template_names_them() {
    let node = Mixed { id: 7, shop: "a:b%", r: 'é' };
    assert_eq!(key(&node), Ok("app:of:a%3Ab%25:user:u7x:é:v3".into()));
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "pair:{1}:{0}", value = String, tiers(memory), tags("{0}-{1}"))]
struct Pair(u8, String);

#[test]
fn fields_of_a_tuple_struct_are_named_by_their_place() {
    assert_eq!(key(&Pair(1, "b".into())), Ok("app:pair:b:1:v1".into()));
    assert_eq!(tags(&Pair(1, "b".into())), ["1-b"]);
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "all", value = String, tiers(memory))]
struct Unit;

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "file:{*path}", value = String, tiers(memory))]
struct File {
    path: String,
}

#[test]
fn a_key_may_have_no_field_or_take_all_of_the_rest() {
    assert_eq!(key(&Unit), Ok("app:all:v1".into()));
    assert_eq!(key(&File { path: "a:b".into() }), Ok("app:file:a:b:v1".into()));
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "{type}:{fields}:{self_}", value = String, tiers(memory), tags("t:{type}"))]
struct Words {
    r#type: u8,
    fields: u8,
    self_: u8,
}

#[test]
fn keywords_and_names_of_the_generated_code_are_field_names_too() {
    let node = Words { r#type: 1, fields: 2, self_: 3 };
    assert_eq!(key(&node), Ok("app:1:2:3:v1".into()));
    assert_eq!(tags(&node), ["t:1"]);
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Owner {
    id: u64,
    r#type: (u8, u8),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.id, self.r#type.0, self.r#type.1)
    }
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(
    key = "{owner}",
    value = String,
    tiers(memory),
    tags("fixed", "owner:{owner.id}:{owner}", "{owner.type.1}")
)]
struct Owned {
    owner: Owner,
}

#[test]
fn tags_are_made_of_fields_and_of_what_is_in_them() {
    let node = Owned { owner: Owner { id: 7, r#type: (8, 9) } };
    assert_eq!(tags(&node), ["owner:7:7/8.9", "9"]);
    assert_eq!(Owned::definition().tags, ["fixed"]);
    assert_eq!(tags(&Unit), [""; 0]);
}

#[derive(Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "row:{id}:{array}", value = Vec<T>, tiers(memory), codec = none, tags("row:{id}"))]
struct Row<T: fmt::Display, const N: usize>
where
    Wrapped<T>: Clone,
{
    id: Wrapped<T>,
    array: u64,
    marker: PhantomData<[(); N]>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Wrapped<T>(T);

impl<T: fmt::Display> fmt::Display for Wrapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

#[test]
fn a_node_may_have_parameters_and_markers() {
    let row = Row::<_, 3> { id: Wrapped("a"), array: 1, marker: PhantomData };
    assert_eq!(key(&row), Ok("app:row:<a>:1:v1".into()));
    assert_eq!(tags(&row), ["row:<a>"]);
    assert_eq!(Row::<u8, 1>::definition().name, "Row");
}

macro_rules! node {
    ($name:ident, $key:literal, $field:ident: $type:ty) => {
        #[derive(Node, Clone, PartialEq, Eq, Hash)]
        #[node(key = $key, value = String, tiers(memory), tags("made:{id}"))]
        struct $name {
            $field: $type,
        }
    };
}

node!(Made, "made:{id}", id: u64);

#[test]
fn a_node_may_come_out_of_a_macro() {
    assert_eq!(key(&Made { id: 7 }), Ok("app:made:7:v1".into()));
    assert_eq!(tags(&Made { id: 7 }), ["made:7"]);
}
