//! Tells a forked child from its parent without a system call.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

static FORKS: AtomicU64 = AtomicU64::new(0);

/// A process of this program: equal for what was made in one process, different after a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMark(u64);

impl ProcessMark {
    /// The mark of the process that is running.
    #[inline]
    pub fn current() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// True in the process that the mark was taken in.
    #[inline]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

#[pyfunction]
fn _after_fork_in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Has Python tell this module of every `os.fork`, which is what multiprocessing uses too.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let keywords = PyDict::new(py);
    keywords.set_item("after_in_child", wrap_pyfunction!(_after_fork_in_child, module)?)?;
    PyModule::import(py, "os")?.call_method("register_at_fork", (), Some(&keywords))?;
    Ok(())
}
