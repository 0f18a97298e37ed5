//! Writes an invented audit log as an export whose head three witnesses cosigned, its policy, and proofs from it, for trying the tools of
//! others: `cosigned_log DIR [ENTRIES]`. Beside `DIR` it writes `DIR.policy` (two of the three) and `DIR.proofs`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use schakel_domain::audit::note::{KeyType, Note, Signer, Vkey};
use schakel_domain::audit::policy::Policy;
use schakel_domain::audit::tree::{Frontier, consistency_proof, inclusion_proof, leaf_hash};
use schakel_domain::id::Hash;

#[path = "../tests/kit.rs"]
mod kit;

/// Proofs of each kind.
const PROOFS: u64 = 200;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.next() else {
        eprintln!("usage: cosigned_log DIR [ENTRIES]");
        return ExitCode::from(2);
    };
    let count = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(600);
    match write(&directory, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cosigned_log: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &str, count: u64) -> std::io::Result<()> {
    let mut files = kit::export(count);
    let witnesses = [1_u8, 2, 3].map(|seed| {
        let name = format!("schakel/ura:9000000{seed}");
        Signer::from_seed(&name, KeyType::Cosignature, &[seed; 32]).expect("a good name and seed")
    });
    let (_, checkpoint) = files.last_mut().expect("an export ends in its checkpoint");
    let mut note = Note::parse(checkpoint).expect("our own checkpoint");
    let lines: Vec<_> = witnesses.iter().map(|witness| witness.cosign(&note, 1_795_400_000).expect("a cosigning key")).collect();
    note.signatures.extend(lines);
    *checkpoint = note.to_string().into_bytes();
    kit::write(Path::new(directory), &files)?;
    let keys: Vec<Vkey> = witnesses.iter().map(|witness| witness.vkey().clone()).collect();
    std::fs::write(format!("{directory}.policy"), Policy::text(kit::signer().vkey(), &keys, 2))?;
    std::fs::write(format!("{directory}.proofs"), proofs(count))
}

/// Lines `inclusion INDEX SIZE LEAF ROOT HASH…` and `consistency OLD NEW ROOT ROOT HASH…`, hashes in hexadecimal.
fn proofs(count: u64) -> String {
    let mut nodes: Vec<Vec<Hash>> = Vec::new();
    let (mut tree, mut roots) = (Frontier::new(), vec![Frontier::new().root()]);
    for index in 0..count {
        let leaf = leaf_hash(&kit::entry(index).bytes().expect("a good entry"));
        tree.push(leaf, |level, _, hash| {
            let level = level as usize;
            nodes.resize(nodes.len().max(level + 1), Vec::new());
            nodes[level].push(hash);
        });
        roots.push(tree.root());
    }
    let place = |index: u64| usize::try_from(index).expect("in memory");
    let node = |level: u32, index: u64| Ok::<_, ()>(nodes[level as usize][place(index)]);
    let mut text = String::new();
    let mut line = |head: String, hashes: &[Hash]| {
        let hashes: Vec<String> = hashes.iter().map(ToString::to_string).collect();
        writeln!(text, "{head} {}", hashes.join(" ")).expect("a text takes everything");
    };
    for number in 0..PROOFS.min(count) {
        let (index, size) = (number * 7919 % count, count - number % (count / 2).max(1));
        if index < size {
            let proof = inclusion_proof(index, size, node).expect("nodes in memory").expect("inside");
            line(format!("inclusion {index} {size}"), &[&[nodes[0][place(index)], roots[place(size)]][..], &proof].concat());
        }
        let old = 1 + number * 6151 % count;
        let proof = consistency_proof(old, count, node).expect("nodes in memory").expect("inside");
        line(format!("consistency {old} {count}"), &[&[roots[place(old)], roots[place(count)]][..], &proof].concat());
    }
    text
}
