//! Columns as Arrow arrays. Numbers are handed over as they were decoded; bytes are copied once, from the records into
//! one block.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;

use recordfs_core::example::{Column, Kind, Values};

use super::arrow_abi::{ArrowArray, ArrowSchema, FLAG_NULLABLE};

/// What a column looks like in Arrow.
#[derive(Clone)]
pub struct ArrowField {
    /// The column's name.
    pub name: CString,
    /// The kind of the values.
    pub kind: Kind,
    /// None: a list of any length. Otherwise fixed-size lists, one in the other; none for one value.
    pub shape: Option<Vec<usize>>,
    /// Whether a record without the feature is a null.
    pub nullable: bool,
}

/// A type and its children.
struct SchemaNode {
    format: CString,
    name: CString,
    nullable: bool,
    children: Vec<SchemaNode>,
}

/// What a schema's pointers point to.
struct SchemaOwner {
    _format: CString,
    _name: CString,
    children: Vec<*mut ArrowSchema>,
}

unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: called once, with a schema of `SchemaNode::export`, whose private data is its boxed owner.
    unsafe {
        let owner = Box::from_raw((*schema).private_data.cast::<SchemaOwner>());
        for &child in &owner.children {
            drop(Box::from_raw(child));
        }
        (*schema).release = None;
    }
}

impl SchemaNode {
    fn new(format: &str, name: CString, nullable: bool, children: Vec<SchemaNode>) -> Self {
        let format = CString::new(format).expect("formats have no NUL");
        Self {
            format,
            name,
            nullable,
            children,
        }
    }

    fn export(self) -> ArrowSchema {
        let children = self
            .children
            .into_iter()
            .map(|child| Box::into_raw(Box::new(child.export())))
            .collect();
        let mut owner = Box::new(SchemaOwner {
            _format: self.format,
            _name: self.name,
            children,
        });
        let mut schema = ArrowSchema::released();
        schema.format = owner._format.as_ptr();
        schema.name = owner._name.as_ptr();
        schema.flags = if self.nullable { FLAG_NULLABLE } else { 0 };
        schema.n_children = owner.children.len() as i64;
        schema.children = owner.children.as_mut_ptr();
        schema.release = Some(release_schema);
        schema.private_data = Box::into_raw(owner).cast();
        schema
    }
}

fn field_schema(field: &ArrowField) -> SchemaNode {
    let leaf_format = match field.kind {
        Kind::Int64 => "l",
        Kind::Float => "f",
        Kind::Bytes => "Z",
    };
    let item = || CString::from(c"item");
    let (formats, nullable): (Vec<String>, bool) = match &field.shape {
        None => (vec!["+L".to_owned()], field.nullable),
        Some(shape) => (shape.iter().map(|size| format!("+w:{size}")).collect(), field.nullable),
    };
    let mut names = std::iter::once(field.name.clone()).chain(std::iter::repeat_with(item));
    let mut levels: Vec<(String, CString, bool)> = Vec::new();
    for (level, format) in formats.into_iter().chain([leaf_format.to_owned()]).enumerate() {
        levels.push((format, names.next().expect("endless"), nullable && level == 0));
    }
    let mut node: Option<SchemaNode> = None;
    for (format, name, nullable) in levels.into_iter().rev() {
        node = Some(SchemaNode::new(&format, name, nullable, node.into_iter().collect()));
    }
    node.expect("there is a leaf")
}

/// The schema of a batch: a struct of all fields.
pub fn batch_schema(fields: &[ArrowField]) -> ArrowSchema {
    SchemaNode::new(
        "+s",
        CString::default(),
        false,
        fields.iter().map(field_schema).collect(),
    )
    .export()
}

/// The memory of one buffer.
enum Memory {
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Memory {
    fn address(&self) -> *const c_void {
        match self {
            Memory::Int64(values) => values.as_ptr().cast(),
            Memory::Float(values) => values.as_ptr().cast(),
            Memory::Bytes(values) => values.as_ptr().cast(),
        }
    }
}

/// An array whose memory may be exported any number of times.
#[derive(Clone)]
pub struct ArrayNode {
    length: usize,
    null_count: usize,
    buffers: Vec<Option<Arc<Memory>>>,
    children: Vec<ArrayNode>,
}

/// What an array's pointers point to.
struct ArrayOwner {
    _memory: Vec<Option<Arc<Memory>>>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: called once, with an array of `ArrayNode::export`, whose private data is its boxed owner.
    unsafe {
        let owner = Box::from_raw((*array).private_data.cast::<ArrayOwner>());
        for &child in &owner.children {
            drop(Box::from_raw(child));
        }
        (*array).release = None;
    }
}

impl ArrayNode {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.length
    }

    /// The array as the C data interface has it.
    pub fn export(self) -> ArrowArray {
        let buffers = self
            .buffers
            .iter()
            .map(|memory| memory.as_ref().map_or(ptr::null(), |memory| memory.address()));
        let mut owner = Box::new(ArrayOwner {
            buffers: buffers.collect(),
            _memory: self.buffers,
            children: self
                .children
                .into_iter()
                .map(|child| Box::into_raw(Box::new(child.export())))
                .collect(),
        });
        let mut array = ArrowArray::released();
        array.length = self.length as i64;
        array.null_count = self.null_count as i64;
        array.n_buffers = owner.buffers.len() as i64;
        array.buffers = owner.buffers.as_mut_ptr();
        array.n_children = owner.children.len() as i64;
        array.children = owner.children.as_mut_ptr();
        array.release = Some(release_array);
        array.private_data = Box::into_raw(owner).cast();
        array
    }
}

/// The batch as one struct array.
pub fn batch_array(fields: &[ArrowField], columns: Vec<Column<'_>>, rows: usize) -> ArrayNode {
    let children = fields
        .iter()
        .zip(columns)
        .map(|(field, column)| column_array(field, column))
        .collect();
    ArrayNode {
        length: rows,
        null_count: 0,
        buffers: vec![None],
        children,
    }
}

fn column_array(field: &ArrowField, column: Column<'_>) -> ArrayNode {
    let rows = column.present.len();
    let (validity, null_count) = if field.nullable {
        validity(&column.present)
    } else {
        (None, 0)
    };
    let Some(shape) = &field.shape else {
        let splits = column.row_splits.unwrap_or_else(|| vec![0]);
        let buffers = vec![validity, Some(Arc::new(Memory::Int64(splits)))];
        return ArrayNode {
            length: rows,
            null_count,
            buffers,
            children: vec![leaf_array(column.values)],
        };
    };
    let mut node = leaf_array(column.values);
    // The lengths of the levels, from the inside out: each is the number of lists of that level.
    for level in (0..shape.len()).rev() {
        let lists = rows * shape[..level].iter().product::<usize>();
        node = ArrayNode {
            length: lists,
            null_count: 0,
            buffers: vec![None],
            children: vec![node],
        };
    }
    node.buffers[0] = validity;
    node.null_count = null_count;
    node
}

fn leaf_array(values: Values<'_>) -> ArrayNode {
    let length = values.len();
    let buffers = match values {
        Values::Int64(values) => vec![None, Some(Arc::new(Memory::Int64(values)))],
        Values::Float(values) => vec![None, Some(Arc::new(Memory::Float(values)))],
        Values::Bytes(values) => {
            let mut offsets = Vec::with_capacity(length + 1);
            let mut data = Vec::with_capacity(values.iter().map(|value| value.len()).sum());
            offsets.push(0);
            for value in values {
                data.extend_from_slice(value);
                offsets.push(data.len() as i64);
            }
            vec![
                None,
                Some(Arc::new(Memory::Int64(offsets))),
                Some(Arc::new(Memory::Bytes(data))),
            ]
        }
    };
    ArrayNode {
        length,
        null_count: 0,
        buffers,
        children: Vec::new(),
    }
}

/// One bit a record, and the number of records without the feature. No bitmap if every record has it.
fn validity(present: &[bool]) -> (Option<Arc<Memory>>, usize) {
    let null_count = present.iter().filter(|&&there| !there).count();
    if null_count == 0 {
        return (None, 0);
    }
    let mut bits = vec![0u8; present.len().div_ceil(8)];
    for (row, _) in present.iter().enumerate().filter(|(_, there)| **there) {
        bits[row / 8] |= 1 << (row % 8);
    }
    (Some(Arc::new(Memory::Bytes(bits))), null_count)
}
