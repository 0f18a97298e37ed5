//! RUN: makes the world, starts the gateways, plays the story, waits until all is quiet, has the stores judged.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schakel_domain::audit::note::MAX_NOTE;

use super::checker::{self, Findings, History, Subject};
use super::gateways::{Gateways, Place};
use super::line::Line;
use super::player::{Played, Player};
use super::report::{Report, StepReport, demo_json};
use super::scenario::{Does, Scenario};
use super::show::Show;
use super::tamper::{self, Copied, Verdict};
use super::world::{Home, World};
use crate::bounded;
use crate::config::keys;
use crate::store::sqlite;

/// Longest wait until every message is delivered and every log signed.
const QUIET: Duration = Duration::from_secs(30);
/// Pause between two looks at the stores.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a demo is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The story; without it, the Gelderland night.
    pub scenario: Option<PathBuf>,
    /// Where the data is kept; without it, a folder that is removed.
    pub keep: Option<PathBuf>,
    /// Play at full speed, judge, stop.
    pub check: bool,
    /// One process per organisation.
    pub processes: bool,
}

/// Folder of one run; removed at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn make(keep: Option<&Path>) -> Result<Self, anyhow::Error> {
        let path = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("schakel-demo-{}", uuid::Uuid::now_v7())),
        };
        if keep.is_none() || !is_empty_folder(&path) {
            let make = || {
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                DirBuilder::new().mode(0o700).create(&path)
            };
            make().map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => anyhow::anyhow!("{}: exists and is not an empty folder; name a new one", path.display()),
                _ => anyhow::anyhow!("{}: {error}", path.display()),
            })?;
        }
        Ok(Self { path: path.canonicalize()?, kept: keep.is_some() })
    }
}

/// Somebody's own folder is used when there is nothing in it, and stays as open or closed as they made it: keys in it are of mode 0600.
fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What stays behind is in the system's folder for temporary files.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// Runs it. Without `check` it goes on until `stop`; with it, `stop` is an interruption.
///
/// # Errors
/// Why it could not run; that the rules did not hold is no error but in the report.
pub async fn run(
    options: &Options,
    out: &mut (dyn Write + Send),
    colour: bool,
    stop: impl Future<Output = ()>,
) -> Result<Report, anyhow::Error> {
    let scenario = story(options)?;
    let mut show = Show::new(out, colour, &scenario);
    let began = Instant::now();
    let folder = Folder::make(options.keep.as_deref())?;
    show.banner(&scenario, &folder.path, folder.kept);
    let mut stop = pin!(stop);
    // An interruption drops what runs: processes are ended, a throw-away folder is removed.
    let interrupted = || anyhow::anyhow!("interrupted");
    let set = build(options, &scenario, &folder.path);
    let (world, gateways, lines) = tokio::select! { set = set => set?, () = &mut stop => return Err(interrupted()) };
    show.started(&world, began.elapsed(), options.processes);
    let mut player = Player::new(&scenario, &world, lines)?;
    let playing = async {
        let steps = play(&scenario, &mut player, &mut show, options.check).await;
        player.restore_lines();
        anyhow::Ok((steps, quiet(&world).await?))
    };
    let (steps, quiet) = tokio::select! { played = playing => played?, () = &mut stop => return Err(interrupted()) };
    if options.check {
        // The stores are judged as they are on disk, when nobody has them open any more. Doors wait for their clients to go.
        drop(player);
        gateways.stop().await;
        let stores = tamper_stores(&scenario, &world, &folder.path).await?;
        let report = Report::new(&scenario, steps, stores, judge(&world).await?, quiet);
        show.verdict(&report, began.elapsed());
        return Ok(report);
    }
    let report = Report::new(&scenario, steps, Vec::new(), judge(&world).await?, quiet);
    show.verdict(&report, began.elapsed());
    show.running(&world, &folder.path);
    stop.await;
    drop(player);
    gateways.stop().await;
    Ok(report)
}

fn story(options: &Options) -> Result<Scenario, anyhow::Error> {
    let scenario = match &options.scenario {
        Some(path) => Scenario::read(path),
        None => Scenario::gelderland(),
    };
    scenario.map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the scenario has {} mistake(s):\n  {}", lines.len(), lines.join("\n  "))
    })
}

/// What a story is played in.
type Set = (World, Gateways, Vec<Line>);

/// Makes the world and starts its gateways; `demo.json` is there when their doors are open.
async fn build(options: &Options, scenario: &Scenario, folder: &Path) -> Result<Set, anyhow::Error> {
    let mut places = Vec::new();
    for _ in &scenario.organizations {
        places.push(Place::find().await?);
    }
    let ports: Vec<_> = places.iter().map(|place| place.ports).collect();
    let world = World::make(folder, scenario, &ports, jiff::Timestamp::now())?;
    let (gateways, lines) = Gateways::start(&world, places, options.processes).await?;
    std::fs::write(folder.join("demo.json"), format!("{:#}\n", demo_json(&world, options.processes)))?;
    Ok((world, gateways, lines))
}

/// Every step in turn. After one that failed the rest makes no sense and is not played.
async fn play(scenario: &Scenario, player: &mut Player<'_>, show: &mut Show<'_>, check: bool) -> Vec<Played> {
    let mut played: Vec<Played> = Vec::new();
    for step in &scenario.steps {
        if played.last().is_some_and(|last| !last.ok) {
            let detail = Some("not played: the step before it failed".to_owned());
            let name = format!("{} {}", step.at, step.does.name());
            played.push(Played { name, ok: false, detail, tampered: None, custody: None });
            continue;
        }
        let step_played = player.play(step).await;
        show.step(step, &step_played);
        if step_played.ok && !check {
            show.pause().await;
        }
        played.push(step_played);
    }
    played
}

/// Waits until every message is delivered and every log's newest entry is signed; false when that takes too long.
async fn quiet(world: &World) -> Result<bool, anyhow::Error> {
    let since = Instant::now();
    while since.elapsed() < QUIET {
        let mut all = true;
        for home in &world.homes {
            all &= is_quiet(home).await?;
        }
        if all {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(false)
}

async fn is_quiet(home: &Home) -> Result<bool, anyhow::Error> {
    let store = sqlite::open_read_only(&home.store()).await?;
    let waiting = store.outbox_peers().await?.iter().any(|queue| queue.waiting > 0);
    let size = store.log_size().await?;
    store.close().await;
    let signed = match checkpoint(home)? {
        Some((signed, log)) => schakel_domain::audit::checkpoint::Checkpoint::open(&signed, &log).is_ok_and(|head| head.size == size),
        None => size == 0,
    };
    Ok(!waiting && signed)
}

/// The newest signed checkpoint of a gateway, and its log's public key.
fn checkpoint(home: &Home) -> Result<Option<(Vec<u8>, schakel_domain::audit::note::Vkey)>, anyhow::Error> {
    let Ok(signed) = bounded::read(&home.data.join("checkpoint"), MAX_NOTE) else { return Ok(None) };
    let vkey = keys::read_log_vkey(&home.dir.join("keys/log.key"), &home.id.parse()?)?;
    Ok(Some((signed, vkey)))
}

/// Has the stores judged by somebody who took no part.
async fn judge(world: &World) -> Result<Findings, anyhow::Error> {
    let mut subjects = Vec::new();
    for home in &world.homes {
        let store = sqlite::open_read_only(&home.store()).await?;
        subjects.push(Subject { org: home.id.parse()?, store: Arc::clone(&store), checkpoint: checkpoint(home)? });
    }
    Ok(checker::check(&History::read(subjects).await?))
}

/// Where the story had a log tampered with, the database is next: a copy of it, now that its gateway has stopped.
async fn tamper_stores(scenario: &Scenario, world: &World, folder: &Path) -> Result<Vec<Verdict>, anyhow::Error> {
    let mut verdicts = Vec::new();
    for step in &scenario.steps {
        let Does::TamperCopy { of } = &step.does else { continue };
        let Some(home) = world.home(of) else { continue };
        let copy = folder.join(format!("tampered-{}-{of}", step.number));
        std::fs::create_dir_all(&copy)?;
        verdicts.push(tamper::try_store(&home.store(), &home.id.parse()?, &copy).await?);
    }
    Ok(verdicts)
}

impl Report {
    fn new(scenario: &Scenario, played: Vec<Played>, stores: Vec<Verdict>, findings: Findings, quiet: bool) -> Self {
        let tampered: Vec<_> = played.iter().filter_map(|step| step.tampered.clone()).chain(stores).collect();
        let mut steps: Vec<StepReport> =
            played.into_iter().map(|step| StepReport { name: step.name, ok: step.ok, detail: step.detail }).collect();
        let detail = (!quiet).then(|| format!("messages or checkpoints still under way after {} s", QUIET.as_secs()));
        steps.push(StepReport { name: "all messages delivered, all logs signed".to_owned(), ok: quiet, detail });
        for verdict in tampered.iter().filter(|verdict| verdict.copied == Copied::Store) {
            let ok = verdict.as_it_should();
            let detail = (!ok).then(|| format!("changed entry {}, found {:?}", verdict.changed, verdict.found));
            steps.push(StepReport { name: "one byte changed in a copy of a database".to_owned(), ok, detail });
        }
        let first = findings.violations.first().map(ToString::to_string);
        steps.push(StepReport { name: "history of all stores".to_owned(), ok: first.is_none(), detail: first });
        Report { organizations: scenario.organizations.len(), steps, findings, tampered }
    }
}
