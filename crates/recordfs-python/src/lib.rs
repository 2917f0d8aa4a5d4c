//! The extension module `recordfs._core`: the only Rust that knows Python.

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

mod array_memory;
mod bundle;
mod checksum;
mod column_buffer;
mod copying;
mod descriptor;
mod error;
mod event;
mod example;
mod garbage;
mod large;
mod lease;
mod lines;
mod lock;
#[cfg(target_os = "linux")]
mod plugin;
mod process;
mod progress;
mod python_call;
mod read_ahead;
mod reader;
mod record_buffer;
mod record_table;
mod region;
mod scan;
mod short_way;
mod sink;
mod source;
mod stream;
mod window;
mod writer;

/// Registers the native names.
// Much here is guarded by the GIL alone. Without this, Python that can do without one would do without it.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    check_interpreter()?;
    array_memory::register(module)?;
    bundle::register(module)?;
    checksum::register(module)?;
    column_buffer::register(module)?;
    copying::register(module)?;
    descriptor::register(module)?;
    event::register(module)?;
    example::register(module)?;
    lines::register(module)?;
    #[cfg(target_os = "linux")]
    plugin::register(module)?;
    process::register(module)?;
    reader::register(module)?;
    record_table::register(module)?;
    region::register(module)?;
    scan::register(module)?;
    writer::register(module)
}

/// Refuses a second interpreter of the process: the classes here are one interpreter's, and the short ways are theirs.
fn check_interpreter() -> PyResult<()> {
    static FIRST: OnceLock<i64> = OnceLock::new();
    // SAFETY: a module is loaded by a thread that has an interpreter.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if *FIRST.get_or_init(|| this) == this {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "recordfs works in one interpreter of a process, and another one has loaded it already; use processes",
    ))
}
