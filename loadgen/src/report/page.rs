//! The report as one HTML page that needs nothing else: it holds its data as JSON and draws itself.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::report::figures::{Count, Curve, Sample, rates};
use crate::report::text::PERCENTILES;
use crate::report::{Report, Standing};
use crate::{command, machine};

const TEMPLATE: &str = include_str!("page.html");
const PLACE: &str = "{{DATA}}";

/// A name and what belongs to it.
pub type Fact = (String, String);

/// What a page shows.
#[derive(Serialize)]
pub struct Page {
    /// Heading.
    pub title: String,
    /// Whether everything was as it should be.
    pub standing: Standing,
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

/// Texts in columns.
#[derive(Serialize)]
pub struct Table {
    /// Headings.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>, rows: Vec<Vec<String>>) -> Self {
        let columns = columns.into_iter().map(String::from).collect();
        Table { columns, rows }
    }
}

/// One plan.
#[derive(Serialize, Default)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Its figures.
    pub tables: Vec<Table>,
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
    /// x, the least and the greatest y, where the points are medians of several runs.
    pub band: Vec<[f64; 3]>,
}

impl Page {
    /// The page of a single run.
    pub fn of_run(report: &Report) -> Self {
        let rows = report.rows().into_iter();
        let rows = rows.map(|(name, text)| vec![name, text]).collect();
        let mut tables = vec![Table::new(["figure", "value"], rows)];
        let percentiles = report.percentile_rows();
        if !percentiles.is_empty() {
            let columns = std::iter::once("percentiles, µs").chain(PERCENTILES);
            tables.push(Table::new(columns, percentiles));
        }
        let mut section = Section {
            title: format!("Plan {}", report.plan),
            tables,
            notes: vec![report.limit_line()],
            failures: report.error_texts.clone(),
            ..Section::default()
        };
        for (color, (name, count)) in COUNTS.into_iter().enumerate() {
            let points = rates(&report.series, count);
            section.throughput.extend(Line::of(name, color, points));
        }
        for (color, curve) in report.curves.iter().enumerate() {
            section.latency.extend(quantiles(&curve.name, color, curve));
        }
        Page {
            title: format!("loadgen {}", report.title()),
            standing: report.standing(),
            verdict: match report.standing() {
                Standing::Good => "Nothing was lost and nothing failed.".into(),
                Standing::Limited => format!(
                    "Nothing was lost and nothing failed, but the figures say more about loadgen than about the server: {}.",
                    report.limit_text
                ),
                Standing::Bad => "Something was lost or failed.".into(),
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
            command: String,
            machine: Vec<Fact>,
            #[serde(flatten)]
            page: &'a Page,
        }
        let data = Data {
            when_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_millis() as u64),
            command: command::line(),
            machine: machine::facts(),
            page: self,
        };
        let json = serde_json::to_string(&data).expect("a page has only plain fields");
        // Nothing in the data can end the script element.
        TEMPLATE.replacen(PLACE, &json.replace('<', "\\u003c"), 1)
    }
}

/// What is counted over time, with its name.
const COUNTS: [(&str, Count); 2] = [
    ("published", |sample: &Sample| sample.published),
    ("delivered", |sample: &Sample| sample.received),
];

impl Line {
    /// A line without a band; none where there is nothing to draw.
    pub fn of(name: &str, color: usize, points: Vec<[f64; 2]>) -> Option<Self> {
        let counts = points.len() > 1 && points.iter().any(|[_, y]| *y > 0.0);
        counts.then(|| Line {
            name: name.into(),
            color,
            points,
            band: Vec::new(),
        })
    }
}

/// A percentile curve as a line.
pub fn quantiles(name: &str, color: usize, curve: &Curve) -> Option<Line> {
    let points: Vec<_> = curve
        .points
        .iter()
        .map(|point| [point.quantile, point.latency_us])
        .collect();
    Line::of(name, color, points)
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
    use crate::report::samples;

    fn page(title: &str) -> Page {
        Page {
            title: title.into(),
            standing: Standing::Good,
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
        // The test's own command line.
        assert!(!data["command"].as_str().unwrap().is_empty());
        assert_eq!(data["standing"], "good");
    }

    #[test]
    fn a_run_that_loadgen_was_the_limit_of_is_not_green() {
        let page = Page::of_run(&samples::run(0.99));
        assert_eq!(page.standing, Standing::Limited);
        assert!(
            page.verdict
                .contains("more about loadgen than about the server")
        );
        assert_eq!(Page::of_run(&samples::run(0.5)).standing, Standing::Good);
        let mut failed = samples::run(0.99);
        failed.errors = 1;
        assert_eq!(Page::of_run(&failed).standing, Standing::Bad);
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
