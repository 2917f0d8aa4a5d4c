//! Whole messages as plain Python values, and tallies of what a file holds.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use recordfs_core::example::{
    DecodedFeature, FeatureCounts, MessageError, MessageKind, Summary, UnknownFields, decode_example as decode,
    decode_sequence_example,
};

use super::records::Records;
use crate::error::invalid_argument;
use crate::python_call::call;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ExampleSummary>()?;
    module.add_function(wrap_pyfunction!(decode_example, module)?)?;
    module.add_function(wrap_pyfunction!(message_kind, module)?)?;
    module.add_function(wrap_pyfunction!(decode_sequence, module)?)
}

fn python_error(error: &MessageError) -> PyErr {
    invalid_argument(error.to_string())
}

/// How a message becomes Python values.
struct Reading<'a, 'py> {
    /// Makes the empty list of a kind, which a plain one would not show.
    make_empty: &'a Bound<'py, PyAny>,
    unknown: UnknownFields,
}

impl<'a, 'py> Reading<'a, 'py> {
    fn new(make_empty: &'a Bound<'py, PyAny>, strict: bool) -> Self {
        let unknown = if strict {
            UnknownFields::Refuse
        } else {
            UnknownFields::Skip
        };
        Self { make_empty, unknown }
    }

    /// The error for a record: where unknown fields are refused, with what the record is instead.
    fn error(&self, record: &[u8], error: MessageError) -> PyErr {
        match self.unknown {
            UnknownFields::Skip => python_error(&error),
            UnknownFields::Refuse => python_error(&error.explained(record)),
        }
    }

    fn feature(&self, feature: &DecodedFeature<'_>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.make_empty.py();
        match feature.kind() {
            None => return Ok(py.None().into_bound(py)),
            Some(kind) if feature.is_empty() => return call(self.make_empty, (kind.name(),)),
            Some(_) => {}
        }
        Ok(match feature {
            DecodedFeature::Unset => py.None().into_bound(py),
            DecodedFeature::Bytes(values) => {
                PyList::new(py, values.iter().map(|value| PyBytes::new(py, value)))?.into_any()
            }
            DecodedFeature::Float(values) => PyList::new(py, values)?.into_any(),
            DecodedFeature::Int64(values) => PyList::new(py, values)?.into_any(),
        })
    }
}

/// The features of an Example: lists of bytes, float or int, None for a feature without a list, and what `make_empty`
/// makes of the kind's name for a list without values. `strict` refuses fields that no Example has.
#[pyfunction]
fn decode_example<'py>(
    py: Python<'py>,
    record: Bound<'py, PyAny>,
    make_empty: &Bound<'py, PyAny>,
    strict: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let records = Records::extract_one(record)?;
    let record = records.slices()[0];
    let reading = Reading::new(make_empty, strict);
    let features = decode(record, reading.unknown).map_err(|error| reading.error(record, error))?;
    let result = PyDict::new(py);
    for (key, feature) in &features {
        result.set_item(key, reading.feature(feature)?)?;
    }
    Ok(result)
}

/// The name of the message that a record is, "other" if it is none that is known.
#[pyfunction]
fn message_kind(py: Python<'_>, record: Bound<'_, PyAny>) -> PyResult<&'static str> {
    let records = Records::extract_one(record)?;
    let record = records.slices()[0];
    Ok(py.detach(|| MessageKind::of(record)).name())
}

/// The context and the feature lists of a SequenceExample: a feature list is a list of steps, each of them as
/// `decode_example` gives a feature.
#[pyfunction]
fn decode_sequence<'py>(
    py: Python<'py>,
    record: Bound<'py, PyAny>,
    make_empty: &Bound<'py, PyAny>,
    strict: bool,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let records = Records::extract_one(record)?;
    let record = records.slices()[0];
    let reading = Reading::new(make_empty, strict);
    let (features, lists) =
        decode_sequence_example(record, reading.unknown).map_err(|error| reading.error(record, error))?;
    let context = PyDict::new(py);
    for (key, feature) in &features {
        context.set_item(key, reading.feature(feature)?)?;
    }
    let feature_lists = PyDict::new(py);
    for (key, steps) in &lists {
        let steps = steps
            .iter()
            .map(|step| reading.feature(step))
            .collect::<PyResult<Vec<_>>>()?;
        feature_lists.set_item(key, PyList::new(py, steps)?)?;
    }
    Ok((context, feature_lists))
}

/// Records with the key; occurrences without a list, with bytes, floats, int64s; fewest and most values; fewest and
/// most steps.
type CountsTuple = (u64, [u64; 4], (usize, usize), (usize, usize));
type NamedCounts = Vec<(String, CountsTuple)>;

/// What features some records hold. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ExampleSummary {
    summary: Mutex<Summary>,
    max_features: usize,
}

#[pymethods]
impl ExampleSummary {
    #[new]
    fn new(max_features: usize) -> Self {
        Self {
            summary: Mutex::default(),
            max_features,
        }
    }

    /// Count a batch of records.
    ///
    /// Returns:
    ///     None, or the place in the batch and the fault of the first record that cannot be read; those before it count.
    fn add<'py>(&self, py: Python<'py>, records: &Bound<'py, PyAny>) -> PyResult<Option<(usize, String)>> {
        let records = Records::extract(records)?;
        let slices = records.slices();
        Ok(py.detach(|| {
            let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
            slices.iter().enumerate().find_map(|(place, record)| {
                let fault = summary.add(record, self.max_features).err()?;
                Some((place, fault.to_string()))
            })
        }))
    }

    /// Records counted, and the counts of each feature and of each feature list, in no order.
    fn result(&self, py: Python<'_>) -> (u64, NamedCounts, NamedCounts) {
        let summary = py.detach(|| self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let tuple =
            |(key, counts): (String, FeatureCounts)| (key, (counts.records, counts.kinds, counts.length, counts.steps));
        let features = summary.features.into_iter().map(tuple).collect();
        (
            summary.records,
            features,
            summary.feature_lists.into_iter().map(tuple).collect(),
        )
    }
}
