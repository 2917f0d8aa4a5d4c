//! Python values to serialized Examples.

use std::borrow::Cow;

use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};
use recordfs_core::example::{self, FeatureValues, Kind};

use super::doubles::Doubles;
use super::parser::kind_named;
use crate::error::{invalid_argument, is_invalid_argument};
use crate::python_call::{call, items};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_example, module)?)?;
    module.add_function(wrap_pyfunction!(encode_sequence_example, module)?)?;
    module.add_function(wrap_pyfunction!(encode_columns, module)?)
}

/// One value's bytes and what keeps them alive.
enum HeldBytes<'py> {
    Bytes(Bound<'py, PyBytes>),
    Text(Bound<'py, PyString>),
    Copied(Vec<u8>),
}

impl HeldBytes<'_> {
    fn bytes(&self) -> PyResult<&[u8]> {
        match self {
            HeldBytes::Bytes(value) => Ok(value.as_bytes()),
            HeldBytes::Text(value) => Ok(value.to_str()?.as_bytes()),
            HeldBytes::Copied(value) => Ok(value),
        }
    }
}

/// The values of a feature and what keeps them alive.
enum Held<'py> {
    Unset,
    Bytes(Vec<HeldBytes<'py>>),
    Float(Vec<f32>),
    FloatBuffer(PyBuffer<f32>),
    Int64(Vec<i64>),
    Int64Buffer(PyBuffer<i64>),
}

impl Held<'_> {
    fn values(&self) -> PyResult<FeatureValues<'_>> {
        Ok(match self {
            Held::Unset => FeatureValues::Unset,
            Held::Bytes(values) => FeatureValues::Bytes(
                values
                    .iter()
                    .map(HeldBytes::bytes)
                    .collect::<PyResult<Cow<'_, [_]>>>()?,
            ),
            Held::Float(values) => FeatureValues::Float(Cow::Borrowed(values)),
            Held::Int64(values) => FeatureValues::Int64(Cow::Borrowed(values)),
            // SAFETY: a contiguous buffer of this type, exported while `self` lives; the GIL is held all the while.
            Held::FloatBuffer(buffer) => FeatureValues::Float(Cow::Borrowed(unsafe { buffer_slice(buffer) })),
            // SAFETY: as above.
            Held::Int64Buffer(buffer) => FeatureValues::Int64(Cow::Borrowed(unsafe { buffer_slice(buffer) })),
        })
    }
}

/// # Safety
/// The buffer is contiguous and nobody writes to it while the slice is used.
unsafe fn buffer_slice<T: pyo3::buffer::Element>(buffer: &PyBuffer<T>) -> &[T] {
    if buffer.item_count() == 0 {
        return &[];
    }
    // SAFETY: the caller's promise; `PyBuffer` has checked format, size and alignment.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<T>().cast_const(), buffer.item_count()) }
}

fn refuse<T>(message: String) -> PyResult<T> {
    Err(invalid_argument(message))
}

fn int64(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract().or_else(|_| {
        refuse(format!(
            "{value} does not fit into an int64, which is what a feature holds"
        ))
    })
}

/// Any value that a feature can have. What is not known here is given to `as_plain`, which makes a contiguous
/// native array or a list of it, once.
fn hold<'py>(value: &Bound<'py, PyAny>, as_plain: Option<&Bound<'py, PyAny>>, doubles: Doubles) -> PyResult<Held<'py>> {
    if let Some(one) = hold_bytes(value)? {
        return Ok(Held::Bytes(vec![one]));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Held::Float(vec![doubles.float32(float.value()).or_else(refuse)?]));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Held::Int64(vec![int64(value)?]));
    }
    if value.is_none() {
        return Ok(Held::Unset);
    }
    let listed = match (value.cast::<PyList>(), value.cast::<PyTuple>()) {
        (Ok(list), _) => hold_items(&list.iter().collect::<Vec<_>>(), as_plain.is_none(), doubles)?,
        (_, Ok(tuple)) => hold_items(&tuple.iter().collect::<Vec<_>>(), as_plain.is_none(), doubles)?,
        _ => PyUntypedBuffer::get(value)
            .ok()
            .and_then(|buffer| hold_buffer(value.py(), buffer, doubles).transpose())
            .transpose()?,
    };
    match (listed, as_plain) {
        (Some(held), _) => Ok(held),
        (None, Some(as_plain)) => hold(&call(as_plain, (value,))?, None, doubles),
        (None, None) => refuse(format!(
            "cannot be written as bytes, floats or integers: {}",
            value.get_type()
        )),
    }
}

fn encodable(text: &Bound<'_, PyString>) -> PyResult<()> {
    text.to_str()
        .map(|_| ())
        .or_else(|_| refuse("a str with a lone surrogate cannot be written as UTF-8".to_owned()))
}

fn hold_bytes<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<HeldBytes<'py>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(HeldBytes::Bytes(bytes.clone())));
    }
    if let Ok(text) = value.cast::<PyString>() {
        encodable(text)?;
        return Ok(Some(HeldBytes::Text(text.clone())));
    }
    if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        return Ok(Some(HeldBytes::Copied(PyBuffer::<u8>::get(value)?.to_vec(value.py())?)));
    }
    Ok(None)
}

/// A list of one kind. None if it holds anything else, or nothing: an empty list from `as_plain` is one of bytes.
fn hold_items<'py>(items: &[Bound<'py, PyAny>], from_plain: bool, doubles: Doubles) -> PyResult<Option<Held<'py>>> {
    let Some(first) = items.first() else {
        return Ok(from_plain.then(|| Held::Bytes(Vec::new())));
    };
    if hold_bytes(first)?.is_some() {
        let values: PyResult<Option<Vec<_>>> = items.iter().map(hold_bytes).collect();
        return Ok(values?.map(Held::Bytes));
    }
    if items.iter().all(|item| item.is_instance_of::<PyInt>()) {
        return Ok(Some(Held::Int64(items.iter().map(int64).collect::<PyResult<_>>()?)));
    }
    if items
        .iter()
        .all(|item| item.is_instance_of::<PyFloat>() || item.is_instance_of::<PyInt>())
    {
        return Ok(Some(Held::Float(
            items
                .iter()
                .map(|item| doubles.number(item)?.or_else(refuse))
                .collect::<PyResult<_>>()?,
        )));
    }
    Ok(None)
}

/// A contiguous array of native numbers. None for any other.
fn hold_buffer<'py>(py: Python<'py>, buffer: PyUntypedBuffer, doubles: Doubles) -> PyResult<Option<Held<'py>>> {
    if !buffer.is_c_contiguous() {
        return Ok(None);
    }
    let format = match buffer.format().to_bytes() {
        [b'@' | b'=', format] | [format] => *format,
        _ => return Ok(None),
    };
    if buffer.item_count() == 0 {
        // An empty buffer may be anywhere, aligned or not.
        return Ok(match format {
            b'f' | b'd' => Some(Held::Float(Vec::new())),
            b'b' | b'B' | b'h' | b'H' | b'i' | b'I' | b'l' | b'L' | b'q' | b'Q' => Some(Held::Int64(Vec::new())),
            _ => None,
        });
    }
    Ok(Some(match (format, buffer.item_size()) {
        (b'f', 4) => Held::FloatBuffer(buffer.into_typed()?),
        (b'l' | b'q', 8) => Held::Int64Buffer(buffer.into_typed()?),
        (b'd', 8) => Held::Float(
            buffer
                .into_typed::<f64>()?
                .to_vec(py)?
                .into_iter()
                .map(|value| doubles.float32(value).or_else(refuse))
                .collect::<PyResult<_>>()?,
        ),
        (b'b', 1) => widened::<i8>(py, buffer)?,
        (b'B', 1) => widened::<u8>(py, buffer)?,
        (b'h', 2) => widened::<i16>(py, buffer)?,
        (b'H', 2) => widened::<u16>(py, buffer)?,
        (b'i' | b'l', 4) => widened::<i32>(py, buffer)?,
        (b'I' | b'L', 4) => widened::<u32>(py, buffer)?,
        (b'Q' | b'L', 8) => Held::Int64(lossless_integers(&buffer.into_typed::<u64>()?.to_vec(py)?)?),
        _ => return Ok(None),
    }))
}

fn widened<'py, T: pyo3::buffer::Element + Into<i64>>(py: Python<'py>, buffer: PyUntypedBuffer) -> PyResult<Held<'py>> {
    Ok(Held::Int64(
        buffer
            .into_typed::<T>()?
            .to_vec(py)?
            .into_iter()
            .map(Into::into)
            .collect(),
    ))
}

fn lossless_integers(values: &[u64]) -> PyResult<Vec<i64>> {
    values
        .iter()
        .map(|&value| i64::try_from(value).or_else(|_| refuse(format!("{value} does not fit into an int64"))))
        .collect()
}

/// Says which feature an error is about; keeps its class.
fn name_feature(key: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = key.py();
    if !is_invalid_argument(py, &error) {
        return error;
    }
    invalid_argument(format!("feature {}: {}", describe(key), error.value(py)))
}

fn describe(key: &Bound<'_, PyAny>) -> String {
    key.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string())
}

fn key_of<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    match key.cast::<PyString>() {
        Ok(text) => encodable(text).map(|()| text.clone()),
        Err(_) => refuse(format!("a feature's name must be a str, found {}", describe(key))),
    }
}

type HeldFeatures<'py> = Vec<(Bound<'py, PyString>, Held<'py>)>;

fn hold_features<'py>(
    features: &Bound<'py, PyDict>,
    as_plain: &Bound<'py, PyAny>,
    doubles: Doubles,
) -> PyResult<HeldFeatures<'py>> {
    features
        .iter()
        .map(|(key, value)| {
            let held = hold(&value, Some(as_plain), doubles).map_err(|error| name_feature(&key, error))?;
            Ok((key_of(&key)?, held))
        })
        .collect()
}

fn as_features<'a>(features: &'a HeldFeatures<'_>) -> PyResult<Vec<(&'a [u8], FeatureValues<'a>)>> {
    features
        .iter()
        .map(|(key, held)| Ok((key.to_str()?.as_bytes(), held.values()?)))
        .collect()
}

fn finished<'py>(py: Python<'py>, record: Option<Vec<u8>>) -> PyResult<Bound<'py, PyBytes>> {
    match record {
        Some(record) => Ok(PyBytes::new(py, &record)),
        None => refuse("a record must be smaller than 2 GiB".to_owned()),
    }
}

/// One Example; `as_plain` turns what is not known here into an array, a list or None.
#[pyfunction]
fn encode_example<'py>(
    py: Python<'py>,
    features: &Bound<'py, PyDict>,
    as_plain: &Bound<'py, PyAny>,
    refuse_doubles: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let held = hold_features(features, as_plain, Doubles::new(refuse_doubles))?;
    finished(py, example::encode_example(&as_features(&held)?))
}

/// One SequenceExample; a feature list is an iterable of steps.
#[pyfunction]
fn encode_sequence_example<'py>(
    py: Python<'py>,
    context: &Bound<'py, PyDict>,
    feature_lists: &Bound<'py, PyDict>,
    as_plain: &Bound<'py, PyAny>,
    refuse_doubles: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let doubles = Doubles::new(refuse_doubles);
    let held = hold_features(context, as_plain, doubles)?;
    let mut held_lists = Vec::new();
    for (key, steps) in feature_lists.iter() {
        let steps: PyResult<Vec<_>> = items(&steps)?
            .map(|step| hold(&step?, Some(as_plain), doubles))
            .collect();
        held_lists.push((key_of(&key)?, steps.map_err(|error| name_feature(&key, error))?));
    }
    let lists: Vec<(&[u8], Vec<FeatureValues<'_>>)> = held_lists
        .iter()
        .map(|(key, steps)| {
            Ok((
                key.to_str()?.as_bytes(),
                steps.iter().map(Held::values).collect::<PyResult<_>>()?,
            ))
        })
        .collect::<PyResult<_>>()?;
    finished(py, example::encode_sequence_example(&as_features(&held)?, &lists))
}

/// A column as Python has prepared it: key, kind, values (a contiguous buffer of int64 or float32, or a list of bytes),
/// and row splits as a buffer of int64.
type ColumnTuple<'py> = (Bound<'py, PyString>, String, Bound<'py, PyAny>, PyBuffer<i64>);

enum ColumnValues<'py> {
    Int64(PyBuffer<i64>),
    Float(PyBuffer<f32>),
    Bytes(Vec<Bound<'py, PyBytes>>),
}

struct HeldColumn<'py> {
    key: Bound<'py, PyString>,
    values: ColumnValues<'py>,
    splits: Vec<usize>,
    present: Option<Vec<u8>>,
}

/// Records from columns whose row splits Python has checked to be ascending and within the values.
///
/// A row that `present` (one byte a record) marks as absent gets no such feature.
#[pyfunction]
fn encode_columns<'py>(
    py: Python<'py>,
    columns: Vec<(ColumnTuple<'py>, Option<PyBuffer<u8>>)>,
    count: usize,
) -> PyResult<Bound<'py, PyList>> {
    let held: Vec<_> = columns
        .into_iter()
        .map(|(column, present)| hold_column(py, column, present, count))
        .collect::<PyResult<_>>()?;
    let records: Vec<_> = (0..count)
        .map(|row| encode_row(py, &held, row))
        .collect::<PyResult<_>>()?;
    PyList::new(py, records)
}

fn hold_column<'py>(
    py: Python<'py>,
    (key, kind, values, splits): ColumnTuple<'py>,
    present: Option<PyBuffer<u8>>,
    count: usize,
) -> PyResult<HeldColumn<'py>> {
    let (values, length) = match kind_named(&kind)? {
        Kind::Int64 => {
            let values = contiguous(&values)?;
            let length = values.item_count();
            (ColumnValues::Int64(values), length)
        }
        Kind::Float => {
            let values = contiguous(&values)?;
            let length = values.item_count();
            (ColumnValues::Float(values), length)
        }
        Kind::Bytes => {
            let values = values.extract::<Vec<Bound<'py, PyBytes>>>()?;
            let length = values.len();
            (ColumnValues::Bytes(values), length)
        }
    };
    let splits: Vec<usize> = splits
        .to_vec(py)?
        .into_iter()
        .map(|split| usize::try_from(split).unwrap_or(usize::MAX))
        .collect();
    let present = present.map(|flags| flags.to_vec(py)).transpose()?;
    let sound = splits.len() == count + 1
        && splits.is_sorted()
        && splits[count] <= length
        && present.as_ref().is_none_or(|flags| flags.len() == count);
    if !sound {
        return refuse(format!(
            "column {key}: its row splits do not fit its values and the number of records"
        ));
    }
    Ok(HeldColumn {
        key,
        values,
        splits,
        present,
    })
}

fn contiguous<T: pyo3::buffer::Element>(values: &Bound<'_, PyAny>) -> PyResult<PyBuffer<T>> {
    let buffer = PyBuffer::get(values)?;
    if buffer.is_c_contiguous() {
        Ok(buffer)
    } else {
        refuse("a column's values must be contiguous".to_owned())
    }
}

fn encode_row<'py>(py: Python<'py>, columns: &[HeldColumn<'py>], row: usize) -> PyResult<Bound<'py, PyBytes>> {
    let mut features = Vec::with_capacity(columns.len());
    for column in columns {
        if column.present.as_ref().is_some_and(|present| present[row] == 0) {
            continue;
        }
        let range = column.splits[row]..column.splits[row + 1];
        let values = match &column.values {
            // SAFETY: contiguous (Python has seen to it), and the GIL is held while the slice is used.
            ColumnValues::Int64(values) => FeatureValues::Int64(Cow::Borrowed(unsafe { &buffer_slice(values)[range] })),
            // SAFETY: as above.
            ColumnValues::Float(values) => FeatureValues::Float(Cow::Borrowed(unsafe { &buffer_slice(values)[range] })),
            ColumnValues::Bytes(values) => {
                FeatureValues::Bytes(values[range].iter().map(|value| value.as_bytes()).collect())
            }
        };
        features.push((column.key.to_str()?.as_bytes(), values));
    }
    finished(py, example::encode_example(&features))
}
