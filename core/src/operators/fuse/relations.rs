//! What a fuse problem shares with other problems.

use super::FuseProblem;
use crate::{
    operator::{Problem, Relation, RunError, RunProblem},
    operators::{resample::ResampleProblem, rows::join_columns},
    random::Seed,
    tensor::HostTensor,
};

/// `fuse == concat(resample)`, bit for bit.
pub(super) struct ConcatenatedResamples<'a>(pub(super) &'a FuseProblem);

impl Relation for ConcatenatedResamples<'_> {
    fn name(&self) -> &'static str {
        "concatenated_resamples"
    }

    fn follow_up(&self, inputs: &[HostTensor], _seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError> {
        let mut parts = Vec::new();
        for stream in self.0.streams(inputs) {
            let problem = ResampleProblem::new(self.0.dtype(), stream.shape).expect("a stream is no larger than all");
            let inputs = [stream.samples.clone(), stream.times.clone(), stream.targets.clone()];
            parts.push(run(&problem, &inputs)?.swap_remove(0));
        }
        Ok(vec![join_columns(self.0.outputs().swap_remove(0), &parts)])
    }
}
