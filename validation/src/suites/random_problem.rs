//! Problems of random extents, and the shrinking of one that fails.

use std::cell::RefCell;

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy},
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use rand_chacha::rand_core::Rng;
use robocache_core::{
    distribution::Distribution,
    operator::Operator,
    parameters::{ParameterKind, Parameters, Value},
    registry::Registry,
    tensor::HostTensor,
};

use super::{
    AccuracySettings, SuiteSettings,
    device::during,
    measurement::{Measured, measure},
    witness::Witness,
};
use crate::{
    cell::{Cell, Input},
    observation::{AccuracyFacts, Counterexample, OperatorFailure},
};

/// Tries `count` problems no larger than the cell's own, drawn with its seed, and gives the smallest that fails, with its tensors.
pub(super) fn search(
    registry: &Registry,
    cell: &Cell,
    count: u32,
) -> Result<Option<(Counterexample, Witness)>, OperatorFailure> {
    let Some(operator) = registry.get(&cell.operator) else { return Ok(None) };
    // What was wrong at the last attempt that failed.
    let wrong = RefCell::new(None);
    let attempt = |(parameters, distribution): (Parameters, Distribution)| {
        // Combinations that break a rule are not problems at all, and others are drawn for them.
        let problem =
            operator.problem(cell.dtype, &parameters).map_err(|invalid| TestCaseError::reject(invalid.to_string()))?;
        let seed = cell.seed.derive(&problem.name());
        let inputs = problem.generate(distribution, seed);
        match measure(cell.device, &*problem, &inputs) {
            Ok(measured) if measured.facts.holds() => Ok(()),
            Ok(measured) => {
                let counterexample = counterexample(problem.name(), distribution, &measured.facts);
                let replay = Cell {
                    suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
                    parameters,
                    input: Input::Generated(distribution),
                    seed,
                    ..cell.clone()
                };
                wrong.replace(Some(Ok((counterexample, witness(replay, inputs, measured)))));
                Err(TestCaseError::fail("does not hold"))
            }
            Err(error) => {
                wrong.replace(Some(Err(during(format!("{} {distribution}", problem.name()))(error))));
                Err(TestCaseError::fail("returned an error"))
            }
        }
    };
    let strategy = (parameters(&**operator, &cell.parameters), select(operator.distributions().to_vec()));
    match runner(cell, count).run(&strategy, attempt) {
        Ok(()) => Ok(None),
        Err(TestError::Abort(reason)) => Err(OperatorFailure {
            during: "random_problems".into(),
            message: format!("no problem could be drawn: {reason}"),
            sticky: false,
        }),
        // The last attempt that failed is the smallest: shrinking only ever replaces it with a smaller one.
        Err(TestError::Fail(..)) => wrong.into_inner().transpose(),
    }
}

fn runner(cell: &Cell, count: u32) -> TestRunner {
    let mut seed = [0; 32];
    cell.seed.derive("random_problems").generator().fill_bytes(&mut seed);
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 256, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn witness(replay: Cell, inputs: Vec<HostTensor>, measured: Measured) -> Witness {
    let (expected, actual) = measured.into_tensors();
    Witness { other: Some((replay, inputs)), suite: None, expected, actual }
}

fn counterexample(problem: String, distribution: Distribution, facts: &AccuracyFacts) -> Counterexample {
    Counterexample { problem, distribution: distribution.to_string(), description: facts.defects().join("; ") }
}

/// The cell's arguments with every extent drawn anew, none larger than the cell's own.
fn parameters(operator: &dyn Operator, own: &Parameters) -> BoxedStrategy<Parameters> {
    let arguments: Vec<BoxedStrategy<(String, Value)>> = own
        .iter()
        .map(|(name, value)| {
            let kind = operator.parameters().iter().find(|spec| spec.name == name).map(|spec| spec.kind);
            let name = name.to_owned();
            argument(kind, value).prop_map(move |value| (name.clone(), value)).boxed()
        })
        .collect();
    arguments.prop_map(Parameters::new).boxed()
}

fn argument(kind: Option<ParameterKind>, own: &Value) -> BoxedStrategy<Value> {
    match (kind, own) {
        (Some(ParameterKind::Integer { minimum }), Value::Integer(own)) => extent(minimum, *own),
        (Some(ParameterKind::Integers { .. }), Value::List(own)) => own
            .iter()
            .map(|value| argument(Some(ParameterKind::Integer { minimum: 1 }), value))
            .collect::<Vec<_>>()
            .prop_map(Value::List)
            .boxed(),
        (Some(ParameterKind::IntegerPairs), Value::List(own)) if !own.is_empty() => {
            let pair =
                select(own.clone()).prop_flat_map(|pair| argument(Some(ParameterKind::Integers { length: 2 }), &pair));
            vec(pair, 1..=own.len()).prop_map(Value::List).boxed()
        }
        (Some(_) | None, own) => Just(own.clone()).boxed(),
    }
}

/// Small extents are where tails and edges are: half of all draws lie below 18.
fn extent(minimum: i64, own: i64) -> BoxedStrategy<Value> {
    let own = own.max(minimum);
    let small = own.min(minimum + 17);
    proptest::prop_oneof![minimum..=small, minimum..=own].prop_map(Value::Integer).boxed()
}
