//! The data model of stories.

mod support;

use observe::story::Story;
use support::story::assert_refers_to_what_exists;

#[test]
fn a_story_comes_back_from_json_as_it_was() {
    let story = Story::sample();
    let json = serde_json::to_string(&story).unwrap();
    assert_eq!(serde_json::from_str::<Story>(&json).unwrap(), story);
}

#[test]
fn what_a_sample_refers_to_exists() {
    assert_refers_to_what_exists(&Story::sample());
}
