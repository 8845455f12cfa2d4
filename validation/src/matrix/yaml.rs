//! YAML in, a typed document or a diagnostic out.

use serde::de::DeserializeOwned;
use serde_yaml::{Error, Options, RenderOptions, SnippetMode, UserMessageFormatter, budget::BudgetBreach};

use super::{Diagnostic, place::Place, source::Source, suggestion::one_of};

/// How deep mappings and lists may nest. The format itself needs 8 levels.
const DEPTH_LIMIT: usize = 24;

/// How many scalars, lists and mappings a matrix may hold.
const NODE_LIMIT: usize = 100_000;

/// How many aliases (`*name`) it may use, and how many nodes they may stand for in all.
const ALIAS_LIMIT: usize = 1_000;
const ALIASED_NODE_LIMIT: usize = 100_000;

/// Reads the one document of `source`.
pub(crate) fn read<T: DeserializeOwned>(source: &Source) -> Result<T, Diagnostic> {
    serde_yaml::from_str_with_options(&source.text, options()).map_err(|error| diagnostic(source, &error))
}

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_LIMIT,
            flow_nesting_limit: DEPTH_LIMIT,
            max_nodes: NODE_LIMIT,
            max_aliases: ALIAS_LIMIT,
            max_documents: 2,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: ALIASED_NODE_LIMIT,
        },
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        strict_booleans: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// The parser's error in this program's words. Those that a writer of a matrix meets have words of their own here;
/// syntax errors keep the parser's.
fn diagnostic(source: &Source, error: &Error) -> Diagnostic {
    if let Error::AliasError { error, locations, .. } = error {
        let place = Place::from(locations.reference_location);
        return diagnostic(source, error).help(format!("the alias is at {}:{}", place.line, place.column));
    }
    let place = error.location().map_or(Place::START, Place::from);
    let at = |message: String| source.diagnostic(place, message);
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            at(format!("unknown key `{field}`")).label(one_of(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            at(format!("unknown value `{variant}`")).label(one_of(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            at(format!("missing key `{field}`")).label(format!("this mapping needs a key `{field}`"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("of this mapping");
            at(format!("duplicate key `{key}`")).label("this mapping has this key already")
        }
        Error::InvalidScalar { ty, .. } => at(format!("expected {}", kind(ty))),
        Error::InvalidBooleanStrict { .. } => at("expected `true` or `false`".to_owned()),
        Error::Unexpected { expected, .. } => at(format!("expected {}", kind(expected))),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            at(format!("expected {expected}")).label(format!("this is {unexpected}"))
        }
        Error::Eof { .. } => at("the text ends where a mapping should be".to_owned()),
        Error::MultipleDocuments { .. } => at("a matrix is one YAML document, and another one begins here".to_owned()),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            at(format!("mappings and lists nest deeper than the {DEPTH_LIMIT} levels that a matrix may have"))
        }
        Error::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            at(format!("a matrix may have at most {NODE_LIMIT} values, lists and mappings"))
        }
        Error::Budget { breach: BudgetBreach::Aliases { .. }, .. } => {
            at(format!("a matrix may use at most {ALIAS_LIMIT} aliases"))
        }
        Error::AliasReplayLimitExceeded { .. } => {
            at(format!("the aliases of a matrix may stand for at most {ALIASED_NODE_LIMIT} values"))
        }
        Error::MergeKeyNotAllowed { .. } => at("merge keys (`<<`) are not part of this format".to_owned()),
        // The parser's enum is open: what has no words here keeps the parser's own.
        other => {
            let message = other.render_with_options(render_options());
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            at(message.to_owned())
        }
    }
}

fn render_options() -> RenderOptions<'static> {
    let mut options = RenderOptions::new(&UserMessageFormatter);
    options.snippets = SnippetMode::Off;
    options
}

/// A parser's word for what it expected, in words for people.
fn kind(word: &str) -> &str {
    match word {
        "mapping start" => "a mapping",
        "sequence start" => "a list",
        "string scalar" => "a single value",
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        other => other,
    }
}
