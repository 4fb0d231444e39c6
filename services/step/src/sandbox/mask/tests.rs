use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;

fn masks(values: &[&str]) -> Rc<Masks> {
    let values: Vec<Content> = values.iter().map(|value| Content(value.as_bytes().to_vec())).collect();
    Rc::new(Masks::new(&values))
}

fn in_pieces(masks: &Rc<Masks>, text: &str, size: usize) -> String {
    let mut masker = Masker::new(Rc::clone(masks));
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(size) {
        masker.push(piece, &mut out);
    }
    masker.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_value_is_found_wherever_the_reads_cut_it() {
    let masks = masks(&["s3cr3t-v4lue"]);
    let text = "a s3cr3t-v4lue b s3cr3t-s3cr3t-v4lue s3cr3t";
    for size in 1..=text.len() {
        assert_eq!(
            in_pieces(&masks, text, size),
            "a *** b s3cr3t-*** s3cr3t",
            "pieces of {size}"
        );
    }
}

#[test]
fn the_longer_of_two_values_wins_and_the_shorter_is_found_alone() {
    let masks = masks(&["secret", "secretive"]);
    for size in 1..12 {
        assert_eq!(in_pieces(&masks, "secretive secret secreti", size), "*** *** ***i");
    }
}

#[test]
fn base64_is_found_wherever_it_begins() {
    let value = "pass?word>>";
    let masks = masks(&[value]);
    for before in ["", "u", "us", "user:", "someone:"] {
        for after in ["", "\n", ", and more"] {
            let text = format!("{before}{value}{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                let shown = masks.clean(&encoded);
                assert!(
                    shown.contains("***") && shown.len() + 8 < encoded.len() + 3,
                    "{encoded} became {shown}"
                );
            }
        }
    }
}

#[test]
fn short_values_are_left_and_lines_of_long_ones_are_not() {
    assert_eq!(masks(&["12345"]).clean("12345"), "12345");
    let key = "-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----\n";
    assert_eq!(masks(&[key]).clean("  abcdefghijkl\n"), "  ***\n");
    assert_eq!(masks(&["with-newline\n"]).clean("with-newline!"), "***!");
}
