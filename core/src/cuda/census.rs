//! Counting what one call of a session does.

use super::{CudaError, CudaSession, Geometry};
use crate::{
    census::{CallCensus, GraphCensus},
    cupti::{CuptiError, Trace},
};

/// Why a call could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// The call itself failed, or the GPU did.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// The records failed.
    #[error(transparent)]
    Cupti(#[from] CuptiError),
}

impl CudaSession<'_> {
    /// Counts what one call does, three times: by CUPTI's records of an eager call, by the nodes of the graph that captures
    /// a call, and by CUPTI's records of a replay.
    ///
    /// A first call that is not counted loads what is loaded lazily. Nothing else may use this process's GPUs meanwhile.
    pub fn census(&mut self) -> Result<CallCensus, CensusError> {
        // Recording begins before the graph is made, so that CUPTI knows the graph's nodes.
        let mut trace = Trace::start()?;
        let context = self.device().context().clone();
        let settle = || Ok(context.synchronize()?);
        self.enqueue(Geometry::default())?;
        context.synchronize()?;
        let eager = trace.census(|| Ok(self.enqueue(Geometry::default())?), settle)?;
        let graph = match self.capture() {
            Ok(graph) => graph,
            Err(error) if error.is_sticky() => return Err(error.into()),
            Err(error) => {
                return Ok(CallCensus { eager, graph: GraphCensus::Refused { reason: error.to_string() } });
            }
        };
        let nodes = graph.census()?;
        // SAFETY: the captured tensors and the workspace belong to this session and live until the synchronisation.
        let replay = || unsafe { graph.launch(self.stream()) }.map_err(CensusError::from);
        // The first launch of a graph uploads it.
        replay()?;
        context.synchronize()?;
        let replay = trace.census(replay, settle)?;
        Ok(CallCensus { eager, graph: GraphCensus::Captured { nodes: nodes.into(), replay: replay.into() } })
    }
}
