//! A recorded call that can be replayed with one launch.

use cudarc::driver::{
    result,
    sys::{CUgraph, CUgraphExec, CUgraphInstantiate_flags},
};

use super::{Context, CudaError, Stream, error::During};

/// An instantiated graph. It holds the addresses that were captured, so their buffers must outlive its replays.
pub struct Graph {
    graph: CUgraph,
    executable: CUgraphExec,
    context: Context,
}

impl Graph {
    /// Takes over a captured graph.
    pub(super) fn instantiate(context: &Context, graph: CUgraph) -> Result<Self, CudaError> {
        let no_flags = CUgraphInstantiate_flags(0);
        // SAFETY: the graph was captured a moment ago and is owned here.
        match unsafe { result::graph::instantiate(graph, no_flags) }.during(|| "instantiating a graph".into()) {
            Ok(executable) => Ok(Self { graph, executable, context: context.clone() }),
            Err(error) => {
                // SAFETY: owned here and used nowhere else.
                let _ = unsafe { result::graph::destroy(graph) };
                Err(error)
            }
        }
    }

    /// The graph from which it was instantiated.
    pub(super) fn raw(&self) -> CUgraph {
        self.graph
    }

    /// Makes its context current on the calling thread.
    pub(super) fn bind(&self) -> Result<(), CudaError> {
        self.context.bind()
    }

    /// Enqueues one replay.
    ///
    /// # Safety
    /// What [`Stream::launch`] demands of the captured calls must still hold, until the work is done.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<(), CudaError> {
        self.context.bind()?;
        // SAFETY: graph and stream live; the addresses in the graph are the caller's promise.
        unsafe { result::graph::launch(self.executable, stream.raw()) }.during(|| "launching a graph".into())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: both were made in `instantiate`. An error means that the context is lost, and they with it.
            let _ = unsafe { result::graph::exec_destroy(self.executable) };
            // SAFETY: as above.
            let _ = unsafe { result::graph::destroy(self.graph) };
        }
    }
}
