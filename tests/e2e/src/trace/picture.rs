//! The waterfall of a trace, as a person would draw it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use tidemill_kit::collector::Span;

const WIDTH: f64 = 1280.0;
const NAMES: f64 = 320.0;
const ROW: f64 = 22.0;
const MARGIN: f64 = 16.0;

/// Draws `spans` into the target folder, parents above their children, each where it lay in time.
pub(crate) fn write(spans: &[Span], name: &str) -> Result<()> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"));
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), draw(spans))?;
    Ok(())
}

fn draw(spans: &[Span]) -> String {
    let rows = in_order(spans);
    let start = spans.iter().map(|span| span.start_ns).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.end_ns).max().unwrap_or(1).max(start + 1);
    let scale = (WIDTH - NAMES - 2.0 * MARGIN - 80.0) / (end - start) as f64;
    let height = MARGIN * 2.0 + ROW * (rows.len() as f64 + 1.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    axis(&mut svg, start, end, scale, height);
    for (row, (span, depth)) in rows.iter().enumerate() {
        let y = MARGIN + ROW * (row as f64 + 1.0);
        let x = MARGIN + NAMES + (span.start_ns - start) as f64 * scale;
        let width = ((span.end_ns - span.start_ns) as f64 * scale).max(1.5);
        let indent = MARGIN + 14.0 * f64::from(*depth);
        let (name, lasted) = (escaped(&span.name), lasted(span));
        let (bar, line) = (y + 4.0, y + 15.0);
        let (colour, behind) = (colour(span), x + width + 5.0);
        svg.push_str(&format!(
            r##"<text x="{indent}" y="{line:.1}">{name}</text>
<rect x="{x:.1}" y="{bar:.1}" width="{width:.1}" height="14" rx="2" fill="{colour}"/>
<text x="{behind:.1}" y="{line:.1}" fill="#555555">{lasted}</text>
"##
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

fn axis(svg: &mut String, start: u64, end: u64, scale: f64, height: f64) {
    for tick in 0..=5_u64 {
        let at = (end - start) * tick / 5;
        let x = MARGIN + NAMES + at as f64 * scale;
        let (label, below, at_ms) = (x + 3.0, MARGIN + 10.0, at as f64 / 1e6);
        svg.push_str(&format!(
            r##"<line x1="{x:.1}" x2="{x:.1}" y1="{MARGIN}" y2="{height}" stroke="#dddddd"/>
<text x="{label:.1}" y="{below:.1}" fill="#555555">{at_ms:.0} ms</text>
"##
        ));
    }
}

/// Depth first, by start.
fn in_order(spans: &[Span]) -> Vec<(&Span, u32)> {
    let mut below: HashMap<&str, Vec<&Span>> = HashMap::new();
    let known: Vec<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    for span in spans {
        let parent = if known.contains(&span.parent.as_str()) {
            span.parent.as_str()
        } else {
            ""
        };
        below.entry(parent).or_default().push(span);
    }
    for children in below.values_mut() {
        children.sort_by_key(|span| (span.start_ns, span.end_ns));
    }
    let mut rows = Vec::new();
    walk("", 0, &below, &mut rows);
    rows
}

fn walk<'a>(parent: &str, depth: u32, below: &HashMap<&str, Vec<&'a Span>>, rows: &mut Vec<(&'a Span, u32)>) {
    for span in below.get(parent).into_iter().flatten() {
        rows.push((span, depth));
        walk(&span.id, depth + 1, below, rows);
    }
}

fn colour(span: &Span) -> &'static str {
    match (span.error.is_some(), span.name.as_str()) {
        (true, _) => "#c0392b",
        (_, "queue") => "#c9b458",
        (_, "start pod" | "resolve") => "#9aa7b0",
        (_, name) if name.starts_with("step ") => "#3a8f5c",
        _ => "#3b6ea5",
    }
}

fn lasted(span: &Span) -> String {
    let micros = (span.end_ns - span.start_ns) / 1000;
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..10_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
