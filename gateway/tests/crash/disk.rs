//! DISK: what a disk may hold after the power failed, by what was written to it and flushed, and when.
//!
//! The bargain is POSIX's, and no kinder: a file's bytes are safe once an fsync of that file has returned, a name once an fsync of its folder
//! has. Whatever came later is there or not, in any combination; of one write, any of its sectors. Names change in their order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::strace::{Line, bytes, text};

/// Part of a write that is written whole or not at all, in bytes.
const SECTOR: usize = 512;

/// One thing that happened to a file of the folder, and when: a write from this moment on, the end of a flush at this moment.
#[derive(Debug)]
pub(crate) struct Step {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    what: What,
}

impl Step {
    /// Whether it makes a file's bytes safe: the moment before is the one at which most can be lost.
    pub(crate) fn saves(&self) -> bool {
        matches!(self.what, What::Flushed(Some(_)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// Opened so that it is there, and empty when `true`.
    Made(String, bool),
    /// Bytes at an offset; without one at the end.
    Wrote(String, Option<u64>, Vec<u8>),
    Cut(String, u64),
    /// Its fsync began; without a name that of the folder.
    Flushing(Option<String>),
    Flushed(Option<String>),
    /// It failed. The kernel goes on showing what it was to write, and never writes it: so Linux does.
    Spoiled(Option<String>),
    Renamed(String, String),
    Removed(String),
}

/// What strace recorded about the files of a folder that count.
pub(crate) fn steps(log: &str, folder: &Path) -> Vec<Step> {
    let name = |path: &str| inside(folder, path);
    let (mut begun, mut steps): (BTreeMap<&str, Option<String>>, Vec<Step>) = Default::default();
    for line in log.lines().filter_map(Line::parse) {
        let mut add = |what| {
            let at = if matches!(what, What::Flushed(_)) { line.until } else { line.at };
            steps.push(Step { at, what });
        };
        let fd = || line.file().and_then(|path| name(&path));
        let path = |nth: usize| line.quoted().get(nth).and_then(|path| name(&text(path)));
        match line.call {
            "fsync" | "fdatasync" => {
                let file = line.file();
                let flushed = match &file {
                    Some(path) if Path::new(path) == folder => Some(None),
                    _ => fd().map(Some),
                };
                if let Some(file) = flushed {
                    add(What::Flushing(file.clone()));
                    begun.insert(line.thread, file);
                }
                if let (Some(returned), Some(file)) = (line.returned, begun.get(line.thread)) {
                    add(if returned == "0" { What::Flushed(file.clone()) } else { What::Spoiled(file.clone()) });
                    begun.remove(line.thread);
                }
            }
            "openat" => {
                let flag = |flag| line.arguments.is_some_and(|arguments| arguments.contains(flag));
                path(0).filter(|_| flag("O_CREAT")).map(|file| add(What::Made(file, flag("O_TRUNC")))).unwrap_or_default();
            }
            "pwrite64" | "write" if line.arguments.is_some() => {
                let offset = (line.call == "pwrite64").then(|| line.last_number().unwrap());
                fd().map(|file| add(What::Wrote(file, offset, bytes(line.quoted()[0])))).unwrap_or_default();
            }
            "ftruncate" if line.arguments.is_some() => {
                fd().map(|file| add(What::Cut(file, line.last_number().unwrap()))).unwrap_or_default();
            }
            "rename" => {
                path(0).zip(path(1)).map(|(from, to)| add(What::Renamed(from, to))).unwrap_or_default();
            }
            "unlink" => path(0).map(|file| add(What::Removed(file))).unwrap_or_default(),
            other => {
                let known = line.arguments.is_none() || (fd().is_none() && path(0).is_none());
                assert!(known, "{other} changes a file, and this test does not know how");
            }
        }
    }
    steps
}

/// Name of a file that lies in the folder itself and holds something that counts: not what SQLite or we make anew.
fn inside(folder: &Path, path: &str) -> Option<String> {
    let name = Path::new(path).strip_prefix(folder).ok()?.to_str()?;
    let made_anew = ["-shm", ".lock", ".reserve", ".probe"].iter().any(|end| name.ends_with(end));
    (!name.is_empty() && !name.contains('/') && !made_anew).then(|| name.to_owned())
}

/// Chance that is the same again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * seed + 1))
    }

    /// From 0 up to, not including, `below`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// The files that survive, by name.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// A file, whatever its name.
#[derive(Debug, Default)]
struct File {
    safe: Vec<u8>,
    /// What came after the last flush, in order.
    later: Vec<Change>,
    length: u64,
    /// How many of `later` the flush under way covers.
    covered: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Wrote(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Debug, Clone)]
enum Naming {
    Named(String, usize),
    Renamed(String, String),
    Removed(String),
}

/// A folder on a disk that may lose its power now.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    now: BTreeMap<String, usize>,
    safe: BTreeMap<String, usize>,
    later: Vec<Naming>,
    covered: usize,
}

impl Disk {
    /// A folder as it is, all of it safe.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut disk = Self::default();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let Some(name) = entry.to_str().and_then(|path| inside(folder, path)) else { continue };
            let safe = fs::read(&entry).unwrap();
            disk.now.insert(name.clone(), disk.files.len());
            disk.files.push(File { length: safe.len() as u64, safe, ..File::default() });
        }
        disk.safe = disk.now.clone();
        disk
    }

    /// One step further.
    pub(crate) fn take(&mut self, step: &Step) {
        match &step.what {
            What::Made(name, emptied) => {
                if !self.now.contains_key(name) {
                    self.name(Naming::Named(name.clone(), self.files.len()));
                    self.files.push(File::default());
                }
                if *emptied {
                    self.change(name, Change::Cut(0));
                }
            }
            What::Wrote(name, offset, bytes) => {
                let offset = offset.unwrap_or_else(|| self.files[self.now[name]].length);
                self.change(name, Change::Wrote(offset, bytes.clone()));
            }
            What::Cut(name, length) => self.change(name, Change::Cut(*length)),
            What::Flushing(None) => self.covered = self.later.len(),
            What::Flushed(None) => {
                let covered = std::mem::take(&mut self.covered);
                self.later.drain(..covered).for_each(|naming| apply(&mut self.safe, naming));
            }
            What::Spoiled(None) => drop(self.later.drain(..std::mem::take(&mut self.covered))),
            What::Spoiled(Some(name)) => {
                let file = &mut self.files[self.now[name]];
                file.later.drain(..std::mem::take(&mut file.covered));
            }
            What::Flushing(Some(name)) => {
                let file = &mut self.files[self.now[name]];
                file.covered = file.later.len();
            }
            What::Flushed(Some(name)) => {
                let file = &mut self.files[self.now[name]];
                let covered = std::mem::take(&mut file.covered);
                file.later.drain(..covered).for_each(|change| change.whole(&mut file.safe));
            }
            What::Renamed(from, to) => self.name(Naming::Renamed(from.clone(), to.clone())),
            What::Removed(name) => self.name(Naming::Removed(name.clone())),
        }
    }

    fn name(&mut self, naming: Naming) {
        apply(&mut self.now, naming.clone());
        self.later.push(naming);
    }

    fn change(&mut self, name: &str, change: Change) {
        let file = &mut self.files[self.now[name]];
        file.length = match &change {
            Change::Wrote(offset, bytes) => file.length.max(offset + bytes.len() as u64),
            Change::Cut(length) => *length,
        };
        file.later.push(change);
    }

    /// The power fails: one of the many things the disk may hold now.
    pub(crate) fn fail(&self, dice: &mut Dice) -> Image {
        let mut names = self.safe.clone();
        let kept = dice.below(self.later.len() + 1);
        self.later[..kept].iter().for_each(|naming| apply(&mut names, naming.clone()));
        let mood = dice.below(8);
        let mut image = Image::new();
        for (name, file) in names {
            let file = &self.files[file];
            let mut bytes = file.safe.clone();
            for change in &file.later {
                match mood {
                    // Nothing of what came later; all of it; some.
                    0 | 1 => {}
                    2 => change.whole(&mut bytes),
                    _ if dice.below(8) == 0 => change.torn(&mut bytes, dice),
                    _ if dice.coin() => change.whole(&mut bytes),
                    _ => {}
                }
            }
            image.insert(name, bytes);
        }
        image
    }
}

fn apply(names: &mut BTreeMap<String, usize>, naming: Naming) {
    match naming {
        Naming::Named(name, file) => drop(names.insert(name, file)),
        Naming::Renamed(from, to) => {
            // An image in which the old name never came to be has nothing to rename.
            if let Some(file) = names.remove(&from) {
                names.insert(to, file);
            }
        }
        Naming::Removed(name) => drop(names.remove(&name)),
    }
}

impl Change {
    fn whole(&self, file: &mut Vec<u8>) {
        match self {
            Change::Wrote(offset, bytes) => put(file, usize::try_from(*offset).unwrap(), bytes),
            Change::Cut(length) => file.resize(usize::try_from(*length).unwrap(), 0),
        }
    }

    /// Some of its sectors.
    fn torn(&self, file: &mut Vec<u8>, dice: &mut Dice) {
        let Change::Wrote(offset, bytes) = self else { return };
        let (mut from, end) = (usize::try_from(*offset).unwrap(), usize::try_from(*offset).unwrap() + bytes.len());
        let first = from;
        while from < end {
            let to = ((from / SECTOR + 1) * SECTOR).min(end);
            if dice.coin() {
                put(file, from, &bytes[from - first..to - first]);
            }
            from = to;
        }
    }
}

/// Writes into a file that grows as far as needed; what was never written is zero.
fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

#[test]
fn what_was_flushed_is_in_every_image_and_what_was_not_is_in_some() {
    let folder = Path::new("/f");
    let log = r#"1 1.000001 openat(AT_FDCWD</>, "/f/new", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600) = 3</f/new>
1 1.000002 write(3</f/new>, "abc", 3) = 3
1 1.000003 fsync(3</f/new> <unfinished ...>
2 1.000004 pwrite64(4</f/x.lock>, "zz", 2, 0) = 2
1 1.000005 <... fsync resumed>) = 0
1 1.000006 rename("/f/new", "/f/head") = 0
1 1.000007 fsync(5</f>) = 0
1 1.000008 pwrite64(3</f/head>, "d", 1, 3) = 1
1 1.000009 fsync(3</f/head>) = -1 EIO (Input/output error)"#;
    let steps = steps(log, folder);
    let images = |taken: usize| {
        let mut disk = Disk::default();
        steps[..taken].iter().for_each(|step| disk.take(step));
        let mut found: Vec<Image> = (0..200).map(|seed| disk.fail(&mut Dice::new(seed))).collect();
        found.sort();
        found.dedup();
        found
    };
    let one = |name: &str, bytes: &str| Image::from([(name.to_owned(), bytes.as_bytes().to_vec())]);

    // made, written, flushing: the file or not, the bytes or not
    assert_eq!(images(3), [Image::new(), one("new", ""), one("new", "abc")]);
    // flushed and renamed: the name is still anybody's guess, the bytes are not
    assert_eq!(images(5), [Image::new(), one("head", "abc"), one("new", "abc")]);
    // the folder too
    assert_eq!(images(7), [one("head", "abc")]);
    assert_eq!(images(8), [one("head", "abc"), one("head", "abcd")]);
    // a failed fsync: what it was to write is never written
    assert_eq!(images(steps.len()), [one("head", "abc")]);
}
