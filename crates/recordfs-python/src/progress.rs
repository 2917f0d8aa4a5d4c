//! What a reader's owner may ask or tell it while another thread reads: counts, losses, and to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Losses beyond this many are counted and not listed, so that a file of nothing but losses costs no memory.
pub const LISTED_LOSSES: usize = 1000;

/// Bytes that were passed over because they hold no sound record.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Which of the sources, counted from 0.
    pub source: u64,
    /// Where the broken record begins.
    pub offset: u64,
    /// How many bytes were passed over; None if reading ended there.
    pub length: Option<u64>,
    /// What was wrong.
    pub reason: String,
}

/// All losses so far.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// The first `LISTED_LOSSES`.
    pub listed: Vec<Loss>,
    /// How many there are in all.
    pub count: u64,
    /// The sum of the lengths that are known.
    pub bytes: u64,
    /// Where the last loss is, if reading ended there.
    pub last_ending: Option<(u64, u64)>,
    /// Whether the last source ends inside a record.
    pub truncated_tail: bool,
    /// Whether a compressed source ended at a record's end and without its trailer.
    pub unfinished_stream: bool,
    /// How often a followed file was replaced and begun again.
    pub restarts: u64,
}

/// Shared between a reader and whoever watches it. Numbers are written by the thread that reads, one at a time.
#[derive(Debug, Default)]
pub struct Progress {
    source: AtomicU64,
    offset: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    stopped: AtomicBool,
    losses: Mutex<Losses>,
    /// Held while the position moves to another source, and while somebody begins to wait.
    gate: Mutex<()>,
    wake: Condvar,
}

impl Progress {
    /// Says where the next record begins, perhaps in another source.
    pub fn set_position(&self, source: u64, offset: u64) {
        let _gate = self.lock_gate();
        self.source.store(source, Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// Counts one record and says where the next begins, in the same source.
    #[inline]
    pub fn count(&self, payload: u64, next_offset: u64) {
        // Only the reading thread writes, so a load and a store do what an addition would, for less.
        self.records
            .store(self.records.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.bytes
            .store(self.bytes.load(Ordering::Relaxed) + payload, Ordering::Relaxed);
        self.offset.store(next_offset, Ordering::Relaxed);
    }

    /// Counts records that were handed out together, and says where the next one begins.
    pub fn count_many(&self, records: u64, bytes: u64, source: u64, offset: u64) {
        let _gate = self.lock_gate();
        self.records
            .store(self.records.load(Ordering::Relaxed) + records, Ordering::Relaxed);
        self.bytes
            .store(self.bytes.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        self.source.store(source, Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// Which source the next record is in, and where it begins.
    pub fn position(&self) -> (u64, u64) {
        let _gate = self.lock_gate();
        (self.source.load(Ordering::Relaxed), self.offset.load(Ordering::Relaxed))
    }

    /// How many records and payload bytes were read.
    pub fn counts(&self) -> (u64, u64) {
        (self.records.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// The losses, to look at or to change. Never held while Python runs.
    pub fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a loss.
    pub fn lose(&self, loss: Loss) {
        let mut losses = self.losses();
        // Who asks again at the end of a file meets the same trouble again.
        if loss.length.is_none() && losses.last_ending == Some((loss.source, loss.offset)) {
            return;
        }
        losses.last_ending = loss.length.is_none().then_some((loss.source, loss.offset));
        losses.count += 1;
        losses.bytes += loss.length.unwrap_or(0);
        if losses.listed.len() < LISTED_LOSSES {
            losses.listed.push(loss);
        }
    }

    /// Asks the reading thread to end instead of waiting for more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let _gate = self.lock_gate();
        self.wake.notify_all();
    }

    fn lock_gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `stop` was called.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits, at most so long, for `stop`. To be called without the GIL.
    pub fn pause(&self, time: Duration) {
        let gate = self.lock_gate();
        if !self.is_stopped() {
            let _gate = self.wake.wait_timeout(gate, time);
        }
    }
}
