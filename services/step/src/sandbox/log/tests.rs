use tidemill_messages::sandbox::Content;

use super::*;

fn log(values: &[&str]) -> Log {
    let values: Vec<Content> = values.iter().map(|value| Content(value.as_bytes().to_vec())).collect();
    let pipe = File::open("/dev/null").unwrap();
    Log::new(vec![(pipe, Vec::new())], &Rc::new(Masks::new(&values)))
}

fn written(log: &mut Log, pieces: &[&[u8]], limit: u64) -> String {
    let (mut budget, now) = (Budget::new(limit), Instant::now());
    let mut text = String::new();
    for piece in pieces {
        log.take(0, piece, &mut budget, now);
        text.extend(log.chunk(now + DELAY, false));
    }
    log.close(0, &mut budget, now);
    text.extend(std::iter::from_fn(|| log.chunk(now, true)));
    text
}

#[test]
fn characters_and_secrets_cut_by_reads_are_whole_in_the_log() {
    let text = "grüße 🌍 s3cr3t-value\n".as_bytes();
    for size in 1..text.len() {
        let pieces: Vec<&[u8]> = text.chunks(size).collect();
        assert_eq!(written(&mut log(&["s3cr3t-value"]), &pieces, 1000), "grüße 🌍 ***\n");
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(written(&mut log(&[]), &[b"a\xffb\xc3"], 1000), "a\u{fffd}b\u{fffd}");
}

#[test]
fn text_waits_for_more_but_not_long() {
    let (mut log, mut budget, now) = (log(&[]), Budget::new(1000), Instant::now());
    log.take(0, b"a", &mut budget, now);
    log.take(0, b"b", &mut budget, now + DELAY / 2);
    assert_eq!(log.chunk(now + DELAY / 2, false), None);
    assert_eq!(log.due_at(), Some(now + DELAY));
    assert_eq!(log.chunk(now + DELAY, false), Some("ab".to_owned()));
    assert_eq!(log.due_at(), None);
}

#[test]
fn chunks_end_with_lines_and_are_never_too_long() {
    let line = "x".repeat(MAX_LOG_CHUNK_BYTES / 2 + 10) + "\n";
    let (mut log, mut budget, now) = (log(&[]), Budget::new(1 << 30), Instant::now());
    log.take(0, line.repeat(3).as_bytes(), &mut budget, now);
    assert_eq!(log.chunk(now, false).as_deref(), Some(line.as_str()));
    let long = "y".repeat(MAX_LOG_CHUNK_BYTES * 2);
    log.take(0, long.as_bytes(), &mut budget, now);
    let lengths: Vec<usize> = std::iter::from_fn(|| log.chunk(now, true))
        .map(|chunk| chunk.len())
        .collect();
    assert!(
        lengths.iter().all(|length| *length <= MAX_LOG_CHUNK_BYTES),
        "{lengths:?}"
    );
    assert_eq!(lengths.iter().sum::<usize>(), line.len() * 2 + long.len());
}

#[test]
fn what_is_over_the_limit_is_counted() {
    let mut log = log(&[]);
    assert_eq!(
        written(&mut log, &[b"12345", b"678\xe2\x82\xac", b"more"], 9),
        "12345678"
    );
    assert_eq!(log.cut_bytes(), 3 + 4);
}
