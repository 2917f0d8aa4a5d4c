//! Lines of a file, with no Python code between two of them: `BlockLines` cuts them from a block of bytes, and
//! `LineIterator` makes a file object its own iterator.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use memchr::{memchr, memrchr};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::error::raised_by_next;
use crate::lease::bytes_from;
use crate::python_call::{Owned, call_method, iterator, next_of};
use crate::short_way::{self, WithNext};

/// Whole lines of a block of bytes, each with its newline, as bytes or, of UTF-8, as str.
///
/// Lines of text end before the first that is not UTF-8.
#[pyclass(frozen, module = "recordfs._core")]
pub struct BlockLines {
    /// Keeps the bytes alive.
    _block: Py<PyBytes>,
    /// The first byte of the block. Asking Python for it anew costs a tenth of a line.
    bytes: NonNull<u8>,
    /// Where the next line begins. Read and written with the GIL held.
    position: AtomicUsize,
    /// How many bytes of lines `take_rest` has taken.
    taken: AtomicUsize,
    /// Where the lines end: after a newline, or where they begin.
    end: usize,
    text: bool,
}

// SAFETY: the pointer leads into the bytes object, which lives as long as this does and never changes.
unsafe impl Send for BlockLines {}
// SAFETY: as above.
unsafe impl Sync for BlockLines {}

impl BlockLines {
    /// The next line; None at the end. What raises has gone past nothing.
    #[inline]
    fn next_line<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let position = self.position.load(Ordering::Relaxed);
        // SAFETY: the position is never after the end, and the end lies in the block, which stays as it is.
        let rest = unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().add(position), self.end - position) };
        let Some(newline) = memchr(b'\n', rest) else {
            return Ok(None);
        };
        let line = &rest[..=newline];
        let object = if self.text {
            // SAFETY: `new` has found everything before `end` to be UTF-8, which this decodes, and a newline is not part of
            // a character. The result is a new str, or null with an error set.
            unsafe {
                let str = ffi::PyUnicode_FromStringAndSize(line.as_ptr().cast(), line.len() as ffi::Py_ssize_t);
                Bound::from_owned_ptr_or_err(py, str)?
            }
        } else {
            bytes_from(py, line)?.into_any()
        };
        self.position.store(position + line.len(), Ordering::Relaxed);
        Ok(Some(object))
    }
}

#[pymethods]
impl BlockLines {
    /// The whole lines in `block[start:stop]`.
    #[new]
    fn new(block: Bound<'_, PyBytes>, start: usize, stop: usize, text: bool) -> Self {
        let bytes = block.as_bytes();
        let stop = stop.min(bytes.len());
        let start = start.min(stop);
        let part = &bytes[start..stop];
        let sound = match text.then(|| std::str::from_utf8(part)) {
            Some(Err(error)) => error.valid_up_to(),
            _ => part.len(),
        };
        let length = memrchr(b'\n', &part[..sound]).map_or(0, |newline| newline + 1);
        Self {
            bytes: NonNull::from(bytes).cast(),
            _block: block.unbind(),
            position: AtomicUsize::new(start),
            taken: AtomicUsize::new(0),
            end: start + length,
            text,
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next_line(py)
    }

    /// How many bytes the lines have that were not given yet.
    fn __len__(&self) -> usize {
        self.end - self.position.load(Ordering::Relaxed)
    }

    /// End here, and return how many bytes the lines have that were not given. It can be asked again, which gives the same.
    fn take_rest(&self) -> usize {
        let rest = self.end - self.position.swap(self.end, Ordering::Relaxed);
        if rest > 0 {
            self.taken.store(rest, Ordering::Relaxed);
        }
        self.taken.load(Ordering::Relaxed)
    }
}

/// The base of a file object over which `for` loops. A subclass has ``_next_lines()``: an iterator over some of the next
/// lines, or None at the end of the file; after None it is asked again, because a file may have grown.
// Python sees this class only as the base of the one that `register` makes.
#[pyclass(frozen, subclass, module = "recordfs._core", name = "LineIteratorBase")]
pub struct LineIterator {
    /// The iterator over the lines that are at hand, owned; null if there is none. It is read and written with the GIL
    /// held, which is all the order that its accesses need: a lock costs more than the rest of a line.
    lines: AtomicPtr<ffi::PyObject>,
}

impl LineIterator {
    /// The iterator at hand. A reference of its own keeps it alive while it is asked for a line, because that runs other
    /// code, which may put another in its place.
    #[inline]
    fn lines<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: an owned reference or null; the GIL is held, so nobody lets go of it before the new reference is made.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, self.lines.load(Ordering::Relaxed)) }
    }

    fn set(&self, py: Python<'_>, lines: Option<Py<PyAny>>) {
        let lines = lines.map_or(ptr::null_mut(), Py::into_ptr);
        // SAFETY: what was there was owned, and is not any more.
        let before = unsafe { Bound::from_owned_ptr_or_opt(py, self.lines.swap(lines, Ordering::Relaxed)) };
        drop(before.map(|before| Owned::from(before.unbind())));
    }
}

impl Drop for LineIterator {
    fn drop(&mut self) {
        Python::attach(|py| self.set(py, None));
    }
}

#[pymethods]
impl LineIterator {
    /// Takes, and leaves alone, whatever the subclass's constructor takes.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            lines: AtomicPtr::default(),
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[inline]
    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        loop {
            if let Some(lines) = slf.get().lines(py) {
                if let Ok(block) = lines.cast_exact::<BlockLines>() {
                    match block.get().next_line(py)? {
                        Some(line) => return Ok(Some(line)),
                        None => slf.get().set(py, None),
                    }
                    continue;
                }
                if let Some(line) = next_of(&lines) {
                    return line.map(Some);
                }
                slf.get().set(py, None);
            }
            let more = call_method(slf, intern!(py, "_next_lines"), ()).map_err(|error| raised_by_next(py, error))?;
            if more.is_none() {
                return Ok(None);
            }
            slf.get().set(py, Some(iterator(&more)?.unbind()));
        }
    }
}

/// The class that Python knows as `LineIterator`.
static CLASS: PyOnceLock<WithNext> = PyOnceLock::new();

/// What Python calls for the next line: it takes the short way, a line of the block at hand, or else the general one.
///
/// # Safety
/// As a `tp_iternext` is called by CPython, with a `LineIterator` as `slf`.
unsafe extern "C" fn next(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as promised to this function; CPython calls with the GIL held. The block, which is borrowed, stays where it is:
    // nothing here runs any code of Python's.
    unsafe {
        let py = Python::assume_attached();
        let iterator = Bound::ref_from_ptr(py, &slf).cast_unchecked::<LineIterator>().get();
        let lines = iterator.lines.load(Ordering::Relaxed);
        if !lines.is_null()
            && let Ok(block) = Bound::ref_from_ptr(py, &lines).cast_exact::<BlockLines>()
            && let Ok(Some(line)) = block.get().next_line(py)
        {
            return line.into_ptr();
        }
        match CLASS.get(py) {
            Some(class) => (class.general)(slf),
            None => unreachable!("it is set before there is an iterator"),
        }
    }
}

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BlockLines>()?;
    let base = module.py().get_type::<LineIterator>();
    let name = c"recordfs._core.LineIterator";
    // SAFETY: objects of the class are `LineIterator`s.
    let class = unsafe { short_way::with_next(&CLASS, &base, name, ffi::Py_TPFLAGS_BASETYPE, next)? };
    module.add("LineIterator", class)
}
