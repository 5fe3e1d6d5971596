//! What holds of every story.

use observe::story::Story;

/// Every place that a story names is one of its lists', and what has an order has it.
pub fn assert_refers_to_what_exists(story: &Story) {
    let within = |index: Option<usize>, len: usize| index.is_none_or(|index| index < len);
    assert!(story.begin_ns <= story.end_ns);
    for engine in &story.engines {
        for span in &engine.spans {
            assert!(span.begin_ns <= span.end_ns && span.end_ns <= story.end_ns);
            assert!(within(span.context, story.contexts.len()));
            assert!(within(span.space, story.spaces.len()));
            assert!(within(span.request, story.requests.len()));
        }
        assert!(engine.spans.is_sorted_by_key(|span| span.begin_ns));
    }
    for context in &story.contexts {
        assert!(within(context.space, story.spaces.len()));
    }
    for request in &story.requests {
        assert!(request.engine < story.engines.len());
        assert!(within(request.context, story.contexts.len()));
        assert!(request.began_ns.is_none_or(|began| began >= request.submitted_ns));
    }
    for space in &story.spaces {
        assert!(space.pages.is_sorted_by_key(|sample| sample.at_ns));
        for mapping in &space.mappings {
            assert!(within(mapping.bound_by, story.requests.len()));
            assert!(!mapping.leaked || space.leaked);
        }
    }
}
