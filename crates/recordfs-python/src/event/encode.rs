//! Messages from plain Python values.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use recordfs_core::event::encode_scalar_event;
use recordfs_core::protobuf::{put_delimited, put_fixed32, put_fixed64, put_varint};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_message, module)?)?;
    module.add_function(wrap_pyfunction!(encode_scalar, module)?)
}

/// Makes a message of fields ``(number, kind, value)`` in this order. Kinds: ``"v"`` varint (int or bool), ``"d"``
/// double, ``"f"`` float, ``"b"`` bytes or str.
#[pyfunction]
fn encode_message<'py>(
    py: Python<'py>,
    fields: Vec<(u32, Bound<'py, PyString>, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    for (number, kind, value) in &fields {
        match kind.to_str()? {
            "v" => put_varint(&mut out, *number, value.extract::<i64>()? as u64),
            "d" => put_fixed64(&mut out, *number, value.extract::<f64>()?.to_le_bytes()),
            "f" => put_fixed32(&mut out, *number, (value.extract::<f64>()? as f32).to_le_bytes()),
            "b" => match value.cast::<PyString>() {
                Ok(text) => put_delimited(&mut out, *number, text.to_str()?.as_bytes()),
                Err(_) => put_delimited(&mut out, *number, value.extract::<&[u8]>()?),
            },
            other => return Err(PyValueError::new_err(format!("unknown kind of field {other:?}"))),
        }
    }
    Ok(PyBytes::new(py, &out))
}

/// The event of one scalar, without metadata.
#[pyfunction]
fn encode_scalar<'py>(py: Python<'py>, tag: &str, value: f64, step: i64, wall_time: f64) -> Bound<'py, PyBytes> {
    let mut out = Vec::new();
    encode_scalar_event(&mut out, wall_time, step, tag, value as f32);
    PyBytes::new(py, &out)
}
