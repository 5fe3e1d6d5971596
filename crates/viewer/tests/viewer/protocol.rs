//! The protocol's beginning, and what a viewer may say besides.

use std::io::Write;
use std::sync::Arc;

use viewer::Settings;

use crate::client::{Client, request};
use crate::rig::Rig;

#[test]
fn viewers_of_all_three_versions_see_the_picture() {
    let rig = Rig::new((64, 64));
    rig.draw(100, &[0x12_3456; 100]);
    for version in [b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"] {
        let mut client = Client::of_version(rig.address, version).unwrap();
        client.request(false);
        client.update();
        assert!(client.shows(&rig.screenshot()));
    }
}

#[test]
fn keys_pointer_and_clipboard_are_read_and_forgotten_however_long() {
    let rig = Rig::new((64, 64));
    let mut client = Client::connect(rig.address);
    let key = [4, 1, 0, 0, 0, 0, 0, 65];
    let pointer = [5, 1, 0, 9, 0, 9];
    let text = [&[6, 0, 0, 0, 0, 64, 0, 0][..], &vec![3; 64 << 16]].concat();
    let encodings = [&[2, 0, 255, 255][..], &vec![0; 4 * 0xffff]].concat();
    let bytes = [&key[..], &pointer, &text, &encodings, &request(false, [0, 0, 64, 64])].concat();
    for piece in bytes.chunks(4999) {
        client.stream.write_all(piece).unwrap();
    }
    client.update();
    assert!(client.shows(&rig.screenshot()));
}

#[test]
fn an_address_that_is_taken_is_a_clear_error() {
    let rig = Rig::new((64, 64));
    let settings = Settings::new(rig.address.to_string().parse().unwrap());
    let error = viewer::listen(Arc::clone(&rig.device), &settings).unwrap_err().to_string();
    assert!(error.contains(&rig.address.to_string()), "{error}");
}
