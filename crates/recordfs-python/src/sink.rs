//! The end of a writable file, and what is still true of it after a call to it failed.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use pyo3::{exceptions::PyException, intern};

use crate::error::{ErrorClass, error};
use crate::lease::lend_buffer;
use crate::python_call::{Owned, call_method};

/// A signal may come while a file is asked what became of an interrupted append; it is asked again this often.
const TELL_ATTEMPTS: usize = 16;

/// An append that raised.
pub struct AppendFailure {
    /// What it raised.
    pub error: PyErr,
    /// True if the file has all bytes nevertheless; false if it has none of them, or if it has only some and the sink
    /// is broken now.
    pub taken: bool,
}

/// A `WritableFile`, of which the sink knows how long it is.
pub struct Sink {
    file: Owned,
    path: Py<PyString>,
    /// The size of the file with everything it took.
    position: u64,
    /// What the file said its size was, if anything, after an append of which it took a part.
    broken_at: Option<Option<u64>>,
}

impl Sink {
    /// Takes over a file that is `position` bytes long.
    pub fn new(file: Py<PyAny>, path: Py<PyString>, position: u64) -> Self {
        Self {
            file: file.into(),
            path,
            position,
            broken_at: None,
        }
    }

    /// The path for messages.
    pub fn path(&self) -> &Py<PyString> {
        &self.path
    }

    /// The file itself.
    pub fn file<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.file.bind(py)
    }

    /// Shows the garbage collector the file.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&*self.file)
    }

    /// False if the file holds a part of an append: `check` raises then.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.broken_at.is_none()
    }

    /// Raises FailedPreconditionError if the file holds a part of an append: nothing can follow that.
    #[inline]
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        match self.broken_at {
            None => Ok(()),
            Some(found) => Err(self.broken_error(py, found)),
        }
    }

    #[cold]
    fn broken_error(&self, py: Python<'_>, found: Option<u64>) -> PyErr {
        let said = match found {
            Some(size) => format!("says it has {size}"),
            None => "cannot say how many it has".to_owned(),
        };
        let message = format!(
            "an earlier append failed part of the way: the file should have {} bytes and {said}. Nothing more can be \
             written here; open the file again with append=True, repair_tail=True",
            self.position
        );
        error(py, ErrorClass::FailedPrecondition, &message, Some(&self.path), None)
    }

    /// Hands a buffer to the file and empties it, unless the file took nothing.
    pub fn append(&mut self, py: Python<'_>, buffer: &mut Vec<u8>) -> Result<(), AppendFailure> {
        if buffer.is_empty() {
            return Ok(());
        }
        let size = buffer.len();
        let result = self.call(py, size, |file| {
            lend_buffer(py, buffer, |view| {
                call_method(file, intern!(py, "append"), (view,)).map(drop)
            })
        });
        if result.as_ref().map_or_else(|failure| failure.taken, |()| true) {
            buffer.clear();
        }
        result
    }

    /// Hands a buffer, and `more` after it, to the file in one call; empties the buffer unless the file took nothing.
    pub fn append_parts(
        &mut self,
        py: Python<'_>,
        buffer: &mut Vec<u8>,
        more: &[Bound<'_, PyAny>],
        more_size: usize,
    ) -> Result<(), AppendFailure> {
        let size = buffer.len() + more_size;
        let result = self.call(py, size, |file| {
            lend_buffer(py, buffer, |view| {
                let parts = PyList::new(py, std::iter::once(view.as_any()).chain(more))?;
                call_method(file, intern!(py, "append_parts"), (parts,)).map(drop)
            })
        });
        if result.as_ref().map_or_else(|failure| failure.taken, |()| true) {
            buffer.clear();
        }
        result
    }

    /// Calls the file, and if that raises asks the file how much of `size` bytes it took.
    fn call(
        &mut self,
        py: Python<'_>,
        size: usize,
        append: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>,
    ) -> Result<(), AppendFailure> {
        self.check(py).map_err(|error| AppendFailure { error, taken: false })?;
        let complete = self.position + size as u64;
        let Err(error) = append(self.file.bind(py)) else {
            self.position = complete;
            return Ok(());
        };
        let found = self.ask_size(py);
        let taken = found == Some(complete);
        if taken {
            self.position = complete;
        } else if found != Some(self.position) {
            self.broken_at = Some(found);
        }
        Err(AppendFailure { error, taken })
    }

    /// Moves on to where a file that was just flushed really ends, and returns how many bytes of other writers that
    /// skips.
    pub fn catch_up(&mut self, py: Python<'_>) -> u64 {
        let end = self.ask_size(py).unwrap_or(self.position).max(self.position);
        let skipped = end - self.position;
        self.position = end;
        skipped
    }

    /// What the file's `tell` says, or None if it cannot say.
    fn ask_size(&self, py: Python<'_>) -> Option<u64> {
        for _ in 0..TELL_ATTEMPTS {
            match call_method(self.file.bind(py), intern!(py, "tell"), ()) {
                Ok(size) => return size.extract().ok(),
                Err(error) if error.is_instance_of::<PyException>(py) => return None,
                Err(_interrupt) => {}
            }
        }
        None
    }
}
