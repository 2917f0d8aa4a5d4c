//! Object graphs as plain tuples, which `recordfs.checkpoint` gives names to.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use recordfs_core::bundle::{Attribute, Child, Node, RegisteredSaver, SlotVariable, decode_graph, encode_graph};

use crate::error::{ErrorClass, error};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(decode_object_graph, module)?)?;
    module.add_function(wrap_pyfunction!(encode_object_graph, module)?)
}

/// children, attributes, slot variables, registered saver, whether there are values.
type NodeTuple = (
    Vec<(i32, String)>,
    Vec<(String, String, String, bool)>,
    Vec<(i32, String, i32)>,
    Option<(String, String)>,
    Option<bool>,
);

/// Return the nodes of a serialized ``TrackableObjectGraph``, each as ``(children, attributes, slot variables,
/// registered saver or None, whether it has values or None)``: children ``(node, name)``, attributes ``(name, full
/// name, key, optional)``, slot variables ``(original node, slot name, node)``.
///
/// Raises:
///     DataLossError: The bytes are none, or refer to nodes that are not there.
#[pyfunction]
fn decode_object_graph(py: Python<'_>, data: &Bound<'_, PyBytes>, path: Py<PyString>) -> PyResult<Vec<NodeTuple>> {
    let nodes = decode_graph(data.as_bytes())
        .map_err(|failure| error(py, ErrorClass::DataLoss, &failure.to_string(), Some(&path), None))?;
    Ok(nodes.into_iter().map(to_tuple).collect())
}

fn to_tuple(node: Node) -> NodeTuple {
    (
        node.children
            .into_iter()
            .map(|child| (child.node_id, child.local_name))
            .collect(),
        node.attributes
            .into_iter()
            .map(|attribute| {
                let Attribute {
                    name,
                    full_name,
                    checkpoint_key,
                    optional_restore,
                } = attribute;
                (name, full_name, checkpoint_key, optional_restore)
            })
            .collect(),
        node.slot_variables
            .into_iter()
            .map(|slot| {
                (
                    slot.original_variable_node_id,
                    slot.slot_name,
                    slot.slot_variable_node_id,
                )
            })
            .collect(),
        node.registered_saver.map(|saver| (saver.name, saver.object_name)),
        node.has_checkpoint_values,
    )
}

/// Return the serialized ``TrackableObjectGraph`` of nodes as ``decode_object_graph`` gives them.
#[pyfunction]
fn encode_object_graph(py: Python<'_>, nodes: Vec<NodeTuple>) -> Bound<'_, PyBytes> {
    let nodes: Vec<Node> = nodes.into_iter().map(from_tuple).collect();
    PyBytes::new(py, &encode_graph(&nodes))
}

fn from_tuple((children, attributes, slots, saver, has_checkpoint_values): NodeTuple) -> Node {
    Node {
        children: children
            .into_iter()
            .map(|(node_id, local_name)| Child { node_id, local_name })
            .collect(),
        attributes: attributes
            .into_iter()
            .map(|(name, full_name, checkpoint_key, optional_restore)| Attribute {
                name,
                full_name,
                checkpoint_key,
                optional_restore,
            })
            .collect(),
        slot_variables: slots
            .into_iter()
            .map(
                |(original_variable_node_id, slot_name, slot_variable_node_id)| SlotVariable {
                    original_variable_node_id,
                    slot_name,
                    slot_variable_node_id,
                },
            )
            .collect(),
        registered_saver: saver.map(|(name, object_name)| RegisteredSaver { name, object_name }),
        has_checkpoint_values,
    }
}
