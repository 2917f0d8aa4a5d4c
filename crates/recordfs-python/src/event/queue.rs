//! `EventQueue`: where loggers leave their events for the thread that writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use recordfs_core::event as core;
use recordfs_core::event::{Chunk, Pushed};

use super::framer::EventFramer;
use crate::error::{ErrorClass, error};
use crate::process::ProcessMark;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EventQueue>()
}

/// How long a blocked logger goes without looking for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// The kinds of values that a tag can have; the place of each is its number in the queue.
const KINDS: [&str; 10] = [
    "scalar",
    "histogram",
    "image",
    "audio",
    "text",
    "tensor",
    "pr_curve",
    "mesh",
    "hparams",
    "custom_scalars",
];

/// A queue of events, bounded in bytes.
///
/// Adding takes a lock for as long as it takes to copy the event, and never does I/O. In a forked child it must not be
/// used: a thread of the parent may have held the lock.
///
/// Args:
///     limit: Bytes that may wait, those counted that are being written.
///     patience: Seconds that loggers wait in all for room before events are dropped; 0 drops at once.
///     former: A queue of this process, whose tags keep their kinds.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventQueue {
    queue: Arc<core::EventQueue>,
    /// Chunks that were taken and are not done.
    taken: Mutex<Vec<Chunk>>,
    patience: Duration,
    /// Since when there has been no room, as far as loggers waited for it.
    full_since: Mutex<Option<Instant>>,
    made_in: ProcessMark,
}

pub fn invalid(py: Python<'_>, message: &str) -> PyErr {
    error(py, ErrorClass::InvalidArgument, message, None, None)
}

impl EventQueue {
    /// Tries until there is room; the event of which it says `Full` after that was dropped, for patience is over.
    #[inline]
    fn add(&self, py: Python<'_>, push: impl Fn() -> Pushed) -> PyResult<Pushed> {
        match push() {
            Pushed::Full => self.add_when_there_is_room(py, push),
            pushed => Ok(pushed),
        }
    }

    #[cold]
    fn add_when_there_is_room(&self, py: Python<'_>, push: impl Fn() -> Pushed) -> PyResult<Pushed> {
        // What waits may be less than a chunk, for which the writing thread would let some time pass.
        self.queue.urge();
        loop {
            let since = *self.full_since().get_or_insert_with(Instant::now);
            let left = self.patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.queue.drop_one();
                return Ok(Pushed::Full);
            }
            py.detach(|| self.queue.wait_for_room(left.min(SIGNAL_INTERVAL)));
            py.check_signals()?;
            match push() {
                Pushed::Full => {}
                pushed => return Ok(pushed),
            }
        }
    }

    fn full_since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.full_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Vec<Chunk>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue itself.
    pub fn inner(&self) -> &Arc<core::EventQueue> {
        &self.queue
    }

    /// The process that it belongs to.
    pub fn process(&self) -> ProcessMark {
        self.made_in
    }

    /// Adds the event of a scalar, and waits for room as long as the queue's patience lasts.
    #[inline]
    pub fn add_scalar_to(&self, py: Python<'_>, tag: &str, value: f32, step: i64, wall_time: f64) -> PyResult<Pushed> {
        match self.add(py, || self.queue.push_scalar(wall_time, step, tag, value))? {
            Pushed::OtherKind(kind) => Err(other_kind(py, tag, kind, core::SCALAR_KIND)),
            Pushed::NoWallTime => Err(invalid(py, core::NOT_A_WALL_TIME)),
            pushed => Ok(pushed),
        }
    }
}

/// Whether an event was added and not dropped; an error if the queue is closed.
fn is_added(py: Python<'_>, pushed: Pushed) -> PyResult<bool> {
    if pushed == Pushed::Closed {
        return Err(error(py, ErrorClass::ClosedFile, "the writer is closed", None, None));
    }
    Ok(pushed == Pushed::Added)
}

#[cold]
fn other_kind(py: Python<'_>, tag: &str, known: u8, wanted: u8) -> PyErr {
    let name = |kind: u8| KINDS.get(usize::from(kind)).copied().unwrap_or("value");
    let message = format!(
        "the tag {tag:?} holds values of the kind {}, and a tag has one kind: give this {} another tag. TensorBoard \
         cannot show a tag of two kinds",
        name(known),
        name(wanted)
    );
    invalid(py, &message)
}

#[pymethods]
impl EventQueue {
    #[new]
    #[pyo3(signature = (limit, patience, former = None))]
    fn new(limit: usize, patience: f64, former: Option<&Self>) -> Self {
        Self {
            queue: Arc::new(former.map_or_else(
                || core::EventQueue::new(limit),
                |former| core::EventQueue::after(&former.queue, limit),
            )),
            taken: Mutex::default(),
            patience: Duration::try_from_secs_f64(patience.max(0.0)).unwrap_or(Duration::MAX),
            full_since: Mutex::default(),
            made_in: ProcessMark::current(),
        }
    }

    /// Add the event of a scalar; False if it was dropped. Raises ClosedFileError if the queue is closed.
    fn add_scalar(&self, py: Python<'_>, tag: &str, value: f64, step: i64, wall_time: f64) -> PyResult<bool> {
        is_added(py, self.add_scalar_to(py, tag, value as f32, step, wall_time)?)
    }

    /// Add a serialized event; False if it was dropped. If it was not, the tag holds values of the kind from now on.
    /// Raises ValueError if it is not an event, InvalidArgumentError if the tag has another kind, ClosedFileError if the queue
    /// is closed.
    #[pyo3(signature = (payload, repeats_metadata = false, tag = None, kind = ""))]
    fn add_event(
        &self,
        py: Python<'_>,
        payload: &[u8],
        repeats_metadata: bool,
        tag: Option<&str>,
        kind: &str,
    ) -> PyResult<bool> {
        core::decode_writable_event(payload).map_err(|error| invalid(py, &error.to_string()))?;
        let tag = match tag {
            None => None,
            Some(tag) => {
                let place = KINDS.iter().position(|known| *known == kind);
                Some((
                    tag,
                    place.ok_or_else(|| invalid(py, &format!("unknown kind {kind:?}")))? as u8,
                ))
            }
        };
        match (self.add(py, || self.queue.push(payload, repeats_metadata, tag))?, tag) {
            (Pushed::OtherKind(known), Some((name, wanted))) => Err(other_kind(py, name, known, wanted)),
            (pushed, _) => is_added(py, pushed),
        }
    }

    /// Take no more events; ``drain`` still gives those that were added before.
    fn close(&self) {
        self.queue.close();
    }

    /// Take events again, if it has not ended; return whether it does.
    fn reopen(&self) -> bool {
        self.queue.reopen()
    }

    /// Stay closed for ever, if it is closed and everything was drained and done; return whether it has ended.
    fn end(&self) -> bool {
        self.queue.end()
    }

    /// Whether it takes no more events.
    #[getter]
    fn closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Have ``drain`` take what there is at once.
    fn urge(&self) {
        self.queue.urge();
    }

    /// Take events and frame them, the oldest first: at once if there are 256 KiB, or after ``urge``; else whatever
    /// there is after so many seconds. What was taken counts as queued until ``done``. The GIL is released.
    ///
    /// Returns:
    ///     How many events were framed.
    fn drain(&self, py: Python<'_>, framer: &EventFramer, patience: f64) -> PyResult<u64> {
        let patience = Duration::try_from_secs_f64(patience.max(0.0)).unwrap_or(Duration::MAX);
        py.detach(|| {
            let chunks = self.queue.take(patience);
            let mut events = 0;
            for chunk in &chunks {
                framer.add_all(chunk);
                events += chunk.events;
            }
            self.taken().extend(chunks);
            Ok(events)
        })
    }

    /// Say that everything drained so far is written: it makes room.
    fn done(&self, py: Python<'_>) {
        py.detach(|| {
            let chunks = std::mem::take(&mut *self.taken());
            if !chunks.is_empty() {
                *self.full_since() = None;
                self.queue.done(chunks);
            }
        });
    }

    /// Events added so far.
    #[getter]
    fn added(&self) -> u64 {
        self.queue.counts().0
    }

    /// Events dropped so far for lack of room.
    #[getter]
    fn dropped(&self) -> u64 {
        self.queue.counts().1
    }

    /// Bytes that wait or are being written.
    #[getter]
    fn queued(&self) -> usize {
        self.queue.counts().2
    }

    /// False in a forked child.
    #[getter]
    fn belongs_to_this_process(&self) -> bool {
        self.made_in.is_current()
    }
}
