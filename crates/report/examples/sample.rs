//! Prints the page of the sample story.

use observe::story::Story;

fn main() {
    println!("{}", report::html(&[Story::sample()]));
}
