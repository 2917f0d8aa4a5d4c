//! Keeping Python's collector of cycles from looking through what is being made.

use pyo3::ffi;
use pyo3::prelude::*;

/// While it lives, the collector does not start by itself.
///
/// It starts after every few hundred new containers, and looks through all that there are again and again while a hundred
/// thousand are made. Nothing else may run meanwhile that could see the collector switched off: whoever holds this keeps
/// the GIL and calls no code of Python's.
pub struct CollectorPause<'py> {
    was_enabled: bool,
    _python: Python<'py>,
}

impl<'py> CollectorPause<'py> {
    pub fn new(python: Python<'py>) -> Self {
        // SAFETY: the GIL is held, as `python` proves.
        let was_enabled = unsafe { ffi::PyGC_Disable() } == 1;
        Self {
            was_enabled,
            _python: python,
        }
    }
}

impl Drop for CollectorPause<'_> {
    fn drop(&mut self) {
        if self.was_enabled {
            // SAFETY: the GIL is held, as `_python` proves.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}
