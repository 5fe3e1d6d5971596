//! What a viewer shows is what the screen shows.

use std::io::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::client::{Client, DESKTOP_SIZE, Format, Part, RAW, RGB888, ZRLE, request};
use crate::rig::Rig;

const FORMATS: [Format; 8] = [
    RGB888,
    Format(32, 24, true, [255; 3], [16, 8, 0]),
    Format(32, 24, false, [255; 3], [8, 16, 24]),
    Format(32, 24, true, [255; 3], [24, 16, 8]),
    Format(32, 30, false, [1023; 3], [20, 10, 0]),
    Format(16, 16, false, [31, 63, 31], [11, 5, 0]),
    Format(16, 15, true, [31; 3], [10, 5, 0]),
    Format(8, 8, false, [7, 7, 3], [0, 3, 6]),
];

/// A picture of squares: one colour in the first, two in the second, up to as many as there are pixels.
fn scenery(width: usize, height: usize) -> Vec<u32> {
    let noise = |n: usize| (n as u32).wrapping_mul(0x9e37_79b1) >> 8;
    let pixel = |n: usize| {
        let (x, y) = (n % width, n / width);
        let colours = match x / 64 + y / 64 * width.div_ceil(64) {
            square @ ..18 => square as u32 + 1,
            _ => 0xff_ffff,
        };
        noise((noise(n) % colours) as usize + 77 * colours as usize)
    };
    (0..width * height).map(pixel).collect()
}

#[test]
fn a_viewer_shows_the_screenshot_in_each_format_and_encoding() {
    let rig = Rig::new((304, 200));
    rig.draw(0, &scenery(304, 200));
    for encoding in [RAW, ZRLE] {
        for format in FORMATS {
            let mut client = Client::connect(rig.address);
            assert_eq!((client.width, client.height), (304, 200));
            client.set_format(format);
            // The first that the server knows.
            client.set_encodings(&[5, 7, encoding, RAW + ZRLE - encoding]);
            client.request(false);
            let parts = client.update();
            assert!(parts.iter().all(|part| part.encoding == encoding), "{parts:?}");
            assert!(client.shows(&rig.screenshot()), "{format:?} {encoding}");
        }
    }
}

#[test]
fn a_viewer_follows_whatever_changes_in_parts() {
    const SIZE: (usize, usize) = (304, 200);
    let change = (0..SIZE.0 * SIZE.1, 1..600usize, any::<u32>(), 1..40u32);
    let step = (0..FORMATS.len(), any::<bool>(), prop::collection::vec(change, 1..4));
    let steps = prop::collection::vec(step, 1..5);
    let rig = Rig::new((304, 200));
    let mut runner =
        TestRunner::new(Config { cases: 24, max_shrink_iters: 0, ..Config::default() });
    let outcome = runner.run(&steps, |steps| {
        let mut client = Client::connect(rig.address);
        client.request(false);
        client.update();
        for (format, compressed, changes) in steps {
            // The viewer has nothing any more that it can show in another format.
            client.set_encodings(if compressed { &[ZRLE] } else { &[RAW] });
            client.set_format(FORMATS[format]);
            client.request(false);
            client.update();
            for (at, count, colour, colours) in changes {
                let count = count.min(SIZE.0 * SIZE.1 - at) as u32;
                let pixel = |n: u32| (colour.wrapping_add(n % colours * 0x01_0203)) & 0xff_ffff;
                rig.draw(at, &(0..count).map(pixel).collect::<Vec<_>>());
            }
            client.follow(&rig);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_change_is_sent_once_and_little_more_than_it() {
    let rig = Rig::new((1024, 768));
    let mut clients = [(); 2].map(|()| Client::connect(rig.address));
    for client in &mut clients {
        client.request(false);
        client.update();
    }
    rig.draw(700 * 1024 + 100, &[0xff_ffff; 3]);
    for client in &mut clients {
        client.request(true);
        let parts = client.update();
        let sent = (parts.len(), parts[0].x, parts[0].y, parts[0].width, parts[0].height);
        assert_eq!(sent, (1, 64, 700, 64, 1));
    }
    // The next request is answered by the next change, not by the last.
    for client in &mut clients {
        client.request(true);
    }
    rig.draw(3, &[0xff_ffff]);
    for client in &mut clients {
        assert_eq!(client.update()[0].y, 0);
        assert!(client.shows(&rig.screenshot()));
    }
}

#[test]
fn areas_are_answered_for_themselves() {
    let rig = Rig::new((304, 200));
    rig.draw(0, &scenery(304, 200));
    let mut client = Client::connect(rig.address);
    // An area, and never what is beside it.
    client.request_area(false, [70, 50, 30, 20]);
    let parts = client.update();
    let pixels: usize = parts.iter().map(|part| part.width * part.height).sum();
    assert_eq!(pixels, 600, "{parts:?}");
    let inside = |x: usize, y: usize| (70..100).contains(&x) && (50..70).contains(&y);
    assert!(
        parts.iter().all(|p| inside(p.x, p.y) && inside(p.x + p.width - 1, p.y + p.height - 1))
    );
    // A change beside it waits for somebody who asks there.
    rig.draw(60 * 304 + 100, &[0x55_5555]);
    client.request_area(true, [70, 50, 30, 20]);
    rig.draw(60 * 304 + 99, &[0x66_6666, 0x77_7777]);
    let parts = client.update();
    assert_eq!((parts.len(), parts[0].y, parts[0].x + parts[0].width), (1, 60, 100), "{parts:?}");
    client.follow(&rig);
    // Areas that are asked for together are answered together, or one after the other.
    let both = [request(false, [1, 2, 3, 4]), request(false, [90, 80, 7, 6])].concat();
    client.stream.write_all(&both).unwrap();
    let covers = |parts: &[Part], x: usize, y: usize| {
        let covers = |part: &Part| {
            (part.x..part.x + part.width).contains(&x)
                && (part.y..part.y + part.height).contains(&y)
        };
        parts.iter().any(covers)
    };
    let mut parts = Vec::new();
    while !(covers(&parts, 1, 2) && covers(&parts, 96, 85)) {
        parts.extend(client.update());
    }
}

#[test]
fn a_viewer_follows_a_mode_change_if_it_can() {
    let rig = Rig::new((640, 480));
    let [mut able, mut unable] = [(); 2].map(|()| Client::connect(rig.address));
    able.set_encodings(&[ZRLE, DESKTOP_SIZE]);
    unable.set_encodings(&[ZRLE]);
    for (width, height) in [(800, 400), (320, 600), (704, 300), (640, 480)] {
        rig.set_size((width, height));
        rig.draw(0, &scenery(width as usize, height as usize));
        able.request(true);
        assert_eq!(able.update()[0].encoding, DESKTOP_SIZE);
        assert_eq!((able.width, able.height), (width as usize, height as usize));
        able.follow(&rig);
        unable.follow(&rig);
        assert_eq!((unable.width, unable.height), (640, 480));
    }
}

#[test]
fn a_pipe_that_is_off_is_black_and_comes_back_on_the_same_connection() {
    let rig = Rig::new((320, 240));
    let mut client = Client::connect(rig.address);
    let black = rig.screenshot();
    rig.draw(0, &scenery(320, 240));
    client.follow(&rig);
    rig.switch(false);
    client.request(true);
    client.update();
    assert!(client.shows(&black));
    // Before anything was on, there is a picture as well.
    let early = Rig::new((320, 240));
    early.switch(false);
    let mut first = Client::connect(early.address);
    assert_eq!((first.width, first.height), (640, 480));
    first.set_encodings(&[RAW, DESKTOP_SIZE]);
    first.request(false);
    first.update();
    for (rig, client) in [(&rig, &mut client), (&early, &mut first)] {
        rig.switch(true);
        rig.draw(0, &scenery(320, 240));
        client.follow(rig);
        assert_eq!((client.width, client.height), (320, 240));
    }
}
