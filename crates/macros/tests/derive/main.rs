//! What `#[derive(Node)]` and `#[cached]` make, and what they refuse.

mod cached;
mod definition;
mod key;
mod value;

/// `TRYBUILD=overwrite` writes the messages anew.
#[test]
fn what_is_no_node_is_refused_with_a_clear_error() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
