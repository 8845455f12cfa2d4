//! As much of JSON Schema 2020-12 as the matrix's schema uses. A keyword that is not known here is an error, so that no
//! part of a schema goes unchecked.

use serde_json::{Map, Value};

/// Every way in which `value` does not fit `schema`, with the path to the value.
pub(crate) fn misfits(schema: &Value, value: &Value) -> Vec<String> {
    let mut misfits = Vec::new();
    Validator { root: schema }.check(schema, value, "", &mut misfits);
    misfits
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, path: &str, misfits: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            assert!(schema.is_boolean(), "{path}: a schema is an object or a boolean, not {schema}");
            if schema == false {
                misfits.push(format!("{path}: nothing may be here"));
            }
            return;
        };
        for (keyword, rule) in keywords {
            let fits = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "default" | "format" | "then" => true,
                "$ref" => {
                    let pointer =
                        rule.as_str().and_then(|reference| reference.strip_prefix('#')).expect("a local $ref");
                    self.check(self.root.pointer(pointer).expect("a $ref to something"), value, path, misfits);
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|kind| is_of_type(value, kind)),
                    kind => is_of_type(value, kind),
                },
                "enum" => rule.as_array().expect("a list").contains(value),
                "const" => rule == value,
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
                "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > rule.as_f64().expect("a number")),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= count(rule)),
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= count(rule)),
                "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= count(rule)),
                "items" => {
                    for (position, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{path}/{position}"), misfits);
                    }
                    true
                }
                "required" => value.as_object().is_none_or(|object| {
                    rule.as_array().expect("a list").iter().all(|key| object.contains_key(key.as_str().expect("a key")))
                }),
                "properties" => {
                    for (key, rule) in rule.as_object().expect("a mapping") {
                        if let Some(value) = value.get(key) {
                            self.check(rule, value, &format!("{path}/{key}"), misfits);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    self.check_others(keywords, rule, value, path, misfits);
                    true
                }
                "anyOf" => rule.as_array().expect("a list").iter().any(|rule| self.fits(rule, value)),
                "oneOf" => rule.as_array().expect("a list").iter().filter(|rule| self.fits(rule, value)).count() == 1,
                "allOf" => {
                    for rule in rule.as_array().expect("a list") {
                        self.check(rule, value, path, misfits);
                    }
                    true
                }
                "if" => {
                    if self.fits(rule, value) {
                        self.check(&keywords["then"], value, path, misfits);
                    }
                    true
                }
                unknown => panic!("{path}: the keyword `{unknown}` is not checked here"),
            };
            if !fits {
                misfits.push(format!("{path}: {value} breaks `{keyword}`: {rule}"));
            }
        }
    }

    fn check_others(
        &self,
        keywords: &Map<String, Value>,
        rule: &Value,
        value: &Value,
        path: &str,
        misfits: &mut Vec<String>,
    ) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if keywords.get("properties").is_none_or(|properties| properties.get(key).is_none()) {
                self.check(rule, value, &format!("{path}/{key}"), misfits);
            }
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut misfits = Vec::new();
        self.check(schema, value, "", &mut misfits);
        misfits.is_empty()
    }
}

fn count(rule: &Value) -> u64 {
    rule.as_u64().expect("a count")
}

fn is_of_type(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type's name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("`{other}` is no type of JSON"),
    }
}
