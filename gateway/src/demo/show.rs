//! SHOW: the story for people: one line per event with the time, who acts, and who is responsible now.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::player::{Custody, Played};
use super::report::Report;
use super::scenario::{Does, OrgKey, Scenario, Step};
use super::tamper::Copied;
use super::world::World;

/// Pause between two steps when somebody watches.
const READING: Duration = Duration::from_millis(900);
/// Width of the sentence; longer ones push the last column aside.
const SENTENCE: usize = 88;

/// Writes lines for people. A reader that went away ends nothing.
pub struct Show<'a> {
    out: &'a mut (dyn Write + Send),
    colour: bool,
    /// Width of the column with names.
    names: usize,
    before: Option<Custody>,
}

impl<'a> Show<'a> {
    /// Lines as wide as this story needs.
    pub fn new(out: &'a mut (dyn Write + Send), colour: bool, scenario: &Scenario) -> Self {
        let longest = scenario.organizations.iter().map(|organization| organization.key.as_str().len()).max().unwrap_or_default();
        Self { out, colour, names: longest, before: None }
    }

    fn line(&mut self, text: &str) {
        drop(writeln!(self.out, "{text}").and_then(|()| self.out.flush()));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What this is, before anything happens.
    pub fn banner(&mut self, scenario: &Scenario, folder: &Path, kept: bool) {
        let version = env!("CARGO_PKG_VERSION");
        let title = self.paint("1", &scenario.title);
        self.line(&format!("schakel {version} · DEMO · {title}"));
        if !scenario.notice.is_empty() {
            self.line(&format!("  {}", scenario.notice));
        }
        let kept = if kept { "blijft staan" } else { "wordt weggegooid (bewaren: --keep DIR)" };
        self.line(&format!("  gegevens: {}, {kept}", folder.display()));
    }

    /// The gateways run.
    pub fn started(&mut self, world: &World, took: Duration, processes: bool) {
        let how = if processes { "elk in een eigen proces" } else { "in één proces" };
        self.line(&format!(
            "  √ {} gateways {how}, elk met eigen database, sleutels en certificaat  {:.1} s",
            world.homes.len(),
            took.as_secs_f32()
        ));
        self.line("");
        let head = format!("  {:8}  {:names$}  {:SENTENCE$}  verantwoordelijk", "tijd", "wie", "wat", names = self.names);
        self.line(&self.paint("2", &head));
    }

    /// One step.
    pub fn step(&mut self, step: &Step, played: &Played) {
        let who = step.who.as_ref().map_or_else(|| sign(&step.does).to_owned(), ToString::to_string);
        let now = played.custody.as_ref().map(|custody| list(&custody.responsible)).unwrap_or_default();
        let moved = self.before.is_some() && played.custody != self.before && played.custody.is_some();
        let mark = if moved { "  ◀" } else { "" };
        let sentence = pad(&step.says, SENTENCE);
        let now = self.paint("1", &now);
        self.line(&format!("  {}  {}  {sentence}  {now}{mark}", step.at, pad(&who, self.names)));
        if let Some(detail) = &played.detail {
            let told = self.paint("31", &format!("            × {detail}"));
            self.line(&told);
        }
        if played.custody.is_some() {
            self.before.clone_from(&played.custody);
        }
    }

    /// Time to read.
    pub async fn pause(&self) {
        tokio::time::sleep(READING).await;
    }

    /// What was found.
    pub fn verdict(&mut self, report: &Report, took: Duration) {
        let findings = &report.findings;
        let sign = |ok: bool| if ok { "√" } else { "×" };
        self.line("");
        let custody = findings.violations.is_empty();
        self.line(&format!(
            "  {} op elk moment had elke zaak precies één verantwoordelijke of, tijdens een overdracht, ook de vorige ({} overgangen, {} schendingen)",
            sign(custody),
            findings.transitions,
            findings.violations.len()
        ));
        for violation in findings.violations.iter().take(20) {
            self.line(&format!("      {violation}"));
        }
        let logs = report.organizations;
        self.line(&format!("  {} logboek: {logs} logboeken, {} regels, gecontroleerd", sign(report.verified()), findings.entries));
        for verdict in &report.tampered {
            let found = verdict.found.map_or_else(|| "niet gevonden".to_owned(), |index| format!("gevonden op regel {index}"));
            let changed = verdict.changed;
            let what = if verdict.copied == Copied::Export { "het logboek" } else { "de database" };
            self.line(&format!(
                "  {} geknoei: één teken veranderd in regel {changed} van een kopie van {what}, {found}",
                sign(verdict.as_it_should())
            ));
        }
        let failed = report.steps.iter().filter(|step| !step.ok).count();
        let told =
            if failed == 0 { format!("alle {} stappen klopten", report.steps.len()) } else { format!("{failed} stappen klopten niet") };
        self.line(&format!("  {} {told}  {:.1} s", sign(failed == 0), took.as_secs_f32()));
    }

    /// It goes on until somebody stops it.
    pub fn running(&mut self, world: &World, folder: &Path) {
        self.line("");
        self.line("  De gateways draaien door. Hun deuren voor eigen systemen (care):");
        for home in &world.homes {
            let (key, care) = (pad(home.key.as_str(), self.names), home.ports.care);
            self.line(&format!("    {key}  {care}  {}", home.name));
        }
        self.line(&format!("  Sleutels, tokens en adressen: {}", folder.join("demo.json").display()));
        self.line("  Stoppen: Ctrl-C");
    }
}

fn sign(does: &Does) -> &'static str {
    match does {
        Does::CutLine { .. } => "✂",
        Does::RestoreLine { .. } => "⟲",
        Does::TamperCopy { .. } => "✎",
        _ => "…",
    }
}

fn list(keys: &[OrgKey]) -> String {
    if keys.is_empty() { "niemand: gesloten".to_owned() } else { keys.iter().map(OrgKey::as_str).collect::<Vec<_>>().join(" en ") }
}

/// Fills up by characters, not bytes.
fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}
