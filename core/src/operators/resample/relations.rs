//! Changes of a resample problem that change its result predictably.

use rand_chacha::rand_core::Rng;

use super::{ResampleProblem, ResampleShape};
use crate::{
    generate::shuffle,
    operator::{Problem, Relation, RunError, RunProblem},
    operators::rows::{gather_rows, join_rows, take_rows},
    random::Seed,
    tensor::HostTensor,
};

/// Targets in another order give the same rows in that order.
pub(super) struct PermutedTargets<'a>(pub(super) &'a ResampleProblem);

impl Relation for PermutedTargets<'_> {
    fn name(&self) -> &'static str {
        "permuted_targets"
    }

    fn follow_up(&self, inputs: &[HostTensor], seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError> {
        let target = self.0.shape().target;
        // Where each target of the original stands in the follow-up, sequence by sequence.
        let mut there: Vec<usize> = (0..inputs[2].shape().elements()).collect();
        for (sequence, places) in there.chunks_mut(target.max(1)).enumerate() {
            shuffle(places, &mut seed.block_generator(sequence as u64));
        }
        let mut back = vec![0; there.len()];
        for (place, &from) in there.iter().enumerate() {
            back[from] = place;
        }
        let permuted = [inputs[0].clone(), inputs[1].clone(), gather_rows(&inputs[2], 2, &there)];
        let outputs = run(self.0, &permuted)?;
        Ok(vec![gather_rows(&outputs[0], 2, &back)])
    }
}

/// A batch in two parts gives the two parts of the result.
pub(super) struct SplitBatch<'a>(pub(super) &'a ResampleProblem);

impl Relation for SplitBatch<'_> {
    fn name(&self) -> &'static str {
        "split_batch"
    }

    fn follow_up(&self, inputs: &[HostTensor], seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError> {
        let batch = self.0.shape().batch;
        let middle = (seed.generator().next_u64() % (batch as u64 + 1)) as usize;
        let mut parts = Vec::new();
        for range in [0..middle, middle..batch] {
            let shape = ResampleShape { batch: range.len(), ..*self.0.shape() };
            let problem = ResampleProblem::new(self.0.dtype(), shape).expect("a part is no larger than the whole");
            let part: Vec<_> = inputs.iter().map(|input| take_rows(input, range.clone())).collect();
            parts.push(run(&problem, &part)?.swap_remove(0));
        }
        Ok(vec![join_rows(self.0.outputs().swap_remove(0), &parts)])
    }
}
