//! The native half of `RecordReader`: iterators over a `Stream`, and the questions that may be asked meanwhile.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyIndexError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;
use recordfs_core::record::DecodeOptions;

use crate::error::{ErrorClass, error, is_data_loss, raised_by_next};
use crate::lock::{Guard, Guarded};
use crate::progress::{Losses, Progress};
use crate::short_way::{self, WithNext};
use crate::stream::{Form, Next, OnError, ReadOptions, Stream};

/// Iterates over the records of one source after the other, as bytes. `RecordReader.__iter__` returns it.
// Python sees this class only as the base of the one that `register` makes.
#[pyclass(
    frozen,
    subclass,
    weakref,
    module = "recordfs._core",
    name = "NativeRecordReaderBase"
)]
pub struct NativeRecordReader {
    stream: Guarded<Stream>,
    progress: Arc<Progress>,
}

impl NativeRecordReader {
    #[inline]
    fn next<'py>(&self, py: Python<'py>, form: Form) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.lock(py)?.next(py, form, true) {
            Ok(Next::Record(record)) => Ok(Some(record)),
            Ok(Next::WouldWait | Next::End) => Ok(None),
            Err(error) => Err(raised_by_next(py, error)),
        }
    }

    /// The stream, for one thread.
    #[inline]
    pub fn lock(&self, py: Python<'_>) -> PyResult<Guard<'_, Stream>> {
        self.stream.lock(py)
    }
}

/// `(source index, offset, length or None, reason)`.
type LossRow = (u64, u64, Option<u64>, String);

#[pymethods]
impl NativeRecordReader {
    /// `sources` is a `recordfs.records.sources.Sources`: `open_next()` and, to begin again with a file that was
    /// replaced, `open_again()` return None or `(file, path, compression, start, index)`; `is_last()` says whether there
    /// is a next one, and `check_ending()` tells, when a follower's time is over, whether to begin again, or raises what
    /// leaves open whether there is more.
    /// `start` is the source index and the offset that the first of these will have. `share` is `(index, count)`: only
    /// every `count`th record comes, beginning with that of `index`.
    #[new]
    #[pyo3(signature = (sources, *, verify_checksums, max_record_size, on_error, follow, follow_timeout, start, share = None))]
    #[expect(clippy::too_many_arguments, reason = "called from one place, by keyword")]
    fn new(
        py: Python<'_>,
        sources: Py<PyAny>,
        verify_checksums: bool,
        max_record_size: u64,
        on_error: &str,
        follow: bool,
        follow_timeout: Option<f64>,
        start: (u64, u64),
        share: Option<(u64, u64)>,
    ) -> PyResult<Self> {
        let on_error = match on_error {
            "raise" => OnError::Raise,
            "skip" => OnError::Skip,
            "stop" => OnError::Stop,
            other => {
                let message = format!("on_error is \"raise\", \"skip\" or \"stop\", found {other:?}");
                return Err(error(py, ErrorClass::InvalidArgument, &message, None, None));
            }
        };
        let follow_timeout = match follow_timeout.map(Duration::try_from_secs_f64) {
            None => None,
            Some(Ok(timeout)) => Some(timeout),
            // For ever is what None says too.
            Some(Err(_)) if follow_timeout == Some(f64::INFINITY) => None,
            Some(Err(reason)) => {
                let message = format!("follow_timeout has to be a number of seconds, at least 0: {reason}");
                return Err(error(py, ErrorClass::InvalidArgument, &message, None, None));
            }
        };
        let decode = DecodeOptions {
            max_length: max_record_size,
            verify_payload: verify_checksums,
        };
        let progress = Arc::new(Progress::default());
        let options = ReadOptions {
            decode,
            on_error,
            follow,
            follow_timeout,
            share: share.filter(|(_, count)| *count > 1),
        };
        Ok(Self {
            stream: Guarded::new(Stream::new(sources, options, Arc::clone(&progress), start)),
            progress,
        })
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[inline]
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py, Form::Bytes)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // While a thread is inside, the objects are in use and nothing is garbage.
        self.stream.try_lock().map_or(Ok(()), |stream| stream.traverse(&visit))
    }

    /// An iterator over the same records as lists of up to `size`, or fewer once they have `max_bytes` in their payloads.
    #[pyo3(signature = (size, max_bytes=None))]
    fn batches(slf: Py<Self>, size: usize, max_bytes: Option<u64>) -> RecordBatches {
        RecordBatches {
            reader: slf,
            size,
            max_bytes: max_bytes.unwrap_or(u64::MAX),
            held: Guarded::new(Held::default()),
        }
    }

    /// An iterator over the same records as read-only memoryviews.
    fn views(slf: Py<Self>) -> RecordViews {
        RecordViews { reader: slf }
    }

    /// Makes every iteration end, also one that waits in another thread.
    fn stop(&self) {
        self.progress.stop();
    }

    /// Stops, and closes the source that is open. Idempotent.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.progress.stop();
        self.lock(py)?.close(py)
    }

    /// `(source index, offset)` of the next record.
    fn position(&self) -> (u64, u64) {
        self.progress.position()
    }

    /// `(records, payload bytes)` so far.
    fn counts(&self) -> (u64, u64) {
        self.progress.counts()
    }

    /// `(losses, how many in all, how many bytes in all, truncated_tail, unfinished_stream, restarts)` so far.
    fn losses(&self) -> (Vec<LossRow>, u64, u64, bool, bool, u64) {
        let Losses {
            listed,
            count,
            bytes,
            last_ending: _,
            truncated_tail,
            unfinished_stream,
            restarts,
        } = self.progress.losses().clone();
        let rows = listed
            .into_iter()
            .map(|loss| (loss.source, loss.offset, loss.length, loss.reason))
            .collect();
        (rows, count, bytes, truncated_tail, unfinished_stream, restarts)
    }
}

/// Iterates over records as memoryviews that stay valid for ever.
#[pyclass(frozen, module = "recordfs._core")]
pub struct RecordViews {
    reader: Py<NativeRecordReader>,
}

#[pymethods]
impl RecordViews {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[inline]
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.reader.get().next(py, Form::Views)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)
    }
}

/// What an iterator over batches has and has not handed out.
#[derive(Default)]
struct Held {
    records: Vec<Py<PyAny>>,
    /// Where each record of the list ends that is being gathered, or else of the last one: its source, and the offset.
    ends: Vec<(u64, u64)>,
    error: Option<PyErr>,
}

/// Iterates over records in lists. A broken record comes out after the sound ones before it.
#[pyclass(frozen, module = "recordfs._core")]
pub struct RecordBatches {
    reader: Py<NativeRecordReader>,
    size: usize,
    max_bytes: u64,
    held: Guarded<Held>,
}

#[pymethods]
impl RecordBatches {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut held = self.held.lock(py)?;
        if let Some(error) = held.error.take() {
            return Err(error);
        }
        let mut stream = self.reader.get().lock(py)?;
        // They count when the list leaves: what an error or a signal keeps back here comes with the next one.
        stream.gather();
        while held.records.len() < self.size && stream.gathered_bytes() < self.max_bytes {
            // Records that are there are not kept back while a follower waits for more.
            match stream.next(py, Form::Bytes, held.records.is_empty()) {
                Ok(Next::Record(record)) => {
                    if held.records.is_empty() {
                        held.ends.clear();
                    }
                    held.records.push(record.unbind());
                    held.ends.push(stream.end_of_last());
                }
                Ok(Next::WouldWait | Next::End) => break,
                Err(error) if !held.records.is_empty() && is_data_loss(py, &error) => {
                    held.error = Some(error);
                    break;
                }
                Err(error) => return Err(raised_by_next(py, error)),
            }
        }
        if held.records.is_empty() {
            stream.hand_out();
            return Ok(None);
        }
        let list = PyList::new(py, std::mem::take(&mut held.records))?;
        stream.hand_out();
        Ok(Some(list))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // What is held back is bytes, and an error that native code has made: neither leads anywhere.
        visit.call(&self.reader)
    }

    /// `(source index, offset)` at which a record of the last list ends.
    fn end_of(&self, py: Python<'_>, number: usize) -> PyResult<(u64, u64)> {
        let ends = &self.held.lock(py)?.ends;
        ends.get(number)
            .copied()
            .ok_or_else(|| PyIndexError::new_err(format!("there is no record {number} among the last {}", ends.len())))
    }
}

/// The class of readers.
static CLASS: PyOnceLock<WithNext> = PyOnceLock::new();

/// What Python calls for the next record: it takes the short way if that is open, else the general one.
///
/// # Safety
/// As a `tp_iternext` is called by CPython, with a `NativeRecordReader` as `slf`.
unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as promised to this function; CPython calls with the GIL held.
    unsafe {
        let py = Python::assume_attached();
        let reader = Bound::ref_from_ptr(py, &slf)
            .cast_unchecked::<NativeRecordReader>()
            .get();
        if let Some(mut stream) = reader.stream.try_lock()
            && let Some(record) = stream.try_next(py)
        {
            return record.into_ptr();
        }
        match CLASS.get(py) {
            Some(class) => (class.general)(slf),
            None => unreachable!("it is set before there is a reader"),
        }
    }
}

/// Adds the classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let base = module.py().get_type::<NativeRecordReader>();
    // SAFETY: objects of the class are `NativeRecordReader`s.
    let class = unsafe { short_way::with_next(&CLASS, &base, c"recordfs._core.NativeRecordReader", 0, next)? };
    module.add("NativeRecordReader", class)?;
    module.add_class::<RecordBatches>()?;
    module.add_class::<RecordViews>()
}
