//! What `set` says: settings and limits that cells get instead of the matrix's general ones.

use std::num::NonZeroU64;

use super::{
    Diagnostic,
    entries::{Entries, Entry},
    source::Source,
    suggestion::one_of,
};
use crate::{cell::Limits, suites::SuiteSettings};

/// The limits that `set` knows, beside every setting of every suite.
const LIMIT_KEYS: [&str; 3] = ["deadline_s", "memory_mib", "own_process"];

/// Changes of settings and limits. Each is known to be a limit or a setting of some suite, and to have a valid value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Entries<serde_json::Value>);

impl Changes {
    /// Checks every change against limits and against the settings of `suites`, as they stand in the matrix.
    pub(crate) fn new(
        entries: Entries<serde_json::Value>,
        suites: &[SuiteSettings],
        source: &Source,
    ) -> Result<Self, Diagnostic> {
        for change in entries.iter() {
            let mut known = false;
            for suite in suites {
                known |= set_setting(&mut suite.clone(), change, source)?;
            }
            known |= set_limit(&mut NO_LIMITS.clone(), change, source)?;
            if !known {
                let mut keys: Vec<_> = LIMIT_KEYS.map(str::to_owned).to_vec();
                keys.extend(suites.iter().flat_map(setting_names));
                let message = format!("nothing that is selected here has a setting or limit `{}`", change.key.value);
                return Err(source.diagnostic(change.key.place, message).label(one_of(&change.key, &keys)));
            }
        }
        Ok(Self(entries))
    }

    /// Makes the changes. A setting of another suite than this one changes nothing.
    pub(crate) fn apply(
        &self,
        suite: &mut SuiteSettings,
        limits: &mut Limits,
        source: &Source,
    ) -> Result<(), Diagnostic> {
        for change in self.0.iter() {
            set_setting(suite, change, source)?;
            set_limit(limits, change, source)?;
        }
        Ok(())
    }
}

/// Something to try a change of limits on.
const NO_LIMITS: Limits = Limits { deadline_ms: u64::MAX, memory_bytes: None, fresh_process: false };

/// Whether `after` allows more than `before`.
pub(crate) fn looser_limits(after: &Limits, before: &Limits) -> bool {
    let Limits { deadline_ms, memory_bytes, fresh_process: _ } = *after;
    deadline_ms > before.deadline_ms || memory_bytes.unwrap_or(u64::MAX) > before.memory_bytes.unwrap_or(u64::MAX)
}

fn setting_names(suite: &SuiteSettings) -> Vec<String> {
    fields(suite).into_iter().map(|(name, _)| name).collect()
}

/// The settings of a suite by name, as the matrix writes them.
fn fields(suite: &SuiteSettings) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(suite) {
        Ok(serde_json::Value::Object(mut tagged)) => match tagged.remove(suite.name()) {
            Some(serde_json::Value::Object(fields)) => fields,
            other => unreachable!("settings of {} are a mapping, not {other:?}", suite.name()),
        },
        other => unreachable!("settings of {} are tagged with its name, not {other:?}", suite.name()),
    }
}

/// Changes one setting; `false` if the suite has none of this name.
fn set_setting(
    suite: &mut SuiteSettings,
    change: &Entry<serde_json::Value>,
    source: &Source,
) -> Result<bool, Diagnostic> {
    let mut fields = fields(suite);
    let Some(value) = fields.get_mut(&change.key.value) else { return Ok(false) };
    *value = change.value.value.clone();
    let invalid = |rule: String| {
        source.diagnostic(change.value.place, format!("invalid value of `{}`", change.key.value)).label(rule)
    };
    let tagged = serde_json::json!({ suite.name(): fields });
    let changed: SuiteSettings = serde_json::from_value(tagged).map_err(|error| invalid(error.to_string()))?;
    changed.check().map_err(|error| invalid(error.rule.to_owned()))?;
    *suite = changed;
    Ok(true)
}

/// Changes one limit; `false` if there is none of this name.
fn set_limit(limits: &mut Limits, change: &Entry<serde_json::Value>, source: &Source) -> Result<bool, Diagnostic> {
    let value = &change.value;
    let invalid = |rule: &str| source.diagnostic(value.place, format!("expected {rule}"));
    let positive = |unit: u64| {
        let number = value.as_u64().and_then(NonZeroU64::new);
        number.and_then(|number| number.get().checked_mul(unit)).ok_or_else(|| invalid("an integer of at least 1"))
    };
    match change.key.value.as_str() {
        "deadline_s" => limits.deadline_ms = positive(1_000)?,
        "memory_mib" => limits.memory_bytes = Some(positive(1 << 20)?),
        "own_process" => limits.fresh_process = value.as_bool().ok_or_else(|| invalid("`true` or `false`"))?,
        _ => return Ok(false),
    }
    Ok(true)
}
