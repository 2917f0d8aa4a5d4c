//! The one number of a `TensorProto` that is a scalar.

use crate::protobuf::{Field, for_each_field};
use crate::varint;

use super::decode::NotAnEvent;

/// A scalar as a file stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    /// Of 32 bits.
    Float(f32),
    /// Of 64 bits, or an integer.
    Double(f64),
}

const FLOAT: u64 = 1;
const DOUBLE: u64 = 2;
const INT32: u64 = 3;
const INT64: u64 = 9;

/// The number in a tensor of one element of a type that scalars are written in; None for every other tensor.
///
/// A tensor whose content is shorter than its shape repeats its last value, and one without any content is zero.
/// Source: `tensorflow/core/framework/tensor.proto`.
pub(crate) fn scalar_of(tensor: &[u8]) -> Result<Option<Scalar>, NotAnEvent> {
    let (mut dtype, mut elements, mut content) = (0, 1u64, &[][..]);
    let mut scalar = None;
    let mut values = 0u64;
    for_each_field::<NotAnEvent>(tensor, |number, field| {
        match (number, field) {
            (1, Field::Varint(value)) => dtype = value,
            (2, Field::Delimited(shape)) => elements = element_count(shape)?,
            (4, Field::Delimited(bytes)) => content = bytes,
            (5, Field::Fixed32(bytes)) => {
                scalar = Some(Scalar::Float(f32::from_le_bytes(bytes)));
                values += 1;
            }
            (5, Field::Delimited(packed)) => {
                scalar = packed
                    .first_chunk()
                    .map(|bytes| Scalar::Float(f32::from_le_bytes(*bytes)));
                values += packed.len() as u64 / 4;
            }
            (6, Field::Fixed64(bytes)) => {
                scalar = Some(Scalar::Double(f64::from_le_bytes(bytes)));
                values += 1;
            }
            (6, Field::Delimited(packed)) => {
                scalar = packed
                    .first_chunk()
                    .map(|bytes| Scalar::Double(f64::from_le_bytes(*bytes)));
                values += packed.len() as u64 / 8;
            }
            (7 | 10, Field::Varint(value)) => {
                scalar = Some(Scalar::Double(value as i64 as f64));
                values += 1;
            }
            (7 | 10, Field::Delimited(packed)) => {
                scalar = varint::decode_one(packed).map(|(value, _)| Scalar::Double(value as i64 as f64));
                values += varint::count(packed) as u64;
            }
            _ => {}
        }
        Ok(())
    })?;
    if elements != 1 || values > 1 {
        return Ok(None);
    }
    Ok(match (dtype, content.len()) {
        (FLOAT, 4) => content
            .first_chunk()
            .map(|bytes| Scalar::Float(f32::from_le_bytes(*bytes))),
        (DOUBLE, 8) => content
            .first_chunk()
            .map(|bytes| Scalar::Double(f64::from_le_bytes(*bytes))),
        (INT32, 4) => content
            .first_chunk()
            .map(|bytes| Scalar::Double(f64::from(i32::from_le_bytes(*bytes)))),
        (INT64, 8) => content
            .first_chunk()
            .map(|bytes| Scalar::Double(i64::from_le_bytes(*bytes) as f64)),
        (FLOAT, 0) => Some(scalar.unwrap_or(Scalar::Float(0.0))),
        (DOUBLE | INT32 | INT64, 0) => Some(scalar.unwrap_or(Scalar::Double(0.0))),
        _ => None,
    })
}

/// The number of elements of a `TensorShapeProto`; 0 where it is unknown.
fn element_count(shape: &[u8]) -> Result<u64, NotAnEvent> {
    let mut elements = 1u64;
    for_each_field::<NotAnEvent>(shape, |number, field| {
        match (number, field) {
            (2, Field::Delimited(dimension)) => {
                let mut size = 0;
                for_each_field::<NotAnEvent>(dimension, |number, field| {
                    if let (1, Field::Varint(value)) = (number, field) {
                        size = value;
                    }
                    Ok(())
                })?;
                elements = elements.saturating_mul(size);
            }
            (3, Field::Varint(unknown)) if unknown != 0 => elements = 0,
            _ => {}
        }
        Ok(())
    })?;
    Ok(elements)
}
