//! Figures: samples of ours and of the floor, the aim, the table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// What a figure must hold.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Aim {
    /// The median of ours is at most so many times the median of the floor.
    Ratio(f64),
    /// The median of ours is at most this.
    Median(f64),
    /// The 99th percentile of ours is at most this.
    P99(f64),
    /// The median of ours is at most the median of the floor and this.
    Above(f64),
    /// The median of what each of our samples is to the sample of the floor at its place is at most this.
    Paired(f64),
}

/// A measured thing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// What the floor is; empty without one.
    pub(crate) floor_name: String,
    /// Unit of the samples.
    pub(crate) unit: &'static str,
    /// Our samples.
    pub(crate) ours: Vec<f64>,
    /// Samples of the floor, taken in turn with ours.
    pub(crate) floor: Vec<f64>,
    /// What must hold, all of it.
    pub(crate) aims: Vec<Aim>,
}

impl Figure {
    /// Whether every aim holds.
    pub(crate) fn is_met(&self) -> bool {
        self.aims.iter().all(|aim| self.holds(aim))
    }

    /// Name, value and aim of what is missed, in one line.
    pub(crate) fn verdict(&self) -> String {
        let missed: Vec<String> = self
            .aims
            .iter()
            .filter(|aim| !self.holds(aim))
            .map(|aim| self.say(aim))
            .collect();
        format!("{}: {}", self.name, missed.join(", "))
    }

    fn holds(&self, aim: &Aim) -> bool {
        let median = percentile(&self.ours, 50.0);
        match aim {
            Aim::Ratio(most) => self.ratio() <= *most,
            Aim::Median(most) => median <= *most,
            Aim::P99(most) => percentile(&self.ours, 99.0) <= *most,
            Aim::Above(most) => median <= percentile(&self.floor, 50.0) + most,
            Aim::Paired(most) => percentile(&self.pairs(), 50.0) <= *most,
        }
    }

    fn say(&self, aim: &Aim) -> String {
        match aim {
            Aim::Ratio(most) => format!("{:.2}x, aim {most}x", self.ratio()),
            Aim::Median(most) => format!("p50 {:.2} {}, aim {most}", percentile(&self.ours, 50.0), self.unit),
            Aim::P99(most) => format!("p99 {:.2} {}, aim {most}", percentile(&self.ours, 99.0), self.unit),
            Aim::Above(most) => {
                let above = percentile(&self.ours, 50.0) - percentile(&self.floor, 50.0);
                format!("{above:.2} {} above the floor, aim {most}", self.unit)
            }
            Aim::Paired(most) => {
                let pairs = self.pairs();
                let (low, high) = interval_of_median(&pairs);
                format!(
                    "{:.3}x at the median of {} pairs (95 %: {low:.3} to {high:.3}; floor p99 {:.2} {}), aim {most}x",
                    percentile(&pairs, 50.0),
                    pairs.len(),
                    percentile(&self.floor, 99.0),
                    self.unit
                )
            }
        }
    }

    fn pairs(&self) -> Vec<f64> {
        self.ours
            .iter()
            .zip(&self.floor)
            .map(|(ours, floor)| ours / floor)
            .collect()
    }

    fn ratio(&self) -> f64 {
        percentile(&self.ours, 50.0) / percentile(&self.floor, 50.0)
    }
}

/// Where the median lies that the samples were drawn with, with 95 % confidence: by their ranks, so whatever
/// their distribution is.
fn interval_of_median(samples: &[f64]) -> (f64, f64) {
    let half_width = 1.96 * (samples.len() as f64).sqrt() / 2.0;
    let at = |offset: f64| percentile(samples, 50.0 + 100.0 * offset / samples.len().max(1) as f64);
    (at(-half_width), at(half_width))
}

/// The value below which `percent` of the samples lie (nearest rank); NaN without samples.
pub(crate) fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank"
    )]
    let rank = ((percent / 100.0 * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The table for people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 8]| {
        let [name, unit, p50, p99, count, floor, ratio, aims] = cells;
        writeln!(
            text,
            "{name:<42} {unit:>5} {p50:>9} {p99:>9} {count:>6} {floor:>9} {ratio:>6}  {aims}"
        )
        .ok();
    };
    line(["what", "unit", "p50", "p99", "count", "floor p50", "ratio", "aims"]);
    for figure in figures {
        let has_floor = !figure.floor.is_empty();
        let aims: Vec<String> = figure
            .aims
            .iter()
            .map(|aim| {
                format!(
                    "{} {}",
                    if figure.holds(aim) { "ok" } else { "MISSED" },
                    figure.say(aim)
                )
            })
            .collect();
        line([
            &figure.name,
            figure.unit,
            &format!("{:.2}", percentile(&figure.ours, 50.0)),
            &format!("{:.2}", percentile(&figure.ours, 99.0)),
            &figure.ours.len().to_string(),
            &if has_floor {
                format!("{:.2}", percentile(&figure.floor, 50.0))
            } else {
                String::new()
            },
            &if has_floor {
                format!("{:.2}", figure.ratio())
            } else {
                String::new()
            },
            &aims.join("; "),
        ]);
    }
    let floors: Vec<String> = figures
        .iter()
        .filter(|figure| !figure.floor_name.is_empty())
        .map(|figure| format!("  {}: {}", figure.name, figure.floor_name))
        .collect();
    writeln!(
        text,
        "floors:\n{}\nsync_interval: always; all samples of ours and floor taken in turn",
        floors.join("\n")
    )
    .ok();
    text
}

/// Writes every sample as JSON.
pub(crate) fn save(figures: &[Figure], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("figures.json"), serde_json::to_vec_pretty(figures)?)?;
    fs::write(folder.join("table.txt"), table(figures))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(aims: Vec<Aim>) -> Figure {
        let (ours, floor) = (vec![3.0, 1.0, 2.0], vec![1.0]);
        Figure {
            name: "n".into(),
            floor_name: "f".into(),
            unit: "ms",
            ours,
            floor,
            aims,
        }
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 50.0), 2.0);
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 99.0), 3.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn the_interval_of_a_median_lies_around_it() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(interval_of_median(&samples), (41.0, 60.0));
        assert_eq!(interval_of_median(&[7.0]), (7.0, 7.0));
        assert!(interval_of_median(&[]).0.is_nan());
    }

    #[test]
    fn pairs_are_compared_one_by_one() {
        let mut paired = figure(vec![Aim::Paired(1.05)]);
        (paired.ours, paired.floor) = (vec![1.0, 10.0, 1.0], vec![1.0, 10.0, 9.0]);
        assert!(paired.is_met(), "{}", paired.verdict());
        paired.floor = vec![0.9, 9.0, 9.0];
        assert!(!paired.is_met(), "{}", paired.verdict());
        assert!(
            paired.verdict().contains("1.111x at the median of 3 pairs"),
            "{}",
            paired.verdict()
        );
    }

    #[test]
    fn aims_hold_or_are_missed() {
        assert!(figure(vec![Aim::Ratio(2.0), Aim::Median(2.0), Aim::P99(3.0), Aim::Above(1.0)]).is_met());
        for aim in [Aim::Ratio(1.9), Aim::Median(1.9), Aim::P99(2.9), Aim::Above(0.9)] {
            assert!(!figure(vec![aim]).is_met());
        }
        assert!(
            !Figure {
                ours: vec![],
                ..figure(vec![Aim::Median(1.0)])
            }
            .is_met(),
            "no sample meets no aim"
        );
    }
}
