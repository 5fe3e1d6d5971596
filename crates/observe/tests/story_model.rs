//! The data model of stories.

use observe::story::Story;

#[test]
fn a_story_comes_back_from_json_as_it_was() {
    let story = Story::sample();
    let json = serde_json::to_string(&story).unwrap();
    assert_eq!(serde_json::from_str::<Story>(&json).unwrap(), story);
}

#[test]
fn what_a_sample_refers_to_exists() {
    let story = Story::sample();
    let within = |index: Option<usize>, len: usize| index.is_none_or(|index| index < len);
    for span in story.engines.iter().flat_map(|engine| &engine.spans) {
        assert!(within(span.context, story.contexts.len()));
        assert!(within(span.space, story.spaces.len()));
        assert!(within(span.request, story.requests.len()));
    }
    for context in &story.contexts {
        assert!(within(context.space, story.spaces.len()));
    }
    for request in &story.requests {
        assert!(request.engine < story.engines.len());
        assert!(within(request.context, story.contexts.len()));
    }
    for mapping in story.spaces.iter().flat_map(|space| &space.mappings) {
        assert!(within(mapping.bound_by, story.requests.len()));
    }
}
