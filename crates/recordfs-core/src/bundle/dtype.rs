//! TensorFlow's numbers for types of elements, and how many bytes an element takes in a data file.

/// `DT_STRING`: elements are bytes of any length.
pub const DTYPE_STRING: i32 = 7;

/// `DT_VARIANT`: elements are serialized C++ objects.
pub const DTYPE_VARIANT: i32 = 21;

/// The bytes of one element, or None for types whose elements have no fixed size, or that nobody knows.
/// Types of less than a byte take one byte an element.
///
/// Source: `tensorflow/core/framework/types.proto`.
#[must_use]
pub const fn item_size(dtype: i32) -> Option<u64> {
    Some(match dtype {
        4 | 6 | 10 | 11 | 12 | 24..=33 => 1,
        5 | 14..=17 | 19 => 2,
        1 | 3 | 13 | 22 => 4,
        2 | 8 | 9 | 23 => 8,
        18 => 16,
        _ => return None,
    })
}
