//! `EventFramer`: the records of one event file after the other, with its index.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::event as core;

/// Adds the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EventFramer>()
}

/// Frames events. What it has framed is held until ``take``. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct EventFramer {
    state: Mutex<State>,
}

struct State {
    framer: core::EventFramer,
    out: Vec<u8>,
}

impl EventFramer {
    /// Nothing under this lock panics half-way, so a poisoned lock is sound all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames the events of a chunk, which were checked when they were added.
    pub fn add_all(&self, chunk: &core::Chunk) {
        let State { framer, out } = &mut *self.lock();
        for (payload, repeats_metadata) in chunk.items() {
            let added = framer.add(payload, repeats_metadata, out);
            debug_assert!(added.is_ok(), "the queue takes events only");
        }
    }
}

#[pymethods]
impl EventFramer {
    #[new]
    #[pyo3(signature = (*, index))]
    fn new(index: bool) -> Self {
        let framer = core::EventFramer::new(core::FramerOptions { index });
        Self {
            state: Mutex::new(State {
                framer,
                out: Vec::new(),
            }),
        }
    }

    /// Frame an event. Raises ValueError if it is none.
    #[pyo3(signature = (payload, repeats_metadata = false))]
    fn add(&self, payload: &[u8], repeats_metadata: bool) -> PyResult<()> {
        let State { framer, out } = &mut *self.lock();
        framer
            .add(payload, repeats_metadata, out)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Frame the index or the pointer that is due at a flush.
    fn flush(&self, py: Python<'_>) {
        py.detach(|| {
            let State { framer, out } = &mut *self.lock();
            framer.flush(out);
        });
    }

    /// Frame the index of all that is not indexed yet.
    fn finish(&self, py: Python<'_>) {
        py.detach(|| {
            let State { framer, out } = &mut *self.lock();
            framer.finish(out);
        });
    }

    /// Begin another file.
    fn begin_file(&self) {
        let State { framer, out } = &mut *self.lock();
        framer.begin_file();
        out.clear();
    }

    /// Where the next record begins in the file, what was not taken counted.
    #[getter]
    fn offset(&self) -> u64 {
        self.lock().framer.offset()
    }

    /// How many bytes are framed and not taken.
    #[getter]
    fn pending(&self) -> usize {
        self.lock().out.len()
    }

    /// Take the bytes framed since the last call.
    fn take<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let out = std::mem::take(&mut self.lock().out);
        PyBytes::new(py, &out)
    }
}
