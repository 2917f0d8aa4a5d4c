//! The object graph of a `tf.train.Checkpoint`: which Python attribute holds which tensor.
//!
//! ```text
//! TrackableObjectGraph { 1 nodes* { 1 children* { 1 node_id, 2 local_name }
//!                                   2 attributes* { 1 name, 2 full_name, 3 checkpoint_key, 4 optional_restore }
//!                                   3 slot_variables* { 1 original_variable_node_id, 2 slot_name, 3 slot_variable_node_id }
//!                                   4 registered_saver { 1 name, 2 object_name }
//!                                   5 has_checkpoint_values { 1 value } } }
//! ```

use std::fmt;

use super::wire::{put_number, put_string};
use crate::protobuf::{Field, Malformed, for_each_field, put_delimited};

/// Why bytes are no object graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// A message does not follow its format.
    Malformed,
    /// A node refers to one that is not there.
    Node {
        /// Where it is referred to.
        node: usize,
        /// The number.
        missing: i32,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "the object graph is no TrackableObjectGraph message"),
            Self::Node { node, missing } => {
                write!(
                    f,
                    "node {node} of the object graph refers to node {missing}, which is not there"
                )
            }
        }
    }
}

impl From<Malformed> for GraphError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// An attribute that leads to another object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// The other object's number.
    pub node_id: i32,
    /// The attribute's name.
    pub local_name: String,
}

/// A value that an object saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// `VARIABLE_VALUE` for a variable.
    pub name: String,
    /// The variable's name in the program that saved it.
    pub full_name: String,
    /// The tensor's name in the checkpoint.
    pub checkpoint_key: String,
    /// Whether a program may do without it.
    pub optional_restore: bool,
}

/// A variable that an optimizer keeps for another variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotVariable {
    /// The variable that it is kept for.
    pub original_variable_node_id: i32,
    /// What the optimizer calls it.
    pub slot_name: String,
    /// The variable itself.
    pub slot_variable_node_id: i32,
}

/// The registered saver of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisteredSaver {
    /// The saver's name.
    pub name: String,
    /// The object's name, unique among those of one saver.
    pub object_name: String,
}

/// One object. Node 0 is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What its attributes lead to.
    pub children: Vec<Child>,
    /// What it saved.
    pub attributes: Vec<Attribute>,
    /// What it keeps for variables, if it is an optimizer.
    pub slot_variables: Vec<SlotVariable>,
    /// Who saved it, if not it itself.
    pub registered_saver: Option<RegisteredSaver>,
    /// Whether it or anything below saved a value; None in old files.
    pub has_checkpoint_values: Option<bool>,
}

/// Reads a `TrackableObjectGraph`.
///
/// # Errors
/// The bytes are none, or refer to nodes that are not there.
pub fn decode_graph(message: &[u8]) -> Result<Vec<Node>, GraphError> {
    let mut nodes = Vec::new();
    for_each_field(message, |number, field| {
        if let (1, Field::Delimited(node)) = (number, field) {
            nodes.push(decode_node(node)?);
        }
        Ok::<(), GraphError>(())
    })?;
    let there = |id: i32| usize::try_from(id).is_ok_and(|id| id < nodes.len());
    for (place, node) in nodes.iter().enumerate() {
        let children = node.children.iter().map(|child| child.node_id);
        let slots = node.slot_variables.iter();
        let slots = slots.flat_map(|slot| [slot.original_variable_node_id, slot.slot_variable_node_id]);
        if let Some(missing) = children.chain(slots).find(|&id| !there(id)) {
            return Err(GraphError::Node { node: place, missing });
        }
    }
    Ok(nodes)
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed {
        reason: "a string that is not UTF-8",
    })
}

fn decode_node(message: &[u8]) -> Result<Node, Malformed> {
    let mut node = Node::default();
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Delimited(child)) => node.children.push(decode_child(child)?),
            (2, Field::Delimited(attribute)) => node.attributes.push(decode_attribute(attribute)?),
            (3, Field::Delimited(slot)) => node.slot_variables.push(decode_slot(slot)?),
            (4, Field::Delimited(saver)) => node.registered_saver = Some(decode_saver(saver)?),
            (5, Field::Delimited(wrapper)) => {
                let mut value = false;
                for_each_field(wrapper, |number, field| {
                    if let (1, Field::Varint(found)) = (number, field) {
                        value = found != 0;
                    }
                    Ok::<(), Malformed>(())
                })?;
                node.has_checkpoint_values = Some(value);
            }
            _ => {}
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(node)
}

fn decode_child(message: &[u8]) -> Result<Child, Malformed> {
    let mut child = Child::default();
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Varint(value)) => child.node_id = value as i32,
            (2, Field::Delimited(value)) => child.local_name = text(value)?,
            _ => {}
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(child)
}

fn decode_attribute(message: &[u8]) -> Result<Attribute, Malformed> {
    let mut attribute = Attribute::default();
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Delimited(value)) => attribute.name = text(value)?,
            (2, Field::Delimited(value)) => attribute.full_name = text(value)?,
            (3, Field::Delimited(value)) => attribute.checkpoint_key = text(value)?,
            (4, Field::Varint(value)) => attribute.optional_restore = value != 0,
            _ => {}
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(attribute)
}

fn decode_slot(message: &[u8]) -> Result<SlotVariable, Malformed> {
    let mut slot = SlotVariable::default();
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Varint(value)) => slot.original_variable_node_id = value as i32,
            (2, Field::Delimited(value)) => slot.slot_name = text(value)?,
            (3, Field::Varint(value)) => slot.slot_variable_node_id = value as i32,
            _ => {}
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(slot)
}

fn decode_saver(message: &[u8]) -> Result<RegisteredSaver, Malformed> {
    let mut saver = RegisteredSaver::default();
    for_each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Delimited(value)) => saver.name = text(value)?,
            (2, Field::Delimited(value)) => saver.object_name = text(value)?,
            _ => {}
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(saver)
}

/// Writes a `TrackableObjectGraph`.
#[must_use]
pub fn encode_graph(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        put_delimited(&mut out, 1, &encode_node(node));
    }
    out
}

fn encode_node(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    for child in &node.children {
        let mut message = Vec::new();
        put_number(&mut message, 1, i64::from(child.node_id));
        put_string(&mut message, 2, &child.local_name);
        put_delimited(&mut out, 1, &message);
    }
    for attribute in &node.attributes {
        let mut message = Vec::new();
        put_string(&mut message, 1, &attribute.name);
        put_string(&mut message, 2, &attribute.full_name);
        put_string(&mut message, 3, &attribute.checkpoint_key);
        put_number(&mut message, 4, i64::from(attribute.optional_restore));
        put_delimited(&mut out, 2, &message);
    }
    for slot in &node.slot_variables {
        let mut message = Vec::new();
        put_number(&mut message, 1, i64::from(slot.original_variable_node_id));
        put_string(&mut message, 2, &slot.slot_name);
        put_number(&mut message, 3, i64::from(slot.slot_variable_node_id));
        put_delimited(&mut out, 3, &message);
    }
    if let Some(saver) = &node.registered_saver {
        let mut message = Vec::new();
        put_string(&mut message, 1, &saver.name);
        put_string(&mut message, 2, &saver.object_name);
        put_delimited(&mut out, 4, &message);
    }
    if let Some(value) = node.has_checkpoint_values {
        let mut message = Vec::new();
        put_number(&mut message, 1, i64::from(value));
        put_delimited(&mut out, 5, &message);
    }
    out
}
