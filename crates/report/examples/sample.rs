//! Prints the page of the sample story.

use observe::story::Story;
use report::Origin;

fn main() {
    println!("{}", report::html(&[Story::sample()], &Origin::default()));
}
