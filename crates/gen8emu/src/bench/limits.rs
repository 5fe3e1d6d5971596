//! What the machine can do at best: the limits that the benches are held against.

use std::cell::Cell;

/// Bytes of a node of the pointer chase.
pub(crate) const CHASE_LINE: u64 = 64;

/// A node of a pointer chase, one cache line.
#[repr(align(64))]
pub(crate) struct Node<'a> {
    next: Cell<Option<&'a Node<'a>>>,
}

/// `count` nodes, not linked yet.
pub(crate) fn nodes<'a>(count: usize) -> Vec<Node<'a>> {
    (0..count).map(|_| Node { next: Cell::new(None) }).collect()
}

/// Links the nodes to one circle, in an order that a prefetcher does not guess.
pub(crate) fn link<'a>(nodes: &'a [Node<'a>]) {
    let order = shuffled(nodes.len());
    for (i, &at) in order.iter().enumerate() {
        nodes[at].next.set(Some(&nodes[order[(i + 1) % order.len()]]));
    }
}

/// Follows `steps` dependent loads from `start`; gives where it ends.
pub(crate) fn chase<'a>(start: &'a Node<'a>, steps: u64) -> &'a Node<'a> {
    let mut at = start;
    for _ in 0..steps {
        at = at.next.get().unwrap_or(start);
    }
    at
}

/// The numbers below `count` in a random-looking order that is the same in every run.
pub(crate) fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..count).rev() {
        // xorshift64: plenty for an order.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(i, (state % (i as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chase_visits_every_node_before_it_comes_back() {
        let nodes = nodes(37);
        link(&nodes);
        for steps in 1..37 {
            assert!(!std::ptr::eq(chase(&nodes[0], steps), &raw const nodes[0]), "{steps}");
        }
        assert!(std::ptr::eq(chase(&nodes[0], 37), &raw const nodes[0]));
    }
}
