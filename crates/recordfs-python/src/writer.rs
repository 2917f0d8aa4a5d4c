//! The native half of `RecordWriter`: its methods, over a `RecordBuffer`.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use pyo3::{ffi, intern};
use recordfs_core::deflate::Deflater;
use recordfs_core::format::Format;

use crate::error::{ErrorClass, error};
use crate::lease::new_bytes;
use crate::lock::{Guard, Guarded};
use crate::python_call::items;
use crate::record_buffer::RecordBuffer;
use crate::short_way::{self, GeneralWay};
use crate::sink::Sink;

/// The bytes of anything that has a buffer, copied: while a large payload is on its way, nobody may change it.
fn bytes_of<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let buffer = PyUntypedBuffer::get(data).map_err(|refusal| not_bytes_like(data, refusal))?;
    if buffer.is_c_contiguous() {
        // SAFETY: the export keeps the memory in place and at its size, and the GIL is held until the copy is made.
        return unsafe { new_bytes(py, buffer.buf_ptr().cast(), buffer.len_bytes()) };
    }
    let view = pyo3::types::PyMemoryView::from(data)?;
    Ok(view.call_method0(intern!(py, "tobytes"))?.cast_into::<PyBytes>()?)
}

/// The error for what gives no buffer, where `refusal` says why: it has none, or none now, as a memoryview that was released.
#[cold]
fn not_bytes_like(data: &Bound<'_, PyAny>, refusal: PyErr) -> PyErr {
    let py = data.py();
    if !refusal.is_instance_of::<PyException>(py) {
        return refusal;
    }
    if data.is_instance_of::<PyString>() {
        return PyTypeError::new_err("a record is bytes, found str: encode it first, for example with .encode()");
    }
    let kind = data.get_type();
    let name = kind
        .name()
        .map_or_else(|_| String::from("an object"), |name| name.to_string());
    let message = format!("a record is bytes or has a buffer (bytearray, memoryview, array), found {name}");
    if refusal.is_instance_of::<PyTypeError>(py) {
        return PyTypeError::new_err(message);
    }
    let raised = PyTypeError::new_err(format!("{message}, which gives none: {}", refusal.value(py)));
    raised.set_cause(py, Some(refusal));
    raised
}

/// The base of `recordfs.RecordWriter`, which opens files and hands them to `_attach`.
#[pyclass(subclass, frozen, module = "recordfs._core")]
pub struct NativeRecordWriter {
    state: Guarded<Option<RecordBuffer>>,
}

impl NativeRecordWriter {
    /// The state, in whatever status.
    #[inline]
    fn state<'a>(&'a self, py: Python<'_>) -> PyResult<Guard<'a, Option<RecordBuffer>>> {
        if !self.state.belongs_to_this_process() {
            let message = "this writer belongs to the process that opened it; open another one in a forked child";
            return Err(error(py, ErrorClass::FailedPrecondition, message, None, None));
        }
        self.state.lock(py)
    }
}

/// The buffer of a writer that can be written to.
#[inline]
fn opened<'a>(py: Python<'_>, state: &'a mut Option<RecordBuffer>) -> PyResult<&'a mut RecordBuffer> {
    let Some(buffer) = state else {
        return Err(error(py, ErrorClass::ClosedFile, "the writer is closed", None, None));
    };
    buffer.check_open(py)?;
    Ok(buffer)
}

/// Writes anything that has a buffer.
#[inline]
fn write_any(py: Python<'_>, buffer: &mut RecordBuffer, data: &Bound<'_, PyAny>) -> PyResult<()> {
    match data.cast::<PyBytes>() {
        Ok(bytes) => buffer.write(py, bytes),
        Err(_) => buffer.write(py, &bytes_of(data)?),
    }
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
        path: Py<PyString>,
        position: u64,
        offset: u64,
        compression: &str,
        compression_level: i32,
        append: bool,
        index_file: Option<Py<PyAny>>,
        index_path: Py<PyString>,
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
        let deflater = format
            .map(|format| Deflater::new(format, compression_level))
            .transpose()
            .map_err(|bad_level| {
                error(
                    py,
                    ErrorClass::InvalidArgument,
                    &bad_level.to_string(),
                    Some(&path),
                    None,
                )
            })?;
        let sink = Sink::new(file, path, position);
        let index = index_file.map(|file| Sink::new(file, index_path, index_position));
        *self.state(py)? = Some(RecordBuffer::new(sink, deflater, !append, index, offset));
        Ok(())
    }

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
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        write_any(py, opened(py, &mut *self.state(py)?)?, data)
    }

    /// Append many records: the same as ``write`` for each item of an iterable, in less time.
    ///
    /// If this raises, the records before the failing one are taken; ``records_written`` tells how many.
    #[pyo3(signature = (records, /))]
    fn write_batch(&self, py: Python<'_>, records: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(list) = records.cast::<PyList>() {
            let mut state = self.state(py)?;
            let buffer = opened(py, &mut state)?;
            let mut index = 0;
            // The length is looked at each time: the list may change while the file is written to.
            while index < list.len() {
                write_any(py, buffer, &list.get_item(index)?)?;
                index += 1;
            }
            return Ok(());
        }
        // Whatever the iterable does for its next item, it does outside the lock.
        for data in items(records)? {
            write_any(py, opened(py, &mut *self.state(py)?)?, &data?)?;
        }
        Ok(())
    }

    /// Return when every record so far can be read by others, compressed or not (see the filesystem's capabilities).
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        opened(py, &mut *self.state(py)?)?.flush(py, intern!(py, "flush"))
    }

    /// Flush, and return when the records survive a power cut where the store can promise that.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        opened(py, &mut *self.state(py)?)?.flush(py, intern!(py, "sync"))
    }

    /// Return where the next record will begin, in bytes of the uncompressed stream, those before this writer included.
    fn tell(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(opened(py, &mut *self.state(py)?)?.offset())
    }

    /// How many records this writer has taken.
    #[getter]
    fn records_written(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.state(py)?.as_ref().map_or(0, RecordBuffer::records))
    }

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
        Ok(self.state(py)?.as_ref().is_none_or(RecordBuffer::is_closed))
    }

    /// Let go of the file without publishing what was not flushed. Idempotent.
    ///
    /// Of an atomic writer nothing becomes visible; of another what was flushed before stays, and perhaps more, in whole
    /// records. A file object of the caller's stays open, and keeps what was written to it.
    ///
    /// Raises:
    ///     UnimplementedError: A writer factory opened the path, or the filesystem's files cannot be discarded. The
    ///         writer stays open.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        match &mut *self.state(py)? {
            Some(state) => state.discard(py),
            None => Ok(()),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // While a thread is inside, the objects are in use and nothing is garbage.
        match self.state.try_lock().as_deref() {
            Some(Some(buffer)) => buffer.traverse(&visit),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        if let Some(mut state) = self.state.try_lock() {
            *state = None;
        }
    }

    /// False in a forked child.
    fn _belongs_to_this_process(&self) -> bool {
        self.state.belongs_to_this_process()
    }

    /// Return whether a call is under way, in whatever thread.
    fn is_in_use(&self) -> bool {
        self.state.try_lock().is_none()
    }
}

/// `write` as pyo3 has made it.
static GENERAL_WRITE: GeneralWay = GeneralWay::new();

/// What Python calls as `write`: it takes the short way if that is open, else the general one.
///
/// # Safety
/// As a function of `METH_O` is called by CPython, with a `NativeRecordWriter` as `slf`: the descriptor that it is called
/// through has checked that.
unsafe extern "C" fn write(slf: *mut ffi::PyObject, data: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as promised to this function. The general way takes one argument, by its place.
    unsafe {
        if write_simply(slf, data) {
            let none = ffi::Py_None();
            ffi::Py_INCREF(none);
            return none;
        }
        match GENERAL_WRITE.get() {
            Some(general) => general(slf, &raw const data, 1, std::ptr::null_mut()),
            None => unreachable!("it is set before the class gets this method"),
        }
    }
}

/// Writes a bytes object without running any code of Python's; false, with nothing done, where that cannot be.
///
/// # Safety
/// As [`write`].
#[inline(always)]
unsafe fn write_simply(slf: *mut ffi::PyObject, data: *mut ffi::PyObject) -> bool {
    // SAFETY: CPython calls with the GIL held, the class is checked, and `data`, a bytes object, lives and does not change
    // as long as the call.
    unsafe {
        if ffi::PyBytes_CheckExact(data) == 0 {
            return false;
        }
        let payload = std::slice::from_raw_parts(ffi::PyBytes_AsString(data).cast(), ffi::Py_SIZE(data) as usize);
        let py = Python::assume_attached();
        let writer = Bound::ref_from_ptr(py, &slf)
            .cast_unchecked::<NativeRecordWriter>()
            .get();
        if !writer.state.belongs_to_this_process() {
            return false;
        }
        let Some(mut state) = writer.state.try_lock() else {
            return false;
        };
        state.as_mut().is_some_and(|buffer| buffer.try_write(payload))
    }
}

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeRecordWriter>()?;
    let class = module.py().get_type::<NativeRecordWriter>();
    let function = ffi::PyMethodDefPointer { PyCFunction: write };
    // SAFETY: the flags are those of its type.
    unsafe { short_way::install(&class, c"write", function, ffi::METH_O, &GENERAL_WRITE) }
}
