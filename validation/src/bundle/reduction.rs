//! Smaller arguments of an operator, boldest first.

use robocache_core::{
    operator::Operator,
    parameters::{ParameterKind, Parameters, Value},
};

/// Every step that makes one problem of an operator smaller: all extents at once to the least, then each one, by less and
/// less. Whether the operator accepts such a problem is for it to say.
pub(super) fn reductions(operator: &dyn Operator, parameters: &Parameters) -> Vec<Parameters> {
    let slots = slots(operator, parameters);
    let mut steps = Vec::new();
    for floor in [0, 1] {
        let mut least = parameters.clone();
        for slot in &slots {
            let floored = slot.minimum.max(floor).min(slot.value);
            least = slot.replaced(&least, floored);
        }
        steps.push(least);
    }
    steps.extend(shorter_lists(operator, parameters));
    for slot in &slots {
        let most = slot.value.saturating_sub(slot.minimum).max(0);
        let deltas = std::iter::successors(Some(most), |delta| Some(delta / 2)).take_while(|&delta| delta > 0);
        let to_one = (slot.minimum < 1 && slot.value > 1).then(|| slot.value - 1);
        for delta in to_one.into_iter().chain(deltas) {
            steps.push(slot.replaced(parameters, slot.value - delta));
        }
    }
    steps.dedup();
    steps.retain(|step| step != parameters);
    steps
}

/// One integer among the arguments.
struct Slot {
    name: String,
    /// Where in a list, and in the list within it.
    path: Vec<usize>,
    value: i64,
    minimum: i64,
}

impl Slot {
    fn replaced(&self, parameters: &Parameters, new: i64) -> Parameters {
        let mut replaced = parameters.clone();
        if let Some(mut value) = parameters.get(&self.name).cloned() {
            if let Some(place) = place(&mut value, &self.path) {
                *place = Value::Integer(new);
            }
            replaced.set(self.name.clone(), value);
        }
        replaced
    }
}

fn place<'a>(value: &'a mut Value, path: &[usize]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, &position| match value {
        Value::List(values) => values.get_mut(position),
        Value::Integer(_) | Value::Number(_) | Value::Word(_) => None,
    })
}

fn slots(operator: &dyn Operator, parameters: &Parameters) -> Vec<Slot> {
    let mut slots = Vec::new();
    for spec in operator.parameters() {
        let minimum = match spec.kind {
            ParameterKind::Integer { minimum } => minimum,
            ParameterKind::Integers { .. } | ParameterKind::IntegerPairs => 1,
            ParameterKind::Number | ParameterKind::Word(_) | ParameterKind::Numbers { .. } => continue,
        };
        if let Some(value) = parameters.get(spec.name) {
            collect(value, &mut Vec::new(), &mut |path, value| {
                slots.push(Slot { name: spec.name.to_owned(), path: path.to_vec(), value, minimum });
            });
        }
    }
    slots
}

fn collect(value: &Value, path: &mut Vec<usize>, found: &mut dyn FnMut(&[usize], i64)) {
    match value {
        Value::Integer(value) => found(path, *value),
        Value::Number(_) | Value::Word(_) => {}
        Value::List(values) => {
            for (position, value) in values.iter().enumerate() {
                path.push(position);
                collect(value, path, found);
                path.pop();
            }
        }
    }
}

/// Lists of pairs, such as streams, with half of their members or one less.
fn shorter_lists(operator: &dyn Operator, parameters: &Parameters) -> Vec<Parameters> {
    let mut steps = Vec::new();
    for spec in operator.parameters().iter().filter(|spec| spec.kind == ParameterKind::IntegerPairs) {
        let Some(Value::List(pairs)) = parameters.get(spec.name) else { continue };
        let mut with = |pairs: Vec<Value>| {
            let mut shorter = parameters.clone();
            shorter.set(spec.name, Value::List(pairs));
            steps.push(shorter);
        };
        let half = pairs.len() / 2;
        if half > 0 {
            with(pairs[..1].to_vec());
            with(pairs[..half].to_vec());
            with(pairs[half..].to_vec());
        }
        if pairs.len() > 2 {
            for left_out in 0..pairs.len() {
                let mut rest = pairs.clone();
                rest.remove(left_out);
                with(rest);
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use robocache_core::operators;

    use super::*;

    fn integers(values: &[i64]) -> Value {
        Value::List(values.iter().copied().map(Value::Integer).collect())
    }

    #[test]
    fn every_extent_is_reduced_within_its_rule_and_nothing_else() {
        let registry = operators::registry();
        let parameters = Parameters::new([
            ("b".to_owned(), Value::Integer(4)),
            ("t".to_owned(), Value::Integer(9)),
            ("streams".to_owned(), Value::List(vec![integers(&[6, 3]), integers(&[5, 1])])),
        ]);
        let steps = reductions(&**registry.get("fuse").unwrap(), &parameters);
        let least = steps[0].get("streams").unwrap();
        assert_eq!((steps[0].get("b"), least), (Some(&Value::Integer(0)), &Value::List(vec![integers(&[1, 1]); 2])));
        assert!(steps.iter().any(|step| step.get("streams") == Some(&Value::List(vec![integers(&[6, 3])]))));
        assert!(steps.iter().any(|step| step.get("t") == Some(&Value::Integer(8))));
        assert!(steps.iter().all(|step| step != &parameters));
    }
}
