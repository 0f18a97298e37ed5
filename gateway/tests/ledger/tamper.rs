//! Whatever somebody does to the stored or exported log behind the gateway's back is found, at the right index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schakel::ledger::export::{Folder, export, nothing};
use schakel::ledger::tile::{CHECKPOINT, tile_id};
use schakel::ledger::verify::verify;
use schakel::store::{Kind, Store};
use schakel_domain::audit::tiles::{WIDTH, bundle_path, push_entry, take_entry, tile_path};
use schakel_domain::audit::tree::leaf_hash;
use schakel_domain::audit::verify::{Check, Finding};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::kit::{Random, Raw, Value, bytes, signer, write};
use super::{ledger, on_postgres, on_sqlite, verify_folder};

/// A full tile and a partial one.
const ENTRIES: u64 = 270;
/// How many alterations of a log of how many entries; a thousand in all, and few on the long log, so that the tests stay short.
const TAMPERINGS: [(u64, usize); 2] = [(30, 800), (ENTRIES, 200)];

/// Opens a SQLite database with bare hands.
pub(crate) async fn sqlite(path: &Path) -> Raw {
    Raw::Sqlite(SqliteConnectOptions::new().filename(path).pragma("synchronous", "OFF").connect().await.unwrap())
}

/// Writes and signs a log.
async fn signed(store: &Arc<dyn Store>, entries: u64) {
    write(&**store, 0..entries).await;
    ledger(store).await.publish().await.unwrap();
}

async fn finding(store: &dyn Store) -> Option<Finding> {
    verify(store, signer().vkey(), None).await.unwrap().finding
}

/// One way to alter the log; gives the first entry that is then wrong.
async fn tamper(raw: &mut Raw, entries: u64, random: &mut Random) -> (u64, &'static str) {
    let (one, two) = (random.below(entries), random.below(entries - 1));
    let two = two + u64::from(two >= one);
    let forged = bytes(10_000 + random.below(10_000));
    let forged_row = |index| [Value::Int(index), Value::Bytes(forged.clone()), Value::Bytes(leaf_hash(&forged).0.to_vec())];
    let mut altered = bytes(one);
    let place = random.place(altered.len());
    let new = altered[place] ^ u8::try_from(1 + random.below(255)).unwrap();
    match random.below(12) {
        0 | 1 => {
            altered[place] = new;
            raw.run("UPDATE entry SET bytes = $2 WHERE idx = $1", &[Value::Int(one), Value::Bytes(altered)]).await;
            (one, "a byte of an entry")
        }
        2 => {
            altered[place] = new;
            let values = [Value::Int(one), Value::Bytes(altered.clone()), Value::Bytes(leaf_hash(&altered).0.to_vec())];
            raw.run("UPDATE entry SET bytes = $2, leaf = $3 WHERE idx = $1", &values).await;
            (one, "a byte of an entry, its hash with it")
        }
        3 => {
            let mut leaf = leaf_hash(&altered).0.to_vec();
            leaf[place % 32] = leaf[place % 32].wrapping_add(1);
            raw.run("UPDATE entry SET leaf = $2 WHERE idx = $1", &[Value::Int(one), Value::Bytes(leaf)]).await;
            (one, "a byte of a hash")
        }
        4 => {
            let leaf = leaf_hash(&altered).0[..place % 32].to_vec();
            raw.run("UPDATE entry SET leaf = $2 WHERE idx = $1", &[Value::Int(one), Value::Bytes(leaf)]).await;
            (one, "a hash cut off")
        }
        5 => {
            raw.run("UPDATE entry SET bytes = $2, leaf = $3 WHERE idx = $1", &forged_row(one)).await;
            (one, "a forged entry in the place of another")
        }
        6 => {
            raw.run("DELETE FROM entry WHERE idx = $1", &[Value::Int(one)]).await;
            (one, "an entry removed")
        }
        7 => {
            raw.run("DELETE FROM entry WHERE idx = $1", &[Value::Int(one)]).await;
            raw.run("UPDATE entry SET idx = -idx WHERE idx > $1", &[Value::Int(one)]).await;
            raw.run("UPDATE entry SET idx = -idx - 1 WHERE idx < 0", &[]).await;
            raw.run("UPDATE head SET log_size = log_size - 1", &[]).await;
            (one, "an entry removed and the gap closed")
        }
        8 => {
            raw.run("UPDATE entry SET idx = -1 WHERE idx = $1", &[Value::Int(one)]).await;
            raw.run("UPDATE entry SET idx = $1 WHERE idx = $2", &[Value::Int(one), Value::Int(two)]).await;
            raw.run("UPDATE entry SET idx = $1 WHERE idx = -1", &[Value::Int(two)]).await;
            (one.min(two), "two entries swapped")
        }
        9 => {
            raw.run("UPDATE entry SET idx = -idx - 2 WHERE idx >= $1", &[Value::Int(one)]).await;
            raw.run("UPDATE entry SET idx = -idx - 1 WHERE idx < 0", &[]).await;
            raw.run("INSERT INTO entry (idx, bytes, leaf) VALUES ($1, $2, $3)", &forged_row(one)).await;
            raw.run("UPDATE head SET log_size = log_size + 1", &[]).await;
            (one, "a forged entry put between")
        }
        10 => {
            raw.run("INSERT INTO entry (idx, bytes, leaf) VALUES ($1, $2, $3)", &forged_row(entries + one)).await;
            (entries, "a forged entry beyond the end")
        }
        _ => {
            raw.run("DELETE FROM entry WHERE idx >= $1", &[Value::Int(one)]).await;
            raw.run("UPDATE head SET log_size = $1", &[Value::Int(one)]).await;
            (one, "the end cut off")
        }
    }
}

/// Alters the stored log so many times, each time from the whole one.
async fn alter(store: &dyn Store, raw: &mut Raw, entries: u64, times: usize) {
    raw.run("CREATE TABLE whole AS SELECT * FROM entry", &[]).await;
    let mut random = Random(entries);
    for round in 0..times {
        let (index, how) = tamper(raw, entries, &mut random).await;

        let found = finding(store).await;

        assert_eq!(found.as_ref().and_then(|found| found.index), Some(index), "{round}: {how}: {found:?}");
        raw.run("DELETE FROM entry", &[]).await;
        raw.run("INSERT INTO entry SELECT * FROM whole", &[]).await;
        raw.run("UPDATE head SET log_size = $1", &[Value::Int(entries)]).await;
    }
    assert_eq!(finding(store).await, None);
}

/// A signed log in a copy of a SQLite file, opened for reading.
async fn sqlite_copy(folder: &Path, entries: u64) -> (Arc<dyn Store>, PathBuf) {
    let (original, copy) = (folder.join(format!("{entries}.db")), folder.join(format!("{entries}-copy.db")));
    let store = on_sqlite(&original).await;
    signed(&store, entries).await;
    store.close().await;
    std::fs::copy(&original, &copy).unwrap();
    (schakel::store::sqlite::open_read_only(&copy).await.unwrap(), copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_alterations_of_a_log_on_sqlite_are_all_found_at_the_right_entry() {
    let folder = tempfile::tempdir().unwrap();
    for (entries, times) in TAMPERINGS {
        let (store, copy) = sqlite_copy(folder.path(), entries).await;

        alter(&*store, &mut sqlite(&copy).await, entries, times).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_alterations_of_a_log_on_postgresql_are_all_found_at_the_right_entry() {
    for (entries, times) in TAMPERINGS {
        let (store, url) = on_postgres(&format!("tamper_{entries}")).await;
        signed(&store, entries).await;
        let mut raw = Raw::Postgres(PgConnection::connect(&url).await.unwrap());

        alter(&*store, &mut raw, entries, times).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_byte_of_the_stored_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, copy) = sqlite_copy(folder.path(), ENTRIES).await;
    let whole = store.record(Kind::Gateway, CHECKPOINT).await.unwrap().unwrap().clear;
    let mut raw = sqlite(&copy).await;

    for place in 0..whole.len() {
        // Characters of more than one byte are replaced whole: the database holds text.
        if !whole.is_char_boundary(place) {
            continue;
        }
        let old = whole[place..].chars().next().unwrap();
        let new = if old == 'x' { 'y' } else { 'x' };
        let altered = format!("{}{new}{}", &whole[..place], &whole[place + old.len_utf8()..]);
        raw.run("UPDATE record SET clear = $1 WHERE kind = 7 AND id = 'checkpoint'", &[Value::Text(altered)]).await;

        let found = finding(&*store).await.unwrap();

        assert_eq!((found.index, found.check), (Some(0), Check::Checkpoint), "{place}");
    }
    raw.run("DELETE FROM record WHERE kind = 7 AND id = 'checkpoint'", &[]).await;
    assert_eq!(finding(&*store).await.unwrap().check, Check::Checkpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_copy_of_the_leaf_hashes_is_told_from_an_altered_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (store, copy) = sqlite_copy(folder.path(), ENTRIES).await;
    let mut raw = sqlite(&copy).await;
    let whole = store.record(Kind::Gateway, &tile_id(0)).await.unwrap().unwrap().clear;
    let set = "UPDATE record SET clear = $1 WHERE kind = 7 AND id = 'log-tile/000000000000'";
    // The eleven characters before the base64 of the first hash: {"leaves":".
    let place = 11 + 100 * 32 * 4 / 3 + 8;
    let altered = format!("{}{}{}", &whole[..place], if &whole[place..=place] == "A" { "B" } else { "A" }, &whole[place + 1..]);

    raw.run(set, &[Value::Text(altered)]).await;
    let found = finding(&*store).await.unwrap();
    assert_eq!((found.index, found.check), (Some(100), Check::Tile), "{}", found.detail);

    // With an entry and its hash altered as well nothing is left to say where: the signed root still says that.
    let forged = bytes(5_000);
    let values = [Value::Bytes(forged.clone()), Value::Bytes(leaf_hash(&forged).0.to_vec())];
    raw.run("UPDATE entry SET bytes = $1, leaf = $2 WHERE idx = 200", &values).await;
    let found = finding(&*store).await.unwrap();
    assert_eq!((found.index, found.check), (Some(0), Check::Root));

    raw.run(set, &[Value::Text(whole)]).await;
    let found = finding(&*store).await.unwrap();
    assert_eq!((found.index, found.check), (Some(200), Check::Leaf));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_younger_than_the_checkpoint_are_compared_with_their_own_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = on_sqlite(&path).await;
    signed(&store, ENTRIES).await;
    write(&*store, ENTRIES..ENTRIES + 5).await;
    assert_eq!(finding(&*store).await, None);
    let mut raw = sqlite(&path).await;

    raw.run("UPDATE entry SET bytes = $1 WHERE idx = $2", &[Value::Bytes(bytes(1)), Value::Int(ENTRIES + 3)]).await;

    assert_eq!(finding(&*store).await.unwrap().index, Some(ENTRIES + 3));
}

/// The entries of a bundle, as far as it can be cut.
fn cut(mut bundle: &[u8]) -> Vec<&[u8]> {
    std::iter::from_fn(|| take_entry(&mut bundle)).collect()
}

/// Alters the bytes of an exported file; `None` removes it. Gives the first entry that is then wrong.
fn tamper_file(path: &str, whole: &[u8], random: &mut Random) -> (Option<Vec<u8>>, u64) {
    let mut bytes = whole.to_vec();
    let place = random.place(bytes.len());
    let first = if path.contains("/001") { 256 } else { 0 };
    let is_bundle = path.starts_with("tile/entries/");
    match random.below(if is_bundle { 8 } else { 2 }) {
        0 => return (None, first),
        1 | 2 => bytes[place] ^= u8::try_from(1 + random.below(255)).unwrap(),
        3 => drop(bytes.remove(place)),
        4 => bytes.insert(place, u8::try_from(random.below(256)).unwrap()),
        way => {
            let mut entries: Vec<_> = cut(whole).into_iter().map(<[u8]>::to_vec).collect();
            let (one, two) = (random.place(entries.len()), random.place(entries.len()));
            match way {
                5 => drop(entries.remove(one)),
                6 => entries.swap(one, two),
                _ => entries.insert(one, super::kit::bytes(20_000)),
            }
            bytes.clear();
            entries.iter().for_each(|entry| assert!(push_entry(&mut bytes, entry)));
        }
    }
    let (old, new) = (cut(whole), cut(&bytes));
    let differs = || (0..old.len()).position(|i| old.get(i) != new.get(i)).unwrap_or(old.len() - 1) as u64;
    let index = match path {
        _ if is_bundle => first + differs(),
        _ if path.starts_with("tile/0/") => first + place as u64 / 32,
        _ if path.starts_with("tile/1/") => 256 * (place as u64 / 32),
        _ => 0,
    };
    (Some(bytes), index)
}

/// Alters the files of an exported folder so many times, each time from the whole one.
async fn alter_export(entries: u64, times: usize) {
    let store: Arc<dyn Store> = schakel::store::memory::new();
    signed(&store, entries).await;
    let folder = tempfile::tempdir().unwrap();
    export(&*store, signer().vkey(), &mut Folder::new(folder.path()).unwrap(), &nothing, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    let (full, last) = (entries / WIDTH, entries % WIDTH);
    let rows = (0..=full).map(|tile| (tile, if tile < full { WIDTH } else { last }));
    let mut files: Vec<_> = rows.flat_map(|(tile, width)| [bundle_path(tile, width), tile_path(0, tile, width)]).collect();
    files.extend((full > 0).then(|| tile_path(1, 0, full)));
    files.push("checkpoint".to_owned());
    let whole: BTreeMap<_, _> = files.iter().map(|path| (path, std::fs::read(folder.path().join(path)).unwrap())).collect();
    let mut random = Random(entries);

    let mut rounds = 0;
    while rounds < times {
        // Half of them in the first bundle.
        let path = files.get(random.place(2 * files.len())).unwrap_or(&files[0]);
        let (altered, index) = tamper_file(path, &whole[path], &mut random);
        if altered.as_ref() == Some(&whole[path]) {
            continue;
        }
        match &altered {
            Some(bytes) => std::fs::write(folder.path().join(path), bytes).unwrap(),
            None => std::fs::remove_file(folder.path().join(path)).unwrap(),
        }

        let found = verify_folder(folder.path()).finding;

        assert_eq!(found.as_ref().and_then(|found| found.index), Some(index), "{rounds}: {path}: {found:?}");
        std::fs::write(folder.path().join(path), &whole[path]).unwrap();
        rounds += 1;
    }
    assert_eq!(verify_folder(folder.path()).finding, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_alterations_of_an_exported_folder_are_all_found_at_the_right_entry() {
    for (entries, times) in TAMPERINGS {
        alter_export(entries, times).await;
    }
}
