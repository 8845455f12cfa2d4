//! What a graph holds, by a walk over its nodes.

use std::{ffi::CStr, mem::MaybeUninit, ptr};

use cudarc::driver::{
    result::DriverError,
    sys::{
        self, CUDA_KERNEL_NODE_PARAMS, CUDA_MEMCPY3D, CUDA_MEMSET_NODE_PARAMS, CUfunction, CUfunction_attribute,
        CUgraph, CUgraphNode, CUgraphNodeType_enum as NodeType,
    },
};

use super::{CudaError, Graph, error::During};
use crate::census::{Census, KernelLaunch};

impl Graph {
    /// Counts its nodes, those of child graphs included. Kernels are in the order in which the driver lists the nodes.
    pub fn census(&self) -> Result<Census, CudaError> {
        self.bind()?;
        let mut census = Census::default();
        add_graph(self.raw(), &mut census).during(|| "walking over the nodes of a graph".into())?;
        Ok(census)
    }
}

/// Adds what `graph` holds. It must live, and its context must be current.
fn add_graph(graph: CUgraph, census: &mut Census) -> Result<(), DriverError> {
    for node in nodes(graph)? {
        add_node(node, census)?;
    }
    Ok(())
}

fn nodes(graph: CUgraph) -> Result<Vec<CUgraphNode>, DriverError> {
    let mut count = 0;
    // SAFETY: without an array the driver only gives the number of nodes.
    unsafe { sys::cuGraphGetNodes(graph, ptr::null_mut(), &mut count) }.result()?;
    let mut nodes = vec![ptr::null_mut(); count];
    if count > 0 {
        // SAFETY: the array has room for `count` nodes, of which the driver fills as many as there are.
        unsafe { sys::cuGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count) }.result()?;
        nodes.truncate(count);
    }
    Ok(nodes)
}

fn add_node(node: CUgraphNode, census: &mut Census) -> Result<(), DriverError> {
    // A number, because a newer driver may know types that the enum does not have.
    let mut kind = u32::MAX;
    // SAFETY: the enum is as large as its number, and every number is one.
    unsafe { sys::cuGraphNodeGetType(node, (&raw mut kind).cast()) }.result()?;
    let is = |node_type: NodeType| kind == node_type as u32;
    if is(NodeType::CU_GRAPH_NODE_TYPE_KERNEL) {
        census.kernels.push(kernel(node)?);
    } else if is(NodeType::CU_GRAPH_NODE_TYPE_MEMCPY) {
        census.copies.push(copied_bytes(node)?);
    } else if is(NodeType::CU_GRAPH_NODE_TYPE_MEMSET) {
        census.memsets.push(set_bytes(node)?);
    } else if is(NodeType::CU_GRAPH_NODE_TYPE_GRAPH) {
        let mut child = ptr::null_mut();
        // SAFETY: the node is one of a child graph, which it owns.
        unsafe { sys::cuGraphChildGraphNodeGetGraph(node, &mut child) }.result()?;
        add_graph(child, census)?;
    } else if is(NodeType::CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
        census.allocations.push("allocation node".to_owned());
    } else if is(NodeType::CU_GRAPH_NODE_TYPE_MEM_FREE) {
        census.allocations.push("free node".to_owned());
    } else if !is(NodeType::CU_GRAPH_NODE_TYPE_EMPTY) {
        census.others.push(other(kind));
    }
    Ok(())
}

/// What people call a node of a type that no operator should need.
fn other(kind: u32) -> String {
    let named = [
        (NodeType::CU_GRAPH_NODE_TYPE_HOST, "host function node"),
        (NodeType::CU_GRAPH_NODE_TYPE_WAIT_EVENT, "event wait node"),
        (NodeType::CU_GRAPH_NODE_TYPE_EVENT_RECORD, "event record node"),
        (NodeType::CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL, "semaphore signal node"),
        (NodeType::CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT, "semaphore wait node"),
        (NodeType::CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, "batch of memory operations"),
        (NodeType::CU_GRAPH_NODE_TYPE_CONDITIONAL, "conditional node"),
    ];
    let name = named.into_iter().find(|(node_type, _)| *node_type as u32 == kind).map(|(_, name)| name.to_owned());
    name.unwrap_or_else(|| format!("node of type {kind}"))
}

fn kernel(node: CUgraphNode) -> Result<KernelLaunch, DriverError> {
    let mut parameters = MaybeUninit::<CUDA_KERNEL_NODE_PARAMS>::zeroed();
    // SAFETY: the node is a kernel's, and there is room for its parameters.
    unsafe { sys::cuGraphKernelNodeGetParams_v2(node, parameters.as_mut_ptr()) }.result()?;
    // SAFETY: numbers and pointers, for which zeros are values, and the driver has written them.
    let parameters = unsafe { parameters.assume_init() };
    let mut function = parameters.func;
    if function.is_null() {
        // SAFETY: a node without a function has a kernel, of the current context.
        unsafe { sys::cuKernelGetFunction(&mut function, parameters.kern) }.result()?;
    }
    Ok(KernelLaunch {
        name: function_name(function)?,
        grid: [parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ],
        block: [parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ],
        dynamic_shared_bytes: parameters.sharedMemBytes,
        static_shared_bytes: attribute(function, CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
        registers: attribute(function, CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
    })
}

fn function_name(function: CUfunction) -> Result<String, DriverError> {
    let mut name = ptr::null();
    // SAFETY: the function belongs to a loaded module, because a node holds it.
    unsafe { sys::cuFuncGetName(&mut name, function) }.result()?;
    // SAFETY: the driver's string lives as long as the module.
    Ok(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

fn attribute(function: CUfunction, attribute: CUfunction_attribute) -> Result<u32, DriverError> {
    let mut value = 0;
    // SAFETY: as for the name.
    unsafe { sys::cuFuncGetAttribute(&mut value, attribute, function) }.result()?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn copied_bytes(node: CUgraphNode) -> Result<u64, DriverError> {
    let mut parameters = MaybeUninit::<CUDA_MEMCPY3D>::zeroed();
    // SAFETY: the node is a copy's, and there is room for its parameters.
    unsafe { sys::cuGraphMemcpyNodeGetParams(node, parameters.as_mut_ptr()) }.result()?;
    let parameters = parameters.as_ptr();
    // SAFETY: all bytes are initialised, and only numbers are read: the enums in it may hold values of a newer driver.
    let [width, height, depth] =
        unsafe { [(*parameters).WidthInBytes, (*parameters).Height, (*parameters).Depth] }.map(|extent| extent as u64);
    Ok(width * height.max(1) * depth.max(1))
}

fn set_bytes(node: CUgraphNode) -> Result<u64, DriverError> {
    let mut parameters = MaybeUninit::<CUDA_MEMSET_NODE_PARAMS>::zeroed();
    // SAFETY: the node is a memset's, and there is room for its parameters.
    unsafe { sys::cuGraphMemsetNodeGetParams(node, parameters.as_mut_ptr()) }.result()?;
    // SAFETY: numbers only, for which zeros are values, and the driver has written them.
    let parameters = unsafe { parameters.assume_init() };
    Ok(parameters.width as u64 * u64::from(parameters.elementSize) * parameters.height.max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::{Context, DeviceBuffer, Stream};

    #[test]
    fn nodes_have_names_or_numbers() {
        assert_eq!(other(NodeType::CU_GRAPH_NODE_TYPE_HOST as u32), "host function node");
        assert_eq!(other(99), "node of type 99");
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn memsets_are_found_with_their_bytes_and_an_empty_graph_is_empty() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let buffer = DeviceBuffer::new(&context, 4096).unwrap();
        let graph = stream
            .capture(|stream| {
                // SAFETY: the buffer outlives the graph, which is never launched.
                unsafe { stream.fill(buffer.address(), 1000, 1) }?;
                // SAFETY: as above.
                unsafe { stream.fill(buffer.address() + 2048, 24, 2) }
            })
            .unwrap();
        let census = graph.census().unwrap();
        assert_eq!(census, Census { memsets: vec![1000, 24], ..Census::default() });
        assert_eq!(stream.capture(|_| Ok(())).unwrap().census().unwrap(), Census::default());
    }
}
