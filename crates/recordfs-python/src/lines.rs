//! `LineIterator`: what makes a file object its own iterator, with no Python code between two lines.

use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyTuple};

/// The base of a file object over which `for` loops. A subclass has ``_next_lines()``: an iterator over some of the next
/// lines, or None at the end of the file; after None it is asked again, because a file may have grown.
#[pyclass(frozen, subclass, module = "recordfs._core")]
pub struct LineIterator {
    lines: Mutex<Option<Py<PyIterator>>>,
}

impl LineIterator {
    fn set(&self, lines: Option<Py<PyIterator>>) {
        // What was there is dropped after the lock is let go, because that may run Python code.
        let _former = std::mem::replace(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner), lines);
    }
}

#[pymethods]
impl LineIterator {
    /// Takes, and leaves alone, whatever the subclass's constructor takes.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            lines: Mutex::default(),
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        loop {
            let lines = slf
                .get()
                .lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(|lines| lines.clone_ref(py));
            if let Some(lines) = lines {
                if let Some(line) = lines.into_bound(py).next() {
                    return line.map(Some);
                }
                slf.get().set(None);
            }
            let more = slf.call_method0(intern!(py, "_next_lines"))?;
            if more.is_none() {
                return Ok(None);
            }
            slf.get().set(Some(more.try_iter()?.unbind()));
        }
    }
}

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LineIterator>()
}
