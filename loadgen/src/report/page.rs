//! The report as one HTML page that needs nothing else: it holds its data as JSON and draws itself.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::machine;
use crate::report::Report;
use crate::report::figures::{Curve, Sample};

const TEMPLATE: &str = include_str!("page.html");
const PLACE: &str = "{{DATA}}";

/// A name and what belongs to it.
pub type Fact = (String, String);

/// What a page shows.
#[derive(Serialize)]
pub struct Page {
    /// Heading.
    pub title: String,
    /// Everything was as it should be.
    pub good: bool,
    /// … in words.
    pub verdict: String,
    /// What was asked for.
    pub parameters: Vec<Fact>,
    /// What the ratios are.
    pub ratios_title: String,
    /// Ratios with their spread, drawn above all tables.
    pub ratios: Vec<Ratio>,
    /// One per plan.
    pub sections: Vec<Section>,
}

/// A ratio with its spread.
#[derive(Serialize)]
pub struct Ratio {
    /// Of which plan.
    pub name: String,
    /// Its median,
    pub median: f64,
    /// its least
    pub min: f64,
    /// and its greatest value.
    pub max: f64,
}

/// One plan.
#[derive(Serialize, Default)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Headings of the table.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// Seconds and messages per second.
    pub throughput: Vec<Line>,
    /// Quantiles and microseconds.
    pub latency: Vec<Line>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// One line of a chart; lines of one style may share a name.
#[derive(Serialize)]
pub struct Line {
    /// For the legend.
    pub name: String,
    /// Which of four styles: 0 and 2 share a colour, 1 and 3 another.
    pub color: usize,
    /// x and y.
    pub points: Vec<[f64; 2]>,
}

impl Page {
    /// The page of a single run.
    pub fn of_run(report: &Report) -> Self {
        let rows = report.rows().into_iter();
        let mut section = Section {
            title: format!("Plan {}", report.plan),
            columns: vec!["figure".into(), "value".into()],
            rows: rows.map(|(name, text)| vec![name, text]).collect(),
            notes: vec![report.limit_line()],
            failures: report.error_texts.clone(),
            ..Section::default()
        };
        for (color, (name, of)) in COUNTS.iter().enumerate() {
            section.throughput.extend(rates(name, color, report, *of));
        }
        for (color, curve) in report.curves.iter().enumerate() {
            section.latency.extend(quantiles(&curve.name, color, curve));
        }
        Page {
            title: format!("loadgen {}", report.plan),
            good: report.is_good(),
            verdict: match report.is_good() {
                true => "Nothing was lost and nothing failed.".into(),
                false => "Something was lost or failed.".into(),
            },
            parameters: report.parameters.facts(),
            ratios_title: String::new(),
            ratios: Vec::new(),
            sections: vec![section],
        }
    }

    /// Writes the page to `path`.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let page = self.render();
        std::fs::write(path, page).map_err(|error| cannot_write(path, &error))
    }

    fn render(&self) -> String {
        #[derive(Serialize)]
        struct Data<'a> {
            when_ms: u64,
            machine: Vec<Fact>,
            #[serde(flatten)]
            page: &'a Page,
        }
        let data = Data {
            when_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_millis() as u64),
            machine: machine::facts(),
            page: self,
        };
        let json = serde_json::to_string(&data).expect("a page has only plain fields");
        // Nothing in the data can end the script element.
        TEMPLATE.replacen(PLACE, &json.replace('<', "\\u003c"), 1)
    }
}

/// A count of samples, with its name.
type Count = (&'static str, fn(&Sample) -> u64);

/// What is counted over time.
pub const COUNTS: [Count; 2] = [
    ("published", |sample| sample.published),
    ("delivered", |sample| sample.received),
];

/// A count over time as rates; none where nothing was counted.
pub fn rates(name: &str, color: usize, report: &Report, count: fn(&Sample) -> u64) -> Option<Line> {
    let rate = |pair: &[Sample]| {
        let seconds = (pair[1].seconds - pair[0].seconds).max(1e-9);
        let messages = count(&pair[1]).saturating_sub(count(&pair[0]));
        [pair[1].seconds, messages as f64 / seconds]
    };
    let is_apart = |pair: &&[Sample]| pair[1].seconds - pair[0].seconds > 1e-3;
    let points: Vec<_> = report
        .series
        .windows(2)
        .filter(is_apart)
        .map(rate)
        .collect();
    let counted = report.series.last().map_or(0, count);
    (counted > 0 && points.len() > 1).then(|| Line {
        name: name.into(),
        color,
        points,
    })
}

/// A percentile curve as a line.
pub fn quantiles(name: &str, color: usize, curve: &Curve) -> Option<Line> {
    let points: Vec<_> = curve
        .points
        .iter()
        .map(|point| [point.quantile, point.latency_us])
        .collect();
    (points.len() > 1).then(|| Line {
        name: name.into(),
        color,
        points,
    })
}

/// Whether a report can be written to `path`; asked before any work.
pub fn check(path: &Path) -> Result<(), String> {
    let is_new = !path.exists();
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| cannot_write(path, &error))?;
    if is_new {
        // Only tried: a run that fails leaves nothing behind.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write the report to {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(title: &str) -> Page {
        Page {
            title: title.into(),
            good: true,
            verdict: String::new(),
            parameters: Vec::new(),
            ratios_title: String::new(),
            ratios: Vec::new(),
            sections: Vec::new(),
        }
    }

    #[test]
    fn nothing_in_the_data_leaves_the_data() {
        let title = "</script><script>alert(1)</script><!-- {{DATA}} & \" '";
        let text = page(title).render();
        assert_eq!(text.matches("</script>").count(), 2, "{text}");
        assert!(!text.contains("<!-- {{") && !text.contains("<script>alert"));
        let data = text.split_once("application/json\">").unwrap().1;
        let data = data.split_once("</script>").unwrap().0;
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["title"], title);
        assert!(data["when_ms"].as_u64().unwrap() > 1_700_000_000_000);
    }

    #[test]
    fn the_page_needs_no_network() {
        let text = TEMPLATE.replace("http://www.w3.org/2000/svg", "");
        for far in ["http:", "https:", "src=", "<link", "@import", "url("] {
            assert!(!text.contains(far), "{far}");
        }
        assert_eq!(text.matches(PLACE).count(), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_named() {
        let path = Path::new("/nonexistent/out.html");
        assert!(check(path).unwrap_err().contains("/nonexistent/out.html"));
        let full = page("x").write(Path::new("/dev/full")).unwrap_err();
        assert!(full.contains("/dev/full"), "{full}");
        let path = std::env::temp_dir().join(format!("loadgen-page-{}.html", std::process::id()));
        check(&path).unwrap();
        assert!(!path.exists());
        page("x").write(&path).unwrap();
        check(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"x\""));
        std::fs::remove_file(path).unwrap();
    }
}
