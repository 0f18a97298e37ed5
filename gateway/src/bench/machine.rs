//! What the system says: CPU time of processes and of everybody else, memory, and how long an fdatasync takes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bounded;

/// Linux counts CPU time for programs in these, whatever its own tick is (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: u64 = 100;
/// Most that the system says in one file; on a machine of many processors `/proc/stat` is the longest.
const MAX_SAID_BYTES: usize = 1 << 20;
/// How often fdatasync is tried.
const SYNCS: usize = 50;
/// Bytes written before each.
const SYNC_BYTES: usize = 4_096;

/// What the system says in one of its files, which have no length of their own.
fn said(file: &str) -> io::Result<String> {
    bounded::read_text(Path::new(file), MAX_SAID_BYTES)
}

/// CPU time these processes have used, children they waited for excepted.
pub(super) fn cpu_of(pids: &[u32]) -> Duration {
    ticks(pids.iter().filter_map(|pid| process_ticks(*pid)).sum())
}

/// User and system time of one process; none when it is gone.
fn process_ticks(pid: u32) -> Option<u64> {
    let stat = said(&format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; what follows is numbers. utime and stime are fields 14 and 15, state is 3.
    let mut fields = stat.rsplit_once(") ")?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// CPU time that anybody used: user, nice, system, and stolen by the host. Interrupts are not counted, as nobody can be blamed.
fn everybody() -> Duration {
    let stat = said("/proc/stat").unwrap_or_default();
    let numbers = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
    let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    ticks([0, 1, 2, 7].iter().filter_map(|at| numbers.get(*at)).sum())
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Children of a process, as nginx has workers.
pub(super) fn children_of(pid: u32) -> Vec<u32> {
    let children = said(&format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Memory that a process holds now, in bytes (`VmRSS`).
pub(super) fn memory_of(pid: u32) -> Option<u64> {
    let status = said(&format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

/// Watches how much of the processor others take.
#[derive(Debug, Default)]
pub(super) struct Others {
    taken: Duration,
    wall: Duration,
}

impl Others {
    /// Runs something, and adds what everybody but `ours` used meanwhile.
    pub(super) async fn watch<T>(&mut self, ours: &[u32], work: impl Future<Output = T>) -> T {
        let (start, all, own) = (Instant::now(), everybody(), cpu_of(ours));
        let done = work.await;
        let (all, own) = (everybody().saturating_sub(all), cpu_of(ours).saturating_sub(own));
        self.taken += all.saturating_sub(own);
        self.wall += start.elapsed();
        done
    }

    /// Cores taken by others, on average.
    pub(super) fn cores(&self) -> f64 {
        if self.wall.is_zero() { 0.0 } else { self.taken.as_secs_f64() / self.wall.as_secs_f64() }
    }
}

/// How long fdatasync takes after overwriting 4 kB of a file in this folder: median and 99 of 100, in milliseconds.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn fdatasync(folder: &Path) -> io::Result<(f64, f64)> {
    let path = folder.join("fdatasync");
    let file = File::create(&path)?;
    file.write_all_at(&[0; SYNC_BYTES], 0)?;
    file.sync_all()?;
    let mut took = Vec::with_capacity(SYNCS);
    for round in 0..SYNCS {
        file.write_all_at(&[round as u8; SYNC_BYTES], 0)?;
        let start = Instant::now();
        file.sync_data()?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(&path)?;
    took.sort_by(f64::total_cmp);
    Ok((took[SYNCS / 2], took[SYNCS - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_cpu_time_and_memory_are_seen_and_are_part_of_everybodys() {
        let me = std::process::id();
        let before = cpu_of(&[me]);
        let start = Instant::now();

        while cpu_of(&[me]) < before + Duration::from_millis(30) {
            assert!(start.elapsed() < Duration::from_secs(60), "a busy loop uses CPU time");
        }

        assert!(everybody() > Duration::ZERO);
        assert!(memory_of(me).unwrap() > 1 << 20);
    }

    #[test]
    fn an_fdatasync_takes_time() {
        let folder = tempfile::tempdir().unwrap();

        let (median, worst) = fdatasync(folder.path()).unwrap();

        assert!(median >= 0.0 && worst >= median);
    }
}
