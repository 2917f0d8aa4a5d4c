//! The extension module `recordfs._core`: the only Rust that knows Python.

mod region;
mod scan;

use pyo3::prelude::*;

/// Registers the native names.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    region::register(module)?;
    scan::register(module)
}
