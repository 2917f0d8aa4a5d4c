//! The one rule for numbers of more digits than a feature holds: a double is rounded to the nearest float32, as every
//! writer of Examples does, or refused where the caller wants no digit lost.

use pyo3::prelude::*;
use pyo3::types::PyFloat;

/// What to do with a double that no float32 equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubles {
    /// Write the nearest float32.
    Round,
    /// Say so.
    Refuse,
}

impl Doubles {
    /// From the flag that Python gives.
    pub fn new(refuse: bool) -> Self {
        if refuse { Doubles::Refuse } else { Doubles::Round }
    }

    /// The double as a float32. To turn a number into infinity is no rounding, so that is refused always.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn float32(self, value: f64) -> Result<f32, String> {
        let rounded = value as f32;
        if rounded.is_infinite() && value.is_finite() {
            return Err(format!(
                "{value} does not fit into a float32, which is what a feature holds"
            ));
        }
        if self == Doubles::Refuse && !value.is_nan() && f64::from(rounded) != value {
            return Err(format!(
                "{value} is a double that no float32 equals; doubles=\"round\" writes the nearest, {rounded}"
            ));
        }
        Ok(rounded)
    }

    /// A Python float, or an int among floats, which is never rounded.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn number(self, value: &Bound<'_, PyAny>) -> PyResult<Result<f32, String>> {
        if let Ok(float) = value.cast::<PyFloat>() {
            return Ok(self.float32(float.value()));
        }
        let rounded = match value.extract::<f64>() {
            Ok(number) => number as f32,
            Err(_) => f32::INFINITY, // an int beyond all doubles
        };
        // Python compares an int with a float exactly.
        Ok(if value.eq(f64::from(rounded))? {
            Ok(rounded)
        } else {
            Err(format!(
                "the integer {value} among floats does not fit into a float32 without loss"
            ))
        })
    }
}
