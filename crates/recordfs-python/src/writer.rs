//! The native half of `RecordWriter`: one buffer of framed records over a `WritableFile`.
//!
//! Records enter the buffer whole or not at all, and the buffer goes to the file in appends that the file takes whole or
//! not at all; so whatever fails, the file ends behind a record.

use std::io::Write;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use recordfs_core::deflate::Deflater;
use recordfs_core::inflate::Format;
use recordfs_core::record::{OVERHEAD, encode_footer, encode_header, encode_record};

use crate::error::{ErrorClass, error};
use crate::lock::{Guard, Guarded};
use crate::sink::{AppendFailure, Sink};

/// Framed bytes are handed on in pieces of about this size: large enough that a call into Python does not count, small
/// enough to stay in the processor's second-level cache.
const BUFFER_SIZE: usize = 256 * 1024;

/// From this size on a payload is handed on from where it lies instead of being copied into the buffer.
const DIRECT_SIZE: usize = 32 * 1024;

/// Native work on more bytes than this lets other Python threads run meanwhile.
const DETACH_SIZE: usize = 128 * 1024;

/// Index lines wait in memory for the records they tell of, and longer if the index file fails; up to this size.
const INDEX_LIMIT: usize = 1024 * 1024;

/// How the framed bytes are compressed.
struct Compressor {
    deflater: Deflater,
    /// Compressed bytes that the file has not taken yet.
    pending: Vec<u8>,
    /// Whether a stream has been begun, or has to be even without records, because the file is new.
    begun: bool,
    /// Whether records went in since the last flush.
    unflushed: bool,
}

/// The `offset size` lines written alongside.
struct Index {
    sink: Sink,
    lines: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    /// `close` failed; only it can be called again.
    Closing,
    Closed,
}

struct State {
    sink: Sink,
    status: Status,
    /// Framed records that have gone neither into the file nor into the compressor.
    frames: Vec<u8>,
    compressor: Option<Box<Compressor>>,
    index: Option<Box<Index>>,
    /// Where the next record begins, in the uncompressed stream.
    offset: u64,
    records: u64,
}

impl State {
    #[inline]
    fn write(&mut self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return self.write_bytes(py, bytes);
        }
        self.write_bytes(py, &bytes_of(data)?)
    }

    #[inline]
    fn write_bytes(&mut self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let payload = data.as_bytes();
        if payload.len() >= DIRECT_SIZE {
            return self.write_large(py, data);
        }
        if self.frames.len() + payload.len() + OVERHEAD > BUFFER_SIZE {
            self.make_room(py)?;
        }
        encode_record(&mut self.frames, payload);
        self.count(payload.len());
        Ok(())
    }

    #[inline]
    fn count(&mut self, payload_size: usize) {
        let size = (payload_size + OVERHEAD) as u64;
        if let Some(index) = &mut self.index {
            // Writing into a vector cannot fail.
            let _ = writeln!(index.lines, "{} {size}", self.offset);
        }
        self.offset += size;
        self.records += 1;
    }

    #[cold]
    fn write_large(&mut self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let payload = data.as_bytes();
        let header = encode_header(payload.len() as u64);
        if self.compressor.is_some() {
            self.make_room(py)?;
            if let Some(compressor) = &mut self.compressor {
                py.detach(|| {
                    compressor.take(&header);
                    compressor.take(payload);
                    compressor.take(&encode_footer(payload));
                });
            }
            self.count(payload.len());
            return Ok(());
        }
        self.check_index(py)?;
        let footer = detach_if(py, payload.len() >= DETACH_SIZE, || encode_footer(payload));
        let before = self.frames.len();
        self.frames.extend_from_slice(&header);
        let rest = [data.clone().into_any(), PyBytes::new(py, &footer).into_any()];
        let result = self
            .sink
            .append_parts(py, &mut self.frames, &rest, payload.len() + footer.len());
        if result.as_ref().map_or_else(|failure| failure.taken, |()| true) {
            self.count(payload.len());
        } else {
            self.frames.truncate(before);
        }
        result.map_err(|failure| failure.error)
    }

    /// Empties the buffer of frames. What raises has lost nothing and taken nothing twice.
    #[cold]
    fn make_room(&mut self, py: Python<'_>) -> PyResult<()> {
        self.check_index(py)?;
        match &mut self.compressor {
            None => self.drain(py),
            Some(compressor) => {
                if compressor.pending.len() >= BUFFER_SIZE {
                    self.sink
                        .append(py, &mut compressor.pending)
                        .map_err(|failure| failure.error)?;
                }
                py.detach(|| compressor.take(&self.frames));
                self.frames.clear();
                self.drain_index(py)
            }
        }
    }

    /// Hands everything to the file and the index.
    fn drain(&mut self, py: Python<'_>) -> PyResult<()> {
        let ready = match &mut self.compressor {
            None => &mut self.frames,
            Some(compressor) => {
                py.detach(|| compressor.take(&self.frames));
                self.frames.clear();
                &mut compressor.pending
            }
        };
        self.sink.append(py, ready).map_err(|failure| failure.error)?;
        self.drain_index(py)
    }

    fn drain_index(&mut self, py: Python<'_>) -> PyResult<()> {
        match &mut self.index {
            None => Ok(()),
            Some(index) => index
                .sink
                .append(py, &mut index.lines)
                .map_err(|failure: AppendFailure| failure.error),
        }
    }

    /// Raises if the index file fails for so long that its lines would fill the memory.
    fn check_index(&mut self, py: Python<'_>) -> PyResult<()> {
        match &self.index {
            Some(index) if index.lines.len() > INDEX_LIMIT => self.drain_index(py),
            _ => Ok(()),
        }
    }

    /// Makes every record so far readable, then calls `method` ("flush" or "sync") of the file and the index.
    fn flush(&mut self, py: Python<'_>, method: &Bound<'_, PyString>) -> PyResult<()> {
        if let Some(compressor) = &mut self.compressor {
            py.detach(|| {
                compressor.take(&self.frames);
                compressor.flush();
            });
            self.frames.clear();
        }
        self.drain(py)?;
        self.sink.file(py).call_method0(method)?;
        if let Some(index) = &self.index {
            index.sink.file(py).call_method0(method)?;
        }
        Ok(())
    }

    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.status == Status::Closed {
            return Ok(());
        }
        self.status = Status::Closing;
        if let Err(broken) = self.sink.check(py) {
            // The rest can never be written; at least the file is let go of.
            self.status = Status::Closed;
            let closed = self.close_files(py);
            return closed.and(Err(broken));
        }
        if let Some(compressor) = &mut self.compressor {
            py.detach(|| {
                compressor.take(&self.frames);
                compressor.finish();
            });
            self.frames.clear();
        }
        self.drain(py)?;
        self.close_files(py)?;
        self.status = Status::Closed;
        Ok(())
    }

    fn close_files(&self, py: Python<'_>) -> PyResult<()> {
        self.sink.file(py).call_method0(intern!(py, "close"))?;
        if let Some(index) = &self.index {
            index.sink.file(py).call_method0(intern!(py, "close"))?;
        }
        Ok(())
    }

    fn discard(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.status == Status::Closed {
            return Ok(());
        }
        self.status = Status::Closed;
        self.frames = Vec::new();
        self.sink.file(py).call_method0(intern!(py, "discard"))?;
        if let Some(index) = &self.index {
            index.sink.file(py).call_method0(intern!(py, "discard"))?;
        }
        Ok(())
    }
}

impl Compressor {
    fn take(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.begun = true;
            self.unflushed = true;
            self.deflater.deflate(bytes, &mut self.pending);
        }
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.deflater.sync_flush(&mut self.pending);
        }
    }

    /// Ends the stream, once.
    fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.deflater.finish(&mut self.pending);
        }
    }
}

/// The bytes of anything that has a buffer, copied: while a large payload is on its way, nobody may change it.
fn bytes_of<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let Ok(buffer) = PyUntypedBuffer::get(data) else {
        return Err(not_bytes_like(data));
    };
    if buffer.is_c_contiguous() {
        // SAFETY: the export keeps the memory in place and at its size, and the GIL is held until the copy is made.
        return Ok(unsafe { PyBytes::from_ptr(py, buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) });
    }
    let view = pyo3::types::PyMemoryView::from(data)?;
    Ok(view.call_method0(intern!(py, "tobytes"))?.cast_into::<PyBytes>()?)
}

#[cold]
fn not_bytes_like(data: &Bound<'_, PyAny>) -> PyErr {
    if data.is_instance_of::<PyString>() {
        return PyTypeError::new_err("a record is bytes, found str: encode it first, for example with .encode()");
    }
    let kind = data.get_type();
    let name = kind
        .name()
        .map_or_else(|_| String::from("an object"), |name| name.to_string());
    PyTypeError::new_err(format!(
        "a record is bytes or has a buffer (bytearray, memoryview, array), found {name}"
    ))
}

/// Runs native work, without the GIL if `long`.
#[inline]
fn detach_if<R: Send>(py: Python<'_>, long: bool, work: impl FnOnce() -> R + Send) -> R {
    if long { py.detach(work) } else { work() }
}

/// The base of `recordfs.RecordWriter`, which opens files and hands them to `_attach`.
#[pyclass(subclass, frozen, module = "recordfs._core")]
pub struct NativeRecordWriter {
    state: Guarded<Option<State>>,
}

impl NativeRecordWriter {
    /// The state, in whatever status.
    #[inline]
    fn state<'a>(&'a self, py: Python<'_>) -> PyResult<Guard<'a, Option<State>>> {
        if !self.state.belongs_to_this_process() {
            let message = "this writer belongs to the process that opened it; open another one in a forked child";
            return Err(error(py, ErrorClass::FailedPrecondition, message, None, None));
        }
        self.state.lock(py)
    }
}

/// The state of a writer that can be written to.
#[inline]
fn opened<'a>(py: Python<'_>, state: &'a mut Option<State>) -> PyResult<&'a mut State> {
    let Some(state) = state else {
        return Err(closed_error(py, None));
    };
    if state.status != Status::Open {
        return Err(closed_error(py, Some(state)));
    }
    state.sink.check(py)?;
    Ok(state)
}

#[cold]
fn closed_error(py: Python<'_>, state: Option<&State>) -> PyErr {
    error(
        py,
        ErrorClass::ClosedFile,
        "the writer is closed",
        state.map(|state| state.sink.path()),
        None,
    )
}

#[pymethods]
impl NativeRecordWriter {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Guarded::new(None),
        }
    }

    /// Takes over an open file, and perhaps one for the index. `offset` is where the next record begins, uncompressed.
    #[pyo3(signature = (file, path, *, position, offset, compression, compression_level, append, index_file, index_path, index_position))]
    #[expect(clippy::too_many_arguments, reason = "called from one place, by keyword")]
    fn _attach(
        &self,
        py: Python<'_>,
        file: Py<PyAny>,
        path: String,
        position: u64,
        offset: u64,
        compression: &str,
        compression_level: i32,
        append: bool,
        index_file: Option<Py<PyAny>>,
        index_path: String,
        index_position: u64,
    ) -> PyResult<()> {
        let format = match compression {
            "" => None,
            "GZIP" => Some(Format::Gzip),
            "ZLIB" => Some(Format::Zlib),
            other => {
                let message = format!("compression is None, \"\", \"GZIP\" or \"ZLIB\", found {other:?}");
                return Err(error(py, ErrorClass::InvalidArgument, &message, Some(&path), None));
            }
        };
        let compressor = match format.map(|format| Deflater::new(format, compression_level)) {
            None => None,
            Some(Ok(deflater)) => Some(Box::new(Compressor {
                deflater,
                pending: Vec::new(),
                begun: !append,
                unflushed: true,
            })),
            Some(Err(bad_level)) => {
                return Err(error(
                    py,
                    ErrorClass::InvalidArgument,
                    &bad_level.to_string(),
                    Some(&path),
                    None,
                ));
            }
        };
        let index = index_file.map(|file| {
            Box::new(Index {
                sink: Sink::new(file, index_path, index_position),
                lines: Vec::new(),
            })
        });
        *self.state(py)? = Some(State {
            sink: Sink::new(file, path, position),
            status: Status::Open,
            frames: Vec::with_capacity(BUFFER_SIZE),
            compressor,
            index,
            offset,
            records: 0,
        });
        Ok(())
    }

    /// write(data, /)
    /// --
    ///
    /// Append one record.
    ///
    /// Args:
    ///     data: The record: bytes, or anything with a buffer (bytearray, memoryview, a NumPy array), whose bytes are
    ///         taken in C order.
    ///
    /// A record is written whole or not at all. If this raises, the record is not in the file and what came before it
    /// is kept and tried again by the next call; should an interrupt come when the file already has the record,
    /// ``tell`` and ``records_written`` have grown. May be called from any thread.
    ///
    /// Raises:
    ///     TypeError: ``data`` is str or has no buffer.
    ///     ClosedFileError: The writer is closed.
    ///     FailedPreconditionError: An earlier failure left a torn record in the file; or this is a forked child.
    ///     ResourceExhaustedError: No space is left; the writer can go on once there is.
    #[inline]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        opened(py, &mut *self.state(py)?)?.write(py, data)
    }

    /// write_batch(records, /)
    /// --
    ///
    /// Append many records: the same as ``write`` for each item of an iterable, in less time.
    ///
    /// If this raises, the records before the failing one are taken; ``records_written`` tells how many.
    fn write_batch(&self, py: Python<'_>, records: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(list) = records.cast::<PyList>() {
            let mut state = self.state(py)?;
            let state = opened(py, &mut state)?;
            let mut index = 0;
            // The length is looked at each time: the list may change while the file is written to.
            while index < list.len() {
                state.write(py, &list.get_item(index)?)?;
                index += 1;
            }
            return Ok(());
        }
        // Whatever the iterable does for its next item, it does outside the lock.
        for data in records.try_iter()? {
            opened(py, &mut *self.state(py)?)?.write(py, &data?)?;
        }
        Ok(())
    }

    /// flush()
    /// --
    ///
    /// Return when every record so far can be read by others, compressed or not (see the filesystem's capabilities).
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        opened(py, &mut *self.state(py)?)?.flush(py, intern!(py, "flush"))
    }

    /// sync()
    /// --
    ///
    /// Flush, and return when the records survive a power cut where the store can promise that.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        opened(py, &mut *self.state(py)?)?.flush(py, intern!(py, "sync"))
    }

    /// tell()
    /// --
    ///
    /// Return where the next record will begin, in bytes of the uncompressed stream, those before this writer included.
    fn tell(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(opened(py, &mut *self.state(py)?)?.offset)
    }

    /// How many records this writer has taken.
    #[getter]
    fn records_written(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.state(py)?.as_ref().map_or(0, |state| state.records))
    }

    /// close()
    /// --
    ///
    /// Write everything out and close the file. Idempotent.
    ///
    /// If it raises because the file took nothing, the records are kept, and ``close`` can be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &mut *self.state(py)? {
            Some(state) => state.close(py),
            None => Ok(()),
        }
    }

    /// Whether the writer is closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self
            .state(py)?
            .as_ref()
            .is_none_or(|state| state.status == Status::Closed))
    }

    /// Lets go of the file without publishing what was not flushed.
    fn _discard(&self, py: Python<'_>) -> PyResult<()> {
        match &mut *self.state(py)? {
            Some(state) => state.discard(py),
            None => Ok(()),
        }
    }

    /// False in a forked child.
    fn _belongs_to_this_process(&self) -> bool {
        self.state.belongs_to_this_process()
    }
}

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeRecordWriter>()
}
