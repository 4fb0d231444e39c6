use super::{Duration, HOUR, MINUTE, SECOND};

fn nanos(text: &str) -> Option<i64> {
    text.parse::<Duration>().ok().map(Duration::as_nanos)
}

#[test]
fn texts_are_read_as_go_reads_them() {
    let golden: [(&str, i64); 17] = [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("5s", 5 * SECOND as i64),
        ("1h0m0s", HOUR as i64),
        ("1.5h", 90 * MINUTE as i64),
        ("-1.5h", -(90 * MINUTE as i64)),
        (".5s", 500_000_000),
        ("1.s", SECOND as i64),
        ("300ms", 300_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("7ns", 7),
        ("1h2m3.004s", 3_723_004_000_000),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
    ];
    for (text, expected) in golden {
        assert_eq!(nanos(text), Some(expected), "{text}");
    }
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "-",
        "3",
        "s",
        ".",
        ".s",
        "1 h",
        "1d",
        "1h ",
        "1e3s",
        "9223372036854775808ns",
        "3000000h",
        "ten",
    ] {
        assert_eq!(nanos(text), None, "{text}");
    }
    let error = "1d".parse::<Duration>().unwrap_err().to_string();
    assert_eq!(error, r#""1d" is not a duration, expected one such as 1h30m, 90s or 0"#);
}

#[test]
fn durations_are_written_as_go_writes_them() {
    let golden = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (3_600_000_000_000, "1h0m0s"),
        (-60_000_000_000, "-1m0s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanoseconds, text) in golden {
        assert_eq!(Duration::from_nanos(nanoseconds).to_string(), text);
    }
}
