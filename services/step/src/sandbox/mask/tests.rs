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

#[test]
fn base64_is_found_wherever_its_lines_end() {
    let value = "a value that is long enough for base64 to need two lines, wherever it begins in them";
    let masks = masks(&[value]);
    for before in ["", "user:", "a longer text in front of it: "] {
        let encoded = STANDARD.encode(format!("{before}{value} and more"));
        for (width, end) in [(76, "\n"), (64, "\n"), (20, "\r\n")] {
            let lines: Vec<&str> = (0..encoded.len())
                .step_by(width)
                .map(|at| &encoded[at..encoded.len().min(at + width)])
                .collect();
            let text = lines.join(end);
            for size in [1, 7, text.len()] {
                let shown = in_pieces(&masks, &text, size);
                assert_eq!(shown.matches("***").count(), 1, "{text} became {shown}");
                assert!(shown.len() + value.len() < text.len(), "{text} became {shown}");
            }
        }
    }
    assert_eq!(
        masks.clean("YSB2\n\nno"),
        "YSB2\n\nno",
        "a beginning alone stays as it is"
    );
}

#[test]
fn json_and_addresses_write_values_in_their_way() {
    let masks = masks(&["pass \"word\" / +ü"]);
    assert_eq!(masks.clean(r#"{"x": "pass \"word\" / +ü"}"#), r#"{"x": "***"}"#);
    assert_eq!(
        masks.clean("https://u:pass%20%22word%22%20%2F%20%2B%C3%BC@host/"),
        "https://u:***@host/"
    );
}
